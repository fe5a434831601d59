//! Who is calling: everything that issues, checks and withdraws proof of identity.
//!
//! | module | what it knows |
//! |---|---|
//! | [`cognito`] | people: sign-in, token rotation, sign-out, passwords, and the operator's side of the user pool |
//! | [`verifier`] | the pool's RS256 access tokens, checked where API Gateway has not done so already |
//! | [`jwks`] | the keys that an issuer publishes |
//! | [`push`] | Google's pushes |
//! | [`service`] | HS256 tokens for programs: audience, scopes, at most a day |
//! | [`opaque`] | random tokens of guests, stores and employees, of which only the SHA-256 is ever stored |
//! | [`token`] | what the JWT kinds share: claims and the reasons to refuse one |
//!
//! Nothing here reads a clock: the time is an argument, so that a test can be at any moment.

pub mod cognito;
pub mod jwks;
pub mod opaque;
pub mod push;
pub mod service;
pub mod token;
pub mod verifier;

pub use cognito::{Cognito, IdentityError, Tokens, User};
pub use jwks::Jwks;
pub use opaque::OpaqueToken;
pub use push::PushVerifier;
pub use service::{ServiceClaims, ServiceKeys, ServiceKeysError};
pub use token::{Claims, TokenError};
pub use verifier::TokenVerifier;
