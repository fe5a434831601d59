//! Transactions: orders as their money is told of (contract `pos.md` §10). They need no account at Stripe: cash is money too.

use std::collections::BTreeMap;

use axum::extract::State;
use domain::{
    ids::CatalogId,
    money::Cents,
    pos::{
        order::{Method, Order, OrderId, Payment, Status},
        tier::Tier,
        transaction::fees,
    },
};
use garde::Validate;
use jiff::Timestamp;
use runtime::{
    ApiError, Ctx, Json, Query,
    openapi::PosSessionErrors,
    session::{self, User},
    validate::is_email,
};
use serde::{Deserialize, Deserializer, Serialize};
use store::pos::{
    names::{Names, Unnamed},
    org::Terms,
    sales::{Direction, SaleFilter, SalePage},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::transaction_detail::not_found;

/// Orders at most that are sorted by what they cost.
const SORTED: usize = 1000;

/// The latest unix second that a query may name: the year 9999.
const LATEST: i64 = 253_402_300_799;

/// Where the money stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusFilter {
    /// What was paid, and what of it was given back since.
    #[default]
    All,
    /// Nothing was given back.
    Succeeded,
    /// In part or whole.
    Refunded,
    PartiallyRefunded,
    Failed,
    Pending,
    /// There are none: what is given up is deleted.
    Cancelled,
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SortBy {
    #[default]
    Created,
    Amount,
}

/// In which direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SortOrder {
    Asc,
    #[default]
    Desc,
}

/// Which transactions. An empty text is as good as none.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[garde(allow_unvalidated)]
pub(crate) struct TransactionsQuery {
    /// 1 to 100; 25 where nothing is said.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The last one that was seen.
    #[serde(default, deserialize_with = "if_any")]
    #[param(value_type = Option<Uuid>)]
    starting_after: Option<Uuid>,
    /// `all` where nothing is said.
    #[param(inline)]
    status: Option<StatusFilter>,
    /// Sold from this catalog.
    #[serde(default, deserialize_with = "if_any")]
    #[param(value_type = Option<Uuid>)]
    catalog_id: Option<Uuid>,
    /// Sold with this phone.
    #[garde(inner(length(chars, max = 200)))]
    #[param(max_length = 200)]
    device_id: Option<String>,
    /// Whose.
    #[garde(inner(length(max = 254)))]
    #[param(max_length = 254)]
    customer_email: Option<String>,
    /// Unix seconds, inclusive.
    #[garde(inner(range(min = 0, max = LATEST)))]
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    date_from: Option<i64>,
    /// Unix seconds, inclusive.
    #[garde(inner(range(min = 0, max = LATEST)))]
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    date_to: Option<i64>,
    /// Cents, inclusive.
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[param(minimum = 0, maximum = 1_000_000_000)]
    amount_min: Option<i64>,
    /// Cents, inclusive.
    #[garde(inner(range(min = 0, max = 1_000_000_000)))]
    #[param(minimum = 0, maximum = 1_000_000_000)]
    amount_max: Option<i64>,
    /// `created` where nothing is said. By `amount`, the newest 1000 that match are sorted.
    #[param(inline)]
    sort_by: Option<SortBy>,
    /// `desc` where nothing is said.
    #[param(inline)]
    sort_order: Option<SortOrder>,
}

/// An empty text is nothing.
fn if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

impl TransactionsQuery {
    fn filter(&self) -> Result<SaleFilter, ApiError> {
        let (statuses, refunded) = match self.status.unwrap_or_default() {
            StatusFilter::All => (vec![Status::Completed, Status::Refunded], None),
            StatusFilter::Succeeded => (vec![Status::Completed], Some(false)),
            StatusFilter::Refunded => (vec![Status::Completed, Status::Refunded], Some(true)),
            StatusFilter::PartiallyRefunded => (vec![Status::Completed], Some(true)),
            StatusFilter::Failed => (vec![Status::Failed], None),
            StatusFilter::Pending | StatusFilter::Cancelled => {
                (vec![Status::Pending, Status::Processing, Status::Held], None)
            }
        };
        let text =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let customer_email = text(&self.customer_email).map(|email| email.to_lowercase());
        if customer_email.as_deref().is_some_and(|email| !is_email(email)) {
            return Err(ApiError::invalid("customer_email", "must be an e-mail address"));
        }
        Ok(SaleFilter {
            statuses,
            refunded,
            catalog: self.catalog_id.map(CatalogId),
            device: text(&self.device_id),
            customer_email,
            from: self.date_from.and_then(|at| Timestamp::from_second(at).ok()),
            // A second is over when the next one begins.
            to: self.date_to.and_then(|at| Timestamp::from_second(at.saturating_add(1)).ok()),
            min: self.amount_min.map(Cents),
            max: self.amount_max.map(Cents),
        })
    }
}

