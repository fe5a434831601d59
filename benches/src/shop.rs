//! A cloud in memory, and the functions bound to a metered context of it.

use std::collections::HashMap;

use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use lambda_runtime::Context;
use local::{Cloud, Data, Options};
use runtime::{Aws, Ctx, Invoker};
use serde_json::{Value, json};

use crate::{link, meter::Meter};

/// What a shop is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To count: orders open a checkout session, as in production, and the link to the cloud is slow, so that calls that
    /// do not wait for each other overlap.
    Count,
    /// To time.
    Time,
}

/// What a benchmark works with.
pub struct Shop {
    /// The cloud; its own workers are paused, so that nothing but the benchmark touches the table.
    pub cloud: Cloud,
    /// The metered context.
    pub ctx: Ctx,
    /// What it counts.
    pub meter: Meter,
    orders: Invoker,
    checkin: Invoker,
}

impl Shop {
    /// Opens it.
    pub async fn open(purpose: Purpose) -> anyhow::Result<Self> {
        let options = Options { port: 0, data: Data::Memory, demo: true, rate_limit: false, ..Options::default() };
        let cloud = Cloud::start(options).await?;
        cloud.drain().await;
        cloud.sources().pause();
        let aws_url = match purpose {
            Purpose::Count => link::slow(cloud.aws_url()).await?,
            Purpose::Time => cloud.aws_url().to_owned(),
        };
        let env = HashMap::from([
            ("AWS_ENDPOINT_URL".to_owned(), aws_url),
            ("AWS_ACCESS_KEY_ID".to_owned(), "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "local".to_owned()),
        ]);
        let meter = Meter::default();
        let aws = Aws::from_map(&env).with_interceptor(SharedInterceptor::new(meter.clone()));
        let base = cloud.ctx("tickets-orders");
        let mut settings = base.settings().clone();
        if purpose == Purpose::Time {
            settings.stripe_secret_key = None;
        }
        let ctx = Ctx::new(settings, aws, base.clock().clone())?;
        Ok(Shop {
            orders: tickets_orders::function().into_invoker(ctx.clone()),
            checkin: tickets_checkin::function().into_invoker(ctx.clone()),
            cloud,
            ctx,
            meter,
        })
    }

    /// Sends an HTTP event to `tickets-orders` and reads the answer's body.
    pub async fn order(&self, event: &str, tier: &str, quantity: u32) -> anyhow::Result<Value> {
        let body = json!({"eventId": event, "tierId": tier, "quantity": quantity, "buyerName": "Ana María Buyer",
            "buyerEmail": "ana.maria@example.com", "buyerPhone": "+502 5555 0100", "buyerCountry": "Guatemala"});
        self.post(&self.orders, "/tickets/api/orders", &body).await
    }

    /// Sends a scan to `tickets-checkin` and reads the answer's body.
    pub async fn check_in(&self, presented: &str) -> anyhow::Result<Value> {
        self.post(&self.checkin, "/tickets/api/checkin", &json!({"qr_code": presented})).await
    }

    async fn post(&self, function: &Invoker, path: &str, body: &Value) -> anyhow::Result<Value> {
        send(function, "POST", path, None, Some(body)).await
    }

    /// A new active event with one tier; `(event, tier)`.
    pub async fn open_sale(&self, capacity: u32, price: i64) -> anyhow::Result<(String, String)> {
        use domain::{
            audit::{Action, AuditEntry},
            ids::{EventId, TierId},
            money::Cents,
            tickets::event::EventStatus,
        };
        let ctx = self.cloud.ctx("tickets-orders");
        let events = ctx.store().list_events(ctx.settings().tickets_org).await?;
        let model =
            events.iter().find(|event| !event.tiers.is_empty()).ok_or_else(|| anyhow::anyhow!("no demo event"))?;
        let mut event = model.clone();
        let random = || -> [u8; 16] {
            std::array::from_fn(|i| {
                (domain::time::iso(ctx.now()).as_bytes()[i] ^ capacity as u8).wrapping_add(price as u8)
            })
        };
        event.id = EventId::from_random(random());
        event.status = EventStatus::Active;
        event.tiers.truncate(1);
        event.tiers[0].id = TierId::from_random(random());
        event.tiers[0].quantity = capacity;
        event.tiers[0].price = Cents(price);
        event.tiers[0].payment_link = None;
        let entry = AuditEntry {
            id: event.id.to_string(),
            org: event.org,
            action: Action::Create,
            entity_type: "event".into(),
            entity_id: event.id.to_string(),
            user: None,
            user_name: None,
            user_email: None,
            old: None,
            new: None,
            ip: None,
            user_agent: None,
            at: ctx.now(),
        };
        ctx.store().create_event(&event, &entry).await?;
        Ok((event.id.to_string(), event.tiers[0].id.to_string()))
    }
}

/// Sends an HTTP event to a function, in the name of a member whose token API Gateway has verified, and reads the answer's
/// body. Fails unless it is a success.
pub async fn send(
    function: &Invoker,
    method: &str,
    path: &str,
    who: Option<&str>,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut event = json!({"version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path, "rawQueryString": query,
        "headers": {"content-type": "application/json", "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0)"},
        "requestContext": {"accountId": "0", "apiId": "local", "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "x"},
            "requestId": "1", "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 0},
        "body": body.map(Value::to_string), "isBase64Encoded": false});
    if let Some(who) = who {
        event["headers"]["authorization"] = "Bearer verified-by-the-gateway".into();
        event["requestContext"]["authorizer"] = json!({"jwt": {"scopes": null, "claims": {"sub": who, "username": who,
            "token_use": "access", "client_id": "x", "iat": "1", "exp": "4000000000"}}});
    }
    let answer = function.invoke(event, Context::default()).await.map_err(|error| anyhow::anyhow!(error))?;
    let body = answer["body"].as_str().unwrap_or_default();
    let status = answer["statusCode"].as_u64().unwrap_or_default();
    anyhow::ensure!(status < 500, "{method} {path}: {status} {body}");
    Ok(serde_json::from_str(body)?)
}
