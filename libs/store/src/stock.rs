//! Stripe items: read together, changed by movements.

use std::collections::HashMap;

use domain::{
    ids::TierId,
    stock::{Movement, STRIPES, Stripe},
    tickets::order::Order,
};

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, n, text, to_item},
    keys::Key,
    tx::{Change, Tx},
};

/// A new stripe item.
pub(crate) fn stripe_item(tier: TierId, stripe: u8, available: u32) -> Result<Item, StoreError> {
    let figures = Stripe { available: i64::from(available), ..Stripe::default() };
    to_item("stripe", &Key::stripe(tier, stripe), &figures)
}

/// Keys of all stripes of a tier.
pub(crate) fn stripe_keys(tier: TierId) -> impl Iterator<Item = Item> {
    (0..STRIPES).map(move |stripe| Key::stripe(tier, stripe).item())
}

/// The stripes of one tier among items, in their order; a stripe that is not there has nothing.
pub(crate) fn stripes_of(tier: TierId, items: &[Item]) -> Result<Vec<Stripe>, StoreError> {
    let by_key: HashMap<&str, &Item> = items.iter().filter_map(|item| Some((text(item, "pk")?, item))).collect();
    (0..STRIPES)
        .map(|stripe| match by_key.get(Key::stripe(tier, stripe).pk.as_str()) {
            Some(item) => from_item((*item).clone()),
            None => Ok(Stripe::default()),
        })
        .collect()
}

/// A change of a stripe's figures. Taking demands that there is enough: this is the condition that never oversells.
pub(crate) fn stripe_change(delta: &Stripe) -> Change {
    let figures = [
        ("available", delta.available),
        ("held", delta.held),
        ("sold", delta.sold),
        ("pending", delta.pending),
        ("paid", delta.paid),
        ("cancelled", delta.cancelled),
        ("refunded", delta.refunded),
        ("revenue", delta.revenue),
        ("checked_in", delta.checked_in),
    ];
    let change =
        figures.iter().filter(|(_, by)| *by != 0).fold(Change::default(), |change, (name, by)| change.add(name, n(by)));
    if delta.available < 0 { change.when("available", ">=", n(-delta.available)) } else { change.when_present("pk") }
}

impl Tx<'_> {
    /// Adds an order's movement on each stripe it draws from; the first carries the order itself.
    pub(crate) fn move_stock(mut self, order: &Order, movement: Movement) -> Result<Self, StoreError> {
        for (i, draw) in order.draws.iter().enumerate() {
            let delta = movement.on(draw.quantity, i == 0, order.total);
            self = self.update(&Key::stripe(order.tier_id, draw.stripe), stripe_change(&delta))?;
        }
        Ok(self)
    }
}

impl Store {
    /// The figures of tiers, summed over their stripes, as they are now.
    pub async fn load_stock(&self, tiers: &[TierId]) -> Result<HashMap<TierId, Stripe>, StoreError> {
        let keys: Vec<Item> = tiers.iter().flat_map(|tier| stripe_keys(*tier)).collect();
        let items = if keys.is_empty() { vec![] } else { self.batch_get(keys, true).await? };
        tiers.iter().map(|tier| Ok((*tier, Stripe::total(&stripes_of(*tier, &items)?)))).collect()
    }

    /// The stripes of one tier as they are now.
    pub async fn load_stripes(&self, tier: TierId) -> Result<Vec<Stripe>, StoreError> {
        stripes_of(tier, &self.batch_get(stripe_keys(tier).collect(), true).await?)
    }
}
