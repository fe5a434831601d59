//! What the shipped app does, step by step (contract `pos.md` §18): its own bodies, its own order of calls, its session's
//! header on each of them, cards held to Stripe's stand-in, and Stripe's signed webhooks.

mod cards;
mod cash;
mod offline;
mod start;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::till::*;
use crate::app::{App, assert_exact_members};

/// A catalog with a tax, and what it sells: their ids.
struct Menu {
    catalog: String,
    product: String,
    entry: String,
}

/// An owner's phone and a menu with one drink at $15.
async fn open_menu(owner: &Person<'_>) -> Menu {
    let made = owner.post("/catalogs", json!({"name": "Night Bar", "taxRate": 8.25})).await.expect(201);
    let catalog = id(&made).to_owned();
    let product = owner.post("/products", json!({"name": "Lemonade", "description": null})).await.expect(201);
    let product = id(&product).to_owned();
    let body = json!({"productId": product, "price": 1500, "categoryId": null});
    let entry = owner.post(&format!("/catalogs/{catalog}/products"), body).await.expect(201);
    Menu { catalog, product, entry: id(&entry).to_owned() }
}

/// What the checkout screen sends for two drinks, with 8.25 % of tax and 18 % of tip, each reckoned as contract §19 says.
fn checkout(menu: &Menu, method: &str, more: Value) -> Value {
    let items = json!([{"productId": menu.product, "catalogProductId": menu.entry, "categoryId": null,
        "name": "Lemonade", "quantity": 2, "unitPrice": 1500, "notes": "no ice"}]);
    let mut body = json!({"catalogId": menu.catalog, "items": items, "subtotal": 3000, "taxAmount": 248,
        "tipAmount": 540, "totalAmount": 3788, "paymentMethod": method, "customerEmail": "",
        "isQuickCharge": false, "deviceId": DEVICE});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}
