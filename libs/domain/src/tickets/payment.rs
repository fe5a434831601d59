//! A payment as a provider reports it.

use serde::{Deserialize, Serialize};

use crate::{
    ids::UserId,
    money::{Cents, Currency},
};

/// Who took the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Our own Stripe Checkout.
    Stripe,
    /// The generic payment webhook (contract §8).
    Webhook,
    /// A member of staff said so.
    Admin,
    /// There was nothing to pay.
    Free,
}

impl Provider {
    /// The spelling in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Webhook => "webhook",
            Self::Admin => "admin",
            Self::Free => "free",
        }
    }
}

/// A payment as reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who took the money.
    pub provider: Provider,
    /// The provider's name for it (`pi_…`), when it gave one.
    pub reference: Option<String>,
    /// What was paid, when the provider says.
    pub amount: Option<Cents>,
    /// In which currency, when the provider says.
    pub currency: Option<Currency>,
    /// The member of staff who confirmed it.
    pub by: Option<UserId>,
}
