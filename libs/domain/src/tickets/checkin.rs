//! The gate's verdicts (contract §7).

use jiff::Timestamp;

use super::order::{Order, OrderStatus};

/// Why a ticket is not let in, in the order in which the contract evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Valid, and not used before.
    Admit,
    /// The scan that let it in, sent again: answered as the first time.
    Replay,
    /// Not paid, or no longer.
    NotPaid,
    /// Used before, at the time named.
    AlreadyCheckedIn(Timestamp),
}

/// Judges an order as it stands; `key` is the hash of the scan's idempotency key.
///
/// The store's conditional write decides; this tells why it refused.
pub fn judge(order: &Order, key: Option<&str>) -> Verdict {
    if order.status != OrderStatus::Paid {
        return Verdict::NotPaid;
    }
    match order.checked_in_at {
        None => Verdict::Admit,
        Some(_) if key.is_some() && order.checkin_key.as_deref() == key => Verdict::Replay,
        Some(at) => Verdict::AlreadyCheckedIn(at),
    }
}
