//! What the app stores' notices do to subscriptions.

use domain::pos::subscription::{StoreNotice, Subscription};

use super::Pos;
use crate::error::StoreError;

/// How often a notice is decided again because the subscription changed under it.
const ROUNDS: usize = 10;

/// What became of a notice.
#[derive(Clone, Debug, PartialEq)]
pub enum Noticed {
    /// The subscription is this now.
    Applied(Box<Subscription>),
    /// It is older than what was applied before, or that very notice again.
    Known,
    /// Nobody here has that subscription (yet): linking it asks the store itself.
    Stranger,
}

impl Pos<'_> {
    /// Applies a verified notice once, however often and in whatever order notices come (invariant 6).
    pub async fn apply_notice(&self, notice: &StoreNotice) -> Result<Noticed, StoreError> {
        for _ in 0..ROUNDS {
            let Some(before) = self.find_subscription(&notice.reference).await? else { return Ok(Noticed::Stranger) };
            let Some(after) = before.apply(notice) else { return Ok(Noticed::Known) };
            match self.save_subscription(Some(&before), &after).await {
                Ok(()) => return Ok(Noticed::Applied(Box::new(after))),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}
