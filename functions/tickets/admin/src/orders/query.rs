//! Which orders are asked for, and how many there are.

use domain::{
    ids::TierId,
    stock::Stripe,
    tickets::{
        event::Event,
        order::OrderStatus::{Cancelled, Expired, Paid, Pending, Refunded},
    },
};
use garde::Validate;
use runtime::ApiError;
use serde::Deserialize;
use store::{OrderFilter, Store, StoreError};
use utoipa::IntoParams;

use crate::wire::{count as read_count, filled};

/// Orders on one page at most, and where nothing is said.
const MAX_LIMIT: usize = 100;

/// Which orders, in v4's spelling or the client's (DECISIONS D7).
#[derive(Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
#[garde(allow_unvalidated)]
pub(crate) struct OrdersQuery {
    /// UUID of an event.
    #[serde(rename = "eventId")]
    camel_event_id: Option<String>,
    /// The same.
    event_id: Option<String>,
    /// `pending`, `paid`, `cancelled` or `refunded`; `all` or nothing for every one.
    status: Option<String>,
    /// Text in number, name or e-mail, in any case.
    search: Option<String>,
    /// Orders on a page, from 1; above 100 it is 100.
    #[param(value_type = Option<u32>, minimum = 1)]
    limit: Option<String>,
    /// Which page, from 1.
    #[param(value_type = Option<u32>, minimum = 1)]
    page: Option<String>,
    /// Orders before the page, where `page` is not said.
    #[param(value_type = Option<u32>, minimum = 0)]
    offset: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Page {
    /// How many there are in all, given what was counted and how many are on this page: a page that is not full is the
    /// last, and tells exactly.
    pub(crate) fn total(&self, counted: usize, here: usize) -> usize {
        let seen = self.offset + here;
        let is_last = here < self.limit && (here > 0 || self.offset == 0);
        if is_last { seen } else { counted.max(if here > 0 { seen } else { 0 }) }
    }
}

impl OrdersQuery {
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        let limit = read_count("limit", self.limit.as_deref(), 1, MAX_LIMIT)?.min(MAX_LIMIT);
        let offset = read_count("offset", self.offset.as_deref(), 0, 0)?;
        let page = read_count("page", self.page.as_deref(), 1, 0)?;
        Ok(Page { limit, offset: if page > 0 { (page - 1).saturating_mul(limit) } else { offset } })
    }

    /// `None` when no order can match: the event named is none.
    pub(crate) fn filter(self) -> Result<Option<OrderFilter>, ApiError> {
        let event = match filled(self.camel_event_id).or(filled(self.event_id)).map(|id| id.parse()) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Ok(None),
        };
        let status = match filled(self.status).as_deref() {
            None | Some("all") => vec![],
            Some("pending") => vec![Pending],
            Some("paid") => vec![Paid],
            Some("cancelled") => vec![Cancelled, Expired],
            Some("refunded") => vec![Refunded],
            Some(_) => return Err(ApiError::invalid("status", "must be all, pending, paid, cancelled or refunded")),
        };
        Ok(Some(OrderFilter { event, status, search: filled(self.search), since: None }))
    }
}

/// How many orders match: what was found on the way, or else what the stripes of the events have counted.
pub(crate) async fn count(
    store: &Store,
    events: &[Event],
    filter: &OrderFilter,
    found: Option<usize>,
) -> Result<usize, StoreError> {
    if let Some(found) = found {
        return Ok(found);
    }
    let events = events.iter().filter(|event| filter.event.is_none_or(|id| id == event.id));
    let tiers: Vec<TierId> = events.flat_map(Event::counted_tiers).collect();
    let stock = Stripe::total(store.load_stock(&tiers).await?.values());
    let of = |status| match status {
        Pending => stock.pending,
        Paid => stock.paid,
        Cancelled => stock.cancelled,
        Refunded => stock.refunded,
        Expired => 0,
    };
    let all = [Pending, Paid, Cancelled, Refunded];
    let counted = if filter.status.is_empty() { &all[..] } else { &filter.status };
    let total: i64 = counted.iter().map(|status| of(*status)).sum();
    Ok(usize::try_from(total).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(change: impl FnOnce(&mut OrdersQuery)) -> OrdersQuery {
        let mut query = OrdersQuery::default();
        change(&mut query);
        query
    }

    #[test]
    fn pages_in_both_styles() {
        let page = |limit: &str, page: &str, offset: &str| {
            let text = |text: &str| Some(text.to_owned());
            let query =
                OrdersQuery { limit: text(limit), page: text(page), offset: text(offset), ..Default::default() };
            query.page().map(|page| (page.offset, page.limit)).map_err(|error| error.fields[0].field.clone())
        };
        assert_eq!(page("", "", ""), Ok((0, 100)));
        assert_eq!(page("20", "3", "7"), Ok((40, 20)));
        assert_eq!(page("500", "", "7"), Ok((7, 100)));
        assert_eq!(page("0", "", ""), Err("limit".to_owned()));
        assert_eq!(page("", "0", ""), Err("page".to_owned()));
        assert_eq!(page("", "", "-1"), Err("offset".to_owned()));
    }

    #[test]
    fn filters_in_both_spellings() {
        let id = domain::ids::EventId::from_random([1; 16]);
        let of = |filter: OrdersQuery| filter.filter().unwrap().map(|filter| filter.event);
        assert_eq!(of(query(|query| query.event_id = Some(id.to_string()))), Some(Some(id)));
        assert_eq!(of(query(|query| query.camel_event_id = Some(id.to_string()))), Some(Some(id)));
        assert_eq!(of(query(|query| query.event_id = Some(String::new()))), Some(None));
        assert_eq!(of(query(|query| query.event_id = Some("x".into()))), None);
        let cancelled = query(|query| query.status = Some("cancelled".into())).filter().unwrap().unwrap();
        assert_eq!(cancelled.status, [Cancelled, Expired]);
        assert!(query(|query| query.status = Some("x".into())).filter().is_err());
    }

    #[test]
    fn a_page_that_is_not_full_tells_the_total() {
        let page = Page { offset: 20, limit: 10 };
        assert_eq!(page.total(25, 10), 30);
        assert_eq!(page.total(90, 10), 90);
        assert_eq!(page.total(25, 4), 24);
        assert_eq!(page.total(15, 0), 15);
        assert_eq!(Page { offset: 0, limit: 10 }.total(3, 0), 0);
    }
}
