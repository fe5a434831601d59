//! Locations and readers of Stripe Terminal.

use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::{Page, get, post};
use crate::{
    client::{Stripe, checked, optional_id},
    transport::StripeError,
};

/// Where cards are taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Location {
    /// `tml_…`.
    pub id: String,
    /// As a reader shows it.
    pub display_name: String,
}

/// A location's address. Stripe wants one, and what it wants of it depends on the country.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// Town.
    pub city: String,
    /// State, where the country has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// `US`.
    pub country: String,
}

/// With what a phone or a reader connects; good once, for a short time.
#[derive(Clone, Deserialize)]
pub struct ConnectionToken {
    /// The token.
    pub secret: String,
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reader {
    /// `tmr_…`.
    pub id: String,
    /// What its owner calls it.
    #[serde(default)]
    pub label: Option<String>,
    /// `bbpos_wisepos_e`, …
    pub device_type: String,
    /// `online` or `offline`.
    #[serde(default)]
    pub status: Option<String>,
    /// Its address in the local network.
    #[serde(default)]
    pub ip_address: Option<String>,
    /// Where it stands, `tml_…`.
    #[serde(default, deserialize_with = "optional_id")]
    pub location: Option<String>,
    /// Its serial number.
    #[serde(default)]
    pub serial_number: Option<String>,
    /// What it does now, or did last.
    #[serde(default)]
    pub action: Option<ReaderAction>,
}

/// What a reader does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReaderAction {
    /// `in_progress`, `succeeded` or `failed`.
    pub status: String,
    /// Why it failed, for a person.
    #[serde(default)]
    pub failure_message: Option<String>,
}

#[derive(Serialize)]
struct NewLocation<'a> {
    display_name: &'a str,
    address: &'a Address,
}

#[derive(Serialize)]
struct At<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
}

#[derive(Serialize)]
struct NewReader<'a> {
    registration_code: &'a str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
}

#[derive(Serialize)]
struct Process<'a> {
    payment_intent: &'a str,
}

#[derive(Serialize)]
struct Limit {
    limit: u32,
}

impl Stripe {
    /// Makes a place where cards are taken; once for each key.
    pub async fn create_location(&self, name: &str, address: &Address, key: &str) -> Result<Location, StripeError> {
        let form = NewLocation { display_name: name, address };
        self.transport.send(post("/terminal/locations").form(&form), Some(key)).await
    }

    /// A token by which a phone or a reader connects, to readers of one location if one is named.
    pub async fn create_connection_token(&self, location: Option<&str>) -> Result<ConnectionToken, StripeError> {
        let location = location.map(|location| checked("tml_", location)).transpose()?;
        self.transport.send(post("/terminal/connection_tokens").form(&At { location }), None).await
    }

    /// The account's readers, a hundred at most.
    pub async fn list_readers(&self) -> Result<Vec<Reader>, StripeError> {
        let page: Page<Reader> =
            self.transport.send(get("/terminal/readers").query(&Limit { limit: 100 }), None).await?;
        Ok(page.data)
    }

    /// Registers a reader by the code that it shows.
    pub async fn register_reader(
        &self,
        code: &str,
        location: &str,
        label: Option<&str>,
    ) -> Result<Reader, StripeError> {
        let form = NewReader { registration_code: code, location, label };
        self.transport.send(post("/terminal/readers").form(&form), None).await
    }

    /// What Stripe knows of a reader.
    pub async fn retrieve_reader(&self, reader: &str) -> Result<Reader, StripeError> {
        self.transport.send(get(path(reader, "")?), None).await
    }

    /// Forgets a reader.
    pub async fn delete_reader(&self, reader: &str) -> Result<(), StripeError> {
        let request = RequestBuilder::new(StripeMethod::Delete, path(reader, "")?);
        self.transport.send::<serde::de::IgnoredAny>(request, None).await.map(drop)
    }

    /// Has a reader take a card for a payment.
    pub async fn process_on_reader(&self, reader: &str, intent: &str) -> Result<Reader, StripeError> {
        let form = Process { payment_intent: checked("pi_", intent)? };
        self.transport.send(post(path(reader, "/process_payment_intent")?).form(&form), None).await
    }

    /// Has a reader stop what it does.
    pub async fn cancel_reader_action(&self, reader: &str) -> Result<Reader, StripeError> {
        self.transport.send(post(path(reader, "/cancel_action")?), None).await
    }

    /// Holds a test card to a simulated reader; only in test mode.
    pub async fn present_test_card(&self, reader: &str) -> Result<Reader, StripeError> {
        let path = format!("/test_helpers{}", path(reader, "/present_payment_method")?);
        self.transport.send(post(path), None).await
    }
}

fn path(reader: &str, deed: &str) -> Result<String, StripeError> {
    Ok(format!("/terminal/readers/{}{deed}", checked("tmr_", reader)?))
}