/// How it was paid.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentMethodOut {
    /// `card`, `cash`, `tap_to_pay` or `split`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `visa`, where it is known.
    brand: Option<String>,
    /// The card's last four digits, where they are known.
    last4: Option<String>,
}

/// What it is thought to cost (contract §19). Cents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FeesOut {
    /// Stripe's share and ours.
    processing_fee: i64,
    /// What is left of it, refunds taken off.
    net_amount: i64,
}

/// A transaction.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionOut {
    /// The order's.
    #[schema(format = Uuid)]
    id: String,
    /// `ORD-20260301-0042`.
    order_number: String,
    /// Cents.
    amount: i64,
    /// Cents; refunds on their way count.
    amount_refunded: i64,
    /// Always `usd`.
    currency: &'static str,
    /// `succeeded`, `pending`, `failed`, `refunded`, `partially_refunded`.
    status: &'static str,
    description: Option<String>,
    customer_name: Option<String>,
    customer_email: Option<String>,
    payment_method: Option<PaymentMethodOut>,
    /// Unix seconds.
    created: i64,
    /// Stripe's page with the receipt.
    receipt_url: Option<String>,
    /// `order`.
    source_type: &'static str,
    catalog_name: Option<String>,
    item_count: u32,
    /// As a payment intent of it carries them.
    metadata: BTreeMap<&'static str, String>,
    fees: FeesOut,
}

/// Transactions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionsOut {
    data: Vec<TransactionOut>,
    has_more: bool,
    /// How many there are; where it is known, which it is without any filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<i64>,
}

/// What the counter sells in, whatever an account is paid out in.
pub(crate) const SOLD_IN: &str = "usd";

/// What is told besides an order itself.
pub(crate) struct Telling {
    pub(crate) tier: Tier,
    pub(crate) names: Names,
}

impl Telling {
    /// What is told of these orders: names, by one call.
    pub(crate) async fn load(ctx: &Ctx, user: &User, terms: &Terms, orders: &[Order]) -> Result<Self, ApiError> {
        let unnamed = Unnamed {
            catalogs: orders.iter().filter_map(|order| order.catalog).collect(),
            customers: orders.iter().filter_map(|order| order.customer).collect(),
            ..Unnamed::default()
        };
        let names = ctx.store().pos().load_names(user.org, &unnamed).await?;
        let tier = terms.subscription.as_ref().map(|subscription| subscription.effective_tier()).unwrap_or_default();
        Ok(Telling { tier, names })
    }

    /// A transaction. `payments` are the order's, as far as they are known.
    pub(crate) fn transaction(&self, order: &Order, payments: &[Payment]) -> TransactionOut {
        let fees = fees(order, payments, self.tier);
        let only = if let [payment] = payments { Some(payment) } else { None };
        let customer_name = order.customer.and_then(|customer| self.names.customers.get(&customer));
        let catalog_name = order.catalog.and_then(|catalog| self.names.catalogs.get(&catalog));
        TransactionOut {
            id: order.id.to_string(),
            order_number: order.id.number(),
            amount: order.total.0,
            amount_refunded: order.refunded.0,
            currency: SOLD_IN,
            status: order.transaction_status().as_str(),
            description: order.description.clone(),
            customer_name: customer_name.cloned(),
            customer_email: order.customer_email.clone(),
            payment_method: order.method.map(|method| PaymentMethodOut {
                kind: method.as_str(),
                brand: only.and_then(|payment| payment.brand.clone()),
                last4: only.and_then(|payment| payment.last4.clone()),
            }),
            created: order.created_at.as_second(),
            receipt_url: payments.iter().rev().find_map(|payment| payment.receipt_url.clone()),
            source_type: "order",
            catalog_name: catalog_name.cloned(),
            item_count: order.item_count,
            metadata: metadata(order),
            fees: FeesOut { processing_fee: fees.processing.0, net_amount: fees.net.0 },
        }
    }
}

fn metadata(order: &Order) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("orderId", order.id.to_string()),
        ("orderNumber", order.id.number()),
        ("catalogId", order.catalog.map(|catalog| catalog.to_string()).unwrap_or_default()),
        ("isQuickCharge", order.quick_charge.to_string()),
        ("subtotal", order.subtotal.0.to_string()),
        ("taxAmount", order.tax.0.to_string()),
        ("tipAmount", order.tip.0.to_string()),
    ])
}

