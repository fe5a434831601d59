mod connect;
mod stores;
mod stripe;
