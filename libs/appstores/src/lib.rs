//! What the app stores say of subscriptions: Apple's signed notices and transactions, Google's pushes and what Google answers
//! when it is asked (contract `pos.md` §16).
//!
//! Everything is verified or refused here, and comes out as one kind of [`StoreNotice`]. A notice that says nothing about a
//! subscription of ours is no error: it is acknowledged, and changes nothing.

pub mod apple;
pub mod google;
pub mod play;
pub mod proof;

use serde::{Deserialize, Serialize};

pub use apple::{Apple, AppleError, Purchase};
pub use domain::pos::subscription::StoreNotice;
pub use play::{Play, PlayError};
pub use proof::{Proof, ProofError, Stores};

/// A verified notice on its way to who applies it (`workers-payments`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The notice.
    #[serde(flatten)]
    pub notice: StoreNotice,
    /// Google's purchase token, where Google is to be asked how the subscription stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::pos::subscription::Change;
    use jiff::Timestamp;

    #[test]
    fn what_was_told_is_a_notice_with_or_without_a_token() {
        let notice = StoreNotice {
            reference: "r".into(),
            change: Change::Renewed { until: None },
            at: Timestamp::from_millisecond(1_800_000_000_123).unwrap(),
        };
        let bare = serde_json::to_string(&notice).unwrap();
        assert_eq!(serde_json::from_str::<Told>(&bare).unwrap(), Told { notice: notice.clone(), token: None });
        let told = Told { notice, token: Some("t".into()) };
        assert_eq!(serde_json::from_str::<Told>(&serde_json::to_string(&told).unwrap()).unwrap(), told);
    }
}
