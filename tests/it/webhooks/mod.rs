mod stores;
mod stripe;