/// The organization's transactions, newest first where nothing else is said.
#[utoipa::path(get, path = "/pos/stripe/connect/transactions", tag = "pos connect", security(("bearer" = [])),
    extensions(("x-role" = json!(session::USER))), params(TransactionsQuery),
    responses((status = 200, body = TransactionsOut), PosSessionErrors))]
pub(crate) async fn list_transactions(
    State(ctx): State<Ctx>,
    user: User,
    Query(query): Query<TransactionsQuery>,
) -> Result<Json<TransactionsOut>, ApiError> {
    let filter = query.filter()?;
    let pos = ctx.store().pos();
    let (page, terms, total) =
        tokio::join!(load_page(&ctx, &user, &query, &filter), pos.load_terms(user.org), count(&ctx, &user, &query),);
    let (page, terms, total) = (page?, terms?, total?);
    let (telling, payments) =
        tokio::join!(Telling::load(&ctx, &user, &terms, &page.orders), load_payments(&ctx, &user, &page.orders),);
    let (telling, payments) = (telling?, payments?);
    let of = |order: &Order| payments.get(&order.id).map(Vec::as_slice).unwrap_or_default();
    let data = page.orders.iter().map(|order| telling.transaction(order, of(order))).collect();
    Ok(Json(TransactionsOut { data, has_more: page.has_more, total }))
}

async fn load_page(
    ctx: &Ctx,
    user: &User,
    query: &TransactionsQuery,
    filter: &SaleFilter,
) -> Result<SalePage, ApiError> {
    let limit = query.limit.unwrap_or(25);
    if query.status == Some(StatusFilter::Cancelled) {
        return Ok(SalePage { orders: vec![], has_more: false });
    }
    let pos = ctx.store().pos();
    let after = match query.starting_after.map(OrderId) {
        Some(id) => {
            let after = pos.load_order(user.org, id).await?.map(|full| full.order);
            Some(after.ok_or_else(|| ApiError::invalid("starting_after", not_found().message))?)
        }
        None => None,
    };
    let ascending = query.sort_order.unwrap_or_default() == SortOrder::Asc;
    if query.sort_by.unwrap_or_default() == SortBy::Created {
        let direction = if ascending { Direction::OldestFirst } else { Direction::NewestFirst };
        return Ok(pos.page_sales(user.org, filter, direction, after.as_ref(), limit).await?);
    }
    let mut orders = pos.page_sales(user.org, filter, Direction::NewestFirst, None, SORTED).await?.orders;
    let key = |order: &Order| (order.total, order.created_at, order.id);
    orders.sort_by_key(key);
    if !ascending {
        orders.reverse();
    }
    if let Some(after) = after.as_ref().map(key) {
        orders.retain(|order| if ascending { key(order) > after } else { key(order) < after });
    }
    let has_more = orders.len() > limit;
    orders.truncate(limit);
    Ok(SalePage { orders, has_more })
}

/// How many there are of whole statuses, which are counted with every sale.
async fn count(ctx: &Ctx, user: &User, query: &TransactionsQuery) -> Result<Option<i64>, ApiError> {
    let statuses: &[Status] = match query {
        TransactionsQuery {
            status: None | Some(StatusFilter::All),
            catalog_id: None,
            device_id: None,
            customer_email: None,
            date_from: None,
            date_to: None,
            amount_min: None,
            amount_max: None,
            ..
        } => &[Status::Completed, Status::Refunded],
        _ => return Ok(None),
    };
    let figures = ctx.store().pos().load_figures(user.org).await?;
    Ok(Some(figures.iter().filter(|(status, _)| statuses.contains(status)).map(|(_, count)| count).sum()))
}

/// The payments of those orders that do not tell all by themselves: cards by one call, splits by one query each.
async fn load_payments(ctx: &Ctx, user: &User, orders: &[Order]) -> Result<BTreeMap<OrderId, Vec<Payment>>, ApiError> {
    let pos = ctx.store().pos();
    let (split, single): (Vec<Order>, Vec<Order>) =
        orders.iter().cloned().partition(|order| order.method == Some(Method::Split));
    let split: Vec<OrderId> = split.iter().map(|order| order.id).collect();
    let (cards, split) = tokio::join!(pos.load_card_payments(&single), pos.load_orders(user.org, &split));
    let cards = cards?.into_iter().map(|(order, payment)| (order, vec![payment]));
    let split = split?.into_iter().map(|full| (full.order.id, full.payments));
    Ok(cards.chain(split).collect())
}
