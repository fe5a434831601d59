//! Events with their tiers, and the capacity of the tiers' stock.

use std::collections::HashMap;

use domain::{
    audit::AuditEntry,
    ids::{EventId, OrgId, TierId},
    stock::{self, STRIPES, Stripe},
    tickets::event::{Event, Tier},
};

use crate::{
    Store,
    error::StoreError,
    item::{Item, from_item, index, n, to_item},
    keys::{Key, events_of},
    list::Range,
    stock::{stripe_change, stripe_item, stripe_keys, stripes_of},
    tx::{Change, Tx, TxError},
};

/// How often an edit is planned anew when sales run between reading and writing.
const PLANS: usize = 20;

/// Why an edit was not saved. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EditEventError {
    /// Somebody else has changed the event since it was read.
    #[error("the event has been changed by somebody else")]
    Conflict,
    /// More tiers than one transaction can change.
    #[error("too many tiers are changed at once")]
    TooManyTiers,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn event_item(event: &Event) -> Result<Item, StoreError> {
    let mut item = to_item("event", &Key::event(event.id), event)?;
    let order = format!("{}#{:013}#{}", event.date, event.created_at.as_millisecond(), event.id);
    index(&mut item, "gsi1", events_of(event.org), order);
    Ok(item)
}

fn create_stock<'a>(mut tx: Tx<'a>, tier: &Tier) -> Result<Tx<'a>, StoreError> {
    for (stripe, available) in (0u8..).zip(stock::spread(tier.quantity)) {
        tx = tx.create(stripe_item(tier.id, stripe, available)?)?;
    }
    Ok(tx)
}

impl Store {
    /// Writes a new event with the stock of its tiers.
    pub async fn create_event(&self, event: &Event, audit: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.tx().create(event_item(event)?)?.audit(audit)?;
        for tier in &event.tiers {
            tx = create_stock(tx, tier)?;
        }
        tx.commit().await.map_err(TxError::stale)
    }

    /// An event as it is now.
    pub async fn load_event(&self, event: EventId) -> Result<Option<Event>, StoreError> {
        self.get(&Key::event(event)).await?.map(from_item).transpose()
    }

    /// All events of an organization, whatever their state, by date ascending, then by age.
    pub async fn list_events(&self, org: OrgId) -> Result<Vec<Event>, StoreError> {
        let range = Range { index: Some("gsi1"), pk: events_of(org), limit: 5000, ..Range::default() };
        self.query(range).await?.into_iter().map(from_item).collect()
    }

    /// Saves an edit of an event, while it sells.
    ///
    /// `wish` is the event as wanted: its tiers' `quantity` are wishes too, raised to what is held and sold where they
    /// are below (contract §9). Tiers that `wish` leaves out are deleted when nothing of them is held or sold, else
    /// kept after the others; of those deleted that have had orders, the stock stays, empty, and counts them. Event, stock and log change in one transaction; the result is the event as saved.
    pub async fn edit_event(&self, before: &Event, wish: &Event, audit: &AuditEntry) -> Result<Event, EditEventError> {
        for _ in 0..PLANS {
            let stock = self.load_edited_stock(before, wish).await?;
            let (after, tx) = self.plan_edit(before, wish, &stock)?;
            match tx.audit(audit)?.commit().await {
                Ok(()) => return Ok(after),
                Err(TxError::Refused(refused)) if refused.iter().any(|(action, _)| *action == 0) => {
                    return Err(EditEventError::Conflict);
                }
                Err(TxError::Refused(_)) => {}
                Err(TxError::Store(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// The stripes of every tier whose capacity changes or that is to go.
    async fn load_edited_stock(
        &self,
        before: &Event,
        wish: &Event,
    ) -> Result<HashMap<TierId, Vec<Stripe>>, StoreError> {
        let touched = |old: &&Tier| wish.tier(old.id).is_none_or(|new| new.quantity != old.quantity);
        let tiers: Vec<TierId> = before.tiers.iter().filter(touched).map(|tier| tier.id).collect();
        let keys: Vec<Item> = tiers.iter().flat_map(|tier| stripe_keys(*tier)).collect();
        let items = if keys.is_empty() { vec![] } else { self.batch_get(keys, true).await? };
        tiers.into_iter().map(|tier| Ok((tier, stripes_of(tier, &items)?))).collect()
    }

    fn plan_edit(
        &self,
        before: &Event,
        wish: &Event,
        stock: &HashMap<TierId, Vec<Stripe>>,
    ) -> Result<(Event, Tx<'_>), EditEventError> {
        let mut after = Event { version: before.version + 1, ..wish.clone() };
        let mut changed: Vec<(TierId, Vec<(u8, i64)>)> = Vec::new();
        for tier in &mut after.tiers {
            if let Some(stripes) = stock.get(&tier.id) {
                let (capacity, changes) = stock::resize(stripes, tier.quantity);
                tier.quantity = capacity;
                changed.push((tier.id, changes));
            }
        }
        let left_out = |tier: &&Tier| wish.tier(tier.id).is_none();
        let total = |tier: &Tier| Stripe::total(stock.get(&tier.id).into_iter().flatten());
        let taken = |tier: &&Tier| total(tier).held + total(tier).sold > 0;
        let had_orders = |tier: &&Tier| total(tier).cancelled + total(tier).refunded > 0;
        let (kept, gone): (Vec<&Tier>, Vec<&Tier>) = before.tiers.iter().filter(left_out).partition(taken);
        let (retired, deleted): (Vec<&Tier>, Vec<&Tier>) = gone.into_iter().partition(had_orders);
        after.tiers.extend(kept.into_iter().cloned());
        after.retired.extend(retired.iter().map(|tier| tier.id));
        let new: Vec<&Tier> = after.tiers.iter().filter(|tier| before.tier(tier.id).is_none()).collect();
        let actions = changed.iter().map(|(_, changes)| changes.len()).sum::<usize>()
            + (retired.len() + deleted.len() + new.len()) * usize::from(STRIPES);
        if actions + 2 > 100 {
            return Err(EditEventError::TooManyTiers);
        }
        let unchanged = Change::default().when("version", "=", n(before.version));
        let mut tx = self.tx().put(event_item(&after)?, unchanged)?;
        for (tier, changes) in changed {
            for (stripe, by) in changes {
                let delta = Stripe { available: by, ..Stripe::default() };
                tx = tx.update(&Key::stripe(tier, stripe), stripe_change(&delta))?;
            }
        }
        for tier in new {
            tx = create_stock(tx, tier)?;
        }
        let untaken = || Change::default().when("held", "=", n(0)).when("sold", "=", n(0));
        for tier in retired {
            for stripe in 0..STRIPES {
                tx = tx.update(&Key::stripe(tier.id, stripe), untaken().set("available", n(0)))?;
            }
        }
        for tier in deleted {
            for stripe in 0..STRIPES {
                let untouched = untaken().when("cancelled", "=", n(0)).when("refunded", "=", n(0));
                tx = tx.delete(&Key::stripe(tier.id, stripe), untouched)?;
            }
        }
        Ok((after, tx))
    }
}
