mod admin;
mod auth;
mod checkin;
mod orders;
mod storefront;
