//! Catalogs, categories, the library, and what a catalog sells (contract `pos.md` §4-§7).

mod copies;
mod library;
mod menu;
mod races;
mod settings;
mod tiers;

use domain::{
    ids::OrgId,
    pos::{product::Shelf, subscription::Subscription, tier::Tier},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, Call};

/// A UUID that nothing has.
const NOWHERE: &str = "00fa14fa-0000-4000-8000-00000000ffff";

/// Somebody at the counter.
struct Person<'a> {
    app: &'a App,
    token: String,
}

impl<'a> Person<'a> {
    /// `role` as in [`App::user`].
    async fn new(app: &'a App, role: &str) -> Self {
        Person { app, token: app.sign_in(role).await }
    }

    fn call(&self, method: Method, path: &str) -> Call<'a> {
        self.app.call(method, &format!("/pos{path}")).token(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(&body).send().await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path).json(&body).send().await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path).json(&body).send().await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }

    /// A new catalog's path.
    async fn catalog(&self, name: &str) -> String {
        let made = self.post("/catalogs", json!({"name": name})).await.expect(201);
        format!("/catalogs/{}", id(&made))
    }

    /// A new category's id.
    async fn category(&self, catalog: &str, name: &str) -> String {
        let made = self.post(&format!("{catalog}/categories"), json!({"name": name})).await.expect(201);
        id(&made).to_owned()
    }

    /// A new product's id.
    async fn product(&self, name: &str) -> String {
        id(&self.post("/products", json!({"name": name})).await.expect(201)).to_owned()
    }

    /// A product in a catalog, new in both.
    async fn sell(&self, catalog: &str, name: &str, price: i64) -> Value {
        let product = self.product(name).await;
        self.post(&format!("{catalog}/products"), json!({"productId": product, "price": price})).await.expect(201)
    }

    /// Names of what a catalog sells, in order.
    async fn menu(&self, catalog: &str) -> Vec<String> {
        names(&self.get(&format!("{catalog}/products")).await.expect(200), "/product/name")
    }

    async fn product_count(&self, catalog: &str) -> i64 {
        self.get(catalog).await.expect(200)["productCount"].as_i64().unwrap()
    }
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

fn names(list: &Value, pointer: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|thing| thing.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
}

/// An error of the counter's shape (contract §1.3).
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) -> Value {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    for name in ["error", "message"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    body
}

/// A refusal that names this field.
#[track_caller]
fn invalid(answer: Answer, field: &str) {
    let body = refused(answer, 400, "VALIDATION_ERROR");
    assert_eq!(body["error"], "VALIDATION_ERROR", "{body}");
    assert_eq!(body["details"][0]["path"], field, "{body}");
}

/// "Home Productions".
fn org(app: &App) -> OrgId {
    app.demo["org_id"].as_str().unwrap().parse().unwrap()
}

/// How many products "Home Productions" has, and what copies are on their way.
async fn load_shelf(app: &App) -> Shelf {
    app.cloud.ctx("pos-catalogs").store().pos().load_products(org(app), &[]).await.unwrap().shelf
}

/// Gives "Home Productions" another tier.
async fn subscribe(app: &App, tier: Tier) {
    let ctx = app.cloud.ctx("pos-catalogs");
    let org = org(app);
    let before = ctx.store().pos().load_terms(org).await.unwrap().subscription.unwrap();
    let after = Subscription { tier, version: before.version + 1, ..before.clone() };
    ctx.store().pos().save_subscription(Some(&before), &after).await.unwrap();
}
