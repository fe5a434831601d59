//! A cloud of its own for each test, and the few things that most tests do with it. All of it over HTTP.

use std::time::Duration;

use local::{Cloud, Data, Options};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A running cloud with demo data.
pub struct App {
    /// The cloud.
    pub cloud: Cloud,
    /// What `/_local/demo` says.
    pub demo: Value,
    http: reqwest::Client,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, if the status is as expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// An error of the surface's shape with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!((&body["success"], &body["code"]), (&json!(false), &json!(code)), "{body}");
        assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        body
    }
}

/// A request on its way.
pub struct Call<'a> {
    app: &'a App,
    request: reqwest::RequestBuilder,
}

impl Call<'_> {
    pub fn token(mut self, token: &str) -> Self {
        self.request = self.request.bearer_auth(token);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    pub fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    pub fn form(mut self, form: reqwest::multipart::Form) -> Self {
        self.request = self.request.multipart(form);
        self
    }

    pub async fn send(self) -> Answer {
        let answer = self.request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let _ = self.app;
        Answer { status, headers, body }
    }
}

/// A sale: an event with one tier, open for orders.
#[derive(Clone, Debug)]
pub struct Sale {
    pub event: String,
    pub tier: String,
}

impl App {
    /// Starts a cloud in memory, without rate limits.
    pub async fn start() -> App {
        App::with(Options { rate_limit: false, ..App::options() }).await
    }

    /// What a test's cloud is started with: nothing on disk, any free port.
    pub fn options() -> Options {
        Options { port: 0, data: Data::Memory, demo: true, ..Options::default() }
    }

    /// Starts a cloud as wanted.
    pub async fn with(options: Options) -> App {
        let cloud = Cloud::start(options).await.unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let demo = http.get(format!("{}/_local/demo", cloud.url())).send().await.unwrap().json().await.unwrap();
        App { cloud, demo, http }
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.cloud.url()) };
        Call { app: self, request: self.http.request(method, url) }
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Call<'_> {
        self.call(Method::PUT, path)
    }

    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    /// A demo user's e-mail and password. `role` is `superadmin`, `admin`, `staff`, or `other` for the other tenant's admin.
    pub fn user(&self, role: &str) -> (String, String) {
        let own = self.demo["org_id"].as_str().unwrap_or_default();
        let wanted = |user: &&Value| match role {
            "other" => user["org_id"] != own,
            role => user["role"] == role && user["org_id"] == own,
        };
        let user = self.demo["users"].as_array().unwrap().iter().find(wanted).unwrap();
        (user["email"].as_str().unwrap().into(), user["password"].as_str().unwrap().into())
    }

    /// An access token of a demo user.
    pub async fn sign_in(&self, role: &str) -> String {
        let (email, password) = self.user(role);
        let answer =
            self.post("/tickets/api/auth/login").json(&json!({"email": email, "password": password})).send().await;
        answer.expect(200)["accessToken"].as_str().unwrap().to_owned()
    }

    /// An active event with one tier of `capacity` tickets at `price`.
    pub async fn open_sale(&self, token: &str, capacity: u32, price: f64) -> Sale {
        let body = json!({"name": "Test Night", "location": "Guatemala", "date": "2027-05-01", "status": "active",
            "tiers": [{"name": "General", "price": price, "quantity": capacity}]});
        let created = self.post("/tickets/api/admin/events").token(token).json(&body).send().await.expect(201);
        let event = created["event"]["id"].as_str().unwrap().to_owned();
        let shown = self.get(&format!("/tickets/api/events/{event}")).send().await.expect(200);
        Sale { tier: shown["event"]["tiers"][0]["id"].as_str().unwrap().to_owned(), event }
    }

    /// A request for tickets.
    pub fn order(&self, sale: &Sale, quantity: u32) -> Call<'_> {
        self.post("/tickets/api/orders").json(&json!({"eventId": sale.event, "tierId": sale.tier, "quantity": quantity,
            "buyerName": "Ana Buyer", "buyerEmail": "ana@example.com"}))
    }

    /// A placed order: the whole answer.
    pub async fn place_order(&self, sale: &Sale, quantity: u32) -> Value {
        self.order(sale, quantity).send().await.expect(201)
    }

    /// The order as the public sees it.
    pub async fn order_of(&self, placed: &Value) -> Value {
        let number = number_of(placed);
        self.get(&format!("/tickets/api/orders/{number}")).send().await.expect(200)["order"].clone()
    }

    /// Pays on Stripe's page with a card.
    pub async fn pay_at_stripe(&self, placed: &Value, card: &str) -> Answer {
        let url = placed["paymentUrl"].as_str().unwrap();
        let session = url.rsplit('/').next().unwrap().split(['?', '#']).next().unwrap();
        let path = format!("{}/_local/pay/{session}", self.cloud.stripe_url());
        self.post(&path).json(&json!({"card": card})).send().await
    }

    /// Pays, and waits until the webhook has had its effect.
    pub async fn pay(&self, placed: &Value) {
        self.pay_at_stripe(placed, "4242424242424242").await.expect(200);
        self.until("the order is paid", async || self.order_of(placed).await["status"] == "paid").await;
    }

    /// Sends the generic payment webhook, signed.
    pub async fn notify(&self, body: &Value) -> Answer {
        let secret = self.demo["webhook_secrets"]["tickets"].as_str().unwrap();
        let text = body.to_string();
        let signature = payments::signature::sign(secret, text.as_bytes(), self.cloud.now().as_second());
        self.post("/tickets/api/webhook/payment").header("stripe-signature", &signature).body(text).send().await
    }

    /// E-mails to an address, newest first.
    pub async fn mails(&self, to: &str) -> Vec<Value> {
        let mails = self.get(&format!("/_local/mailbox?to={}", to.replace('@', "%40"))).send().await.expect(200);
        mails.as_array().cloned().unwrap_or_default()
    }

    /// Sets every clock forward.
    pub async fn advance(&self, seconds: i64) {
        self.post("/_local/clock").json(&json!({"advanceSeconds": seconds})).send().await;
    }

    /// Fires a function's schedule now.
    pub async fn run_schedule(&self, function: &str) {
        self.post(&format!("/_local/schedules/{function}")).send().await.expect(200);
    }

    /// Waits until something is so; 15 seconds at most.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..300 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not within 15 seconds: {what}");
    }

    /// The tier's `(quantity, sold, available)` as the public sees it.
    pub async fn stock(&self, sale: &Sale) -> (i64, i64, i64) {
        let event = self.get(&format!("/tickets/api/events/{}", sale.event)).send().await.expect(200)["event"].clone();
        let tiers = event["tiers"].as_array().unwrap();
        let tier = tiers.iter().find(|tier| tier["id"] == sale.tier.as_str()).unwrap();
        let figure = |name: &str| tier[name].as_i64().unwrap();
        (figure("quantity"), figure("sold"), figure("available"))
    }

    /// Lets every queue and stream run dry, then checks every invariant over the whole table.
    pub async fn verify(&self) {
        self.cloud.drain().await;
        let ctx = self.cloud.ctx("tickets-orders");
        let report = ops::verify::load(ctx.store()).await.unwrap();
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
    }
}

