//! Today at a glance, in major units (contract `pos.md` §10).

use std::ops::ControlFlow;

use axum::extract::State;
use domain::{
    member::Org,
    money::{Cents, Currency},
    pos::{
        analytics::{Day, Period, Span},
        order::{Order, Status},
    },
};
use jiff::tz::TimeZone;
use payments::connect::Balance;
use runtime::{
    ApiError, Ctx, Json,
    openapi::PosSessionErrors,
    session::{self, Manager},
};
use serde::Serialize;
use store::pos::{
    org::Terms,
    sales::{Direction, SaleFilter},
};
use utoipa::ToSchema;

use crate::{
    connect::load_org,
    transaction::{SOLD_IN, Telling},
};

/// Transactions that are shown as recent.
const RECENT: usize = 10;

/// A day's sales.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TodayOut {
    /// What completed orders brought, refunds taken off. Major units.
    sales: f64,
    orders: i64,
    /// Major units.
    average_order_value: f64,
    /// Different buyers who are known by address.
    customers: usize,
}

/// The day before.
#[derive(Serialize, ToSchema)]
struct YesterdayOut {
    /// Major units.
    sales: f64,
    orders: i64,
    customers: usize,
}

/// The money at Stripe, in the account's own currency; zeros without an account.
#[derive(Serialize, ToSchema)]
#[schema(as = DashboardBalance)]
struct BalanceOut {
    /// Major units.
    available: f64,
    /// Major units.
    pending: f64,
    /// Lower case, `usd`.
    currency: String,
}

/// A transaction in short.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecentOut {
    /// The order's.
    #[schema(format = Uuid)]
    id: String,
    /// Major units.
    amount: f64,
    /// Always `usd`.
    currency: &'static str,
    /// As a transaction's.
    status: &'static str,
    customer_name: Option<String>,
    customer_email: Option<String>,
    /// Unix seconds.
    created: i64,
}

/// Today at a glance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DashboardOut {
    today: TodayOut,
    yesterday: YesterdayOut,
    balance: BalanceOut,
    /// Newest first, 10 at most.
    recent_transactions: Vec<RecentOut>,
}

/// Where an organization is: what it says in `settings.timezone`, `America/New_York`; else UTC.
pub(crate) fn zone(org: &Org) -> TimeZone {
    let name = org.settings.get("timezone").and_then(|name| name.as_str());
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// Today at a glance. A day is the organization's own, where its settings name a time zone.
#[utoipa::path(get, path = "/pos/stripe/connect/dashboard", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::MANAGER))),
    responses((status = 200, body = DashboardOut), PosSessionErrors))]
pub(crate) async fn get_dashboard(State(ctx): State<Ctx>, manager: Manager) -> Result<Json<DashboardOut>, ApiError> {
    let (org, terms) = load_org(&ctx, &manager).await?;
    let period = Period::new(Span::Today, 0, ctx.now(), zone(&org));
    let (days, recent, balance) = tokio::join!(
        load_days(&ctx, &manager, &period),
        load_recent(&ctx, &manager, &terms),
        load_balance(&ctx, &terms),
    );
    let (today, yesterday) = days?;
    Ok(Json(DashboardOut {
        today: TodayOut {
            sales: today.sum.revenue.to_major(),
            orders: today.sum.orders,
            average_order_value: today.sum.average().to_major(),
            customers: today.customers(),
        },
        yesterday: YesterdayOut {
            sales: yesterday.sum.revenue.to_major(),
            orders: yesterday.sum.orders,
            customers: yesterday.customers(),
        },
        balance,
        recent_transactions: recent?,
    }))
}

/// Today and yesterday.
async fn load_days(ctx: &Ctx, manager: &Manager, period: &Period) -> Result<(Day, Day), ApiError> {
    let (mut today, mut yesterday) = (Day::default(), Day::default());
    let begin = period.from();
    let count = |order: Order| {
        if order.created_at >= begin {
            today.add(&order)
        } else {
            yesterday.add(&order)
        }
        ControlFlow::Continue(())
    };
    ctx.store().pos().each_sale(manager.org, period.since(), period.to(), &[Status::Completed], count).await?;
    Ok((today, yesterday))
}

async fn load_recent(ctx: &Ctx, manager: &Manager, terms: &Terms) -> Result<Vec<RecentOut>, ApiError> {
    let filter = SaleFilter { statuses: vec![Status::Completed, Status::Refunded], ..SaleFilter::default() };
    let page = ctx.store().pos().page_sales(manager.org, &filter, Direction::NewestFirst, None, RECENT).await?;
    let telling = Telling::load(ctx, manager, terms, &page.orders).await?;
    let recent = |order: &Order| RecentOut {
        id: order.id.to_string(),
        amount: order.total.to_major(),
        currency: SOLD_IN,
        status: order.transaction_status().as_str(),
        customer_name: order.customer.and_then(|customer| telling.names.customers.get(&customer).cloned()),
        customer_email: order.customer_email.clone(),
        created: order.created_at.as_second(),
    };
    Ok(page.orders.iter().map(recent).collect())
}

/// The balance; zeros when there is no account, or Stripe does not answer: the rest of the page is worth showing.
async fn load_balance(ctx: &Ctx, terms: &Terms) -> BalanceOut {
    let own = terms.account.as_ref().map_or(Currency::USD, |account| account.currency);
    let balance = match (&terms.account, ctx.stripe()) {
        (Some(account), Some(stripe)) => stripe.on_account(&account.account).retrieve_balance().await,
        _ => Ok(Balance::default()),
    };
    let balance = balance.unwrap_or_else(|error| {
        tracing::warn!(%error, "the balance is not shown");
        Balance::default()
    });
    let pending: Cents = balance.pending.iter().filter(|one| one.currency == own).map(|one| one.amount).sum();
    BalanceOut {
        available: balance.available_in(own, false).to_major(),
        pending: pending.to_major(),
        currency: own.code().to_ascii_lowercase(),
    }
}
