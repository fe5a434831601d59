//! What takes and gives back money: the Stripe client, webhook signatures and events.
//!
//! Stripe's request types come from `async-stripe`; the transport is our own (see [`client`]), so that a Lambda keeps
//! its connections, retries with the caller's idempotency key, and links none of the answers it never reads.

pub mod billing;
pub mod client;
pub mod connect;
pub mod event;
pub mod register;
pub mod signature;
pub mod terminal;
pub mod till;
mod transport;
pub mod webhook;

pub use client::{
    Checkout, CheckoutSession, Expiry, PaymentIntent, PaymentIntentStatus, PaymentRef, PaymentState, Refund,
    RefundStatus, SessionStatus, Stripe,
};
pub use event::{EventKind, StripeEvent};
pub use register::{IntentNotice, Refunded, Register, RegisterError, Settled};
pub use signature::{Secret, SignatureError};
pub use till::{Expired, Outcome, Till, TillError};
pub use transport::StripeError;