/// The number of a placed order.
pub fn number_of(placed: &Value) -> &str {
    placed["order"]["orderNumber"].as_str().unwrap()
}

impl App {
    /// Makes an event; its id.
    pub async fn create_event(&self, token: &str, body: &Value) -> String {
        let created = self.post("/tickets/api/admin/events").token(token).json(body).send().await.expect(201);
        created["event"]["id"].as_str().unwrap().to_owned()
    }

    /// An event as staff see it.
    pub async fn admin_event(&self, token: &str, event: &str) -> Value {
        self.get(&format!("/tickets/api/admin/events/{event}")).token(token).send().await.expect(200)["event"].clone()
    }

    /// A placed order as staff see it.
    pub async fn admin_order(&self, token: &str, placed: &Value) -> Value {
        let id = placed["order"]["id"].as_str().unwrap();
        self.get(&format!("/tickets/api/admin/orders/{id}")).token(token).send().await.expect(200)["order"].clone()
    }

    /// Staff's wish to change the status of a placed order.
    pub fn set_status(&self, token: &str, placed: &Value, body: &Value) -> Call<'_> {
        let id = placed["order"]["id"].as_str().unwrap();
        self.put(&format!("/tickets/api/admin/orders/{id}/status")).token(token).json(body)
    }

    /// Changes a demo user's member item, as `cargo ops` would.
    pub async fn change_member(&self, role: &str, change: impl FnOnce(&mut domain::member::Member)) {
        let (email, _) = self.user(role);
        let user = self.demo["users"].as_array().unwrap().iter().find(|user| user["email"] == email.as_str()).unwrap();
        let ctx = self.cloud.ctx("tickets-auth");
        let id = user["user_id"].as_str().unwrap().parse().unwrap();
        let mut member = ctx.store().load_member(id).await.unwrap().unwrap();
        change(&mut member);
        ctx.store().save_member(&member).await.unwrap();
    }
}

/// The object has each of these members, named with spaces between.
#[track_caller]
pub fn assert_members(object: &Value, names: &str) {
    let missing: Vec<&str> = names.split_whitespace().filter(|name| object.get(name).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {object}");
}

/// The object has these members and no other.
#[track_caller]
pub fn assert_exact_members(object: &Value, names: &str) {
    let mut names: Vec<&str> = names.split_whitespace().collect();
    names.sort_unstable();
    let mut found: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, names, "{object}");
}

/// Path of a placed order among staff's routes.
pub fn admin_path(placed: &Value) -> String {
    format!("/tickets/api/admin/orders/{}", placed["order"]["id"].as_str().unwrap())
}
