//! Payment methods: Stripe's test cards, by number and by name, and what each of them does when it is charged.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb},
    error::ApiError,
    store::new_id,
};

/// What happens when a card is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is paid.
    Succeeds,
    /// The buyer's bank asks for a second step (3-D Secure) first.
    Authenticates,
    /// It is declined: code, the bank's reason, the words for the buyer.
    Declines(&'static str, Option<&'static str>, &'static str),
}

/// A test card.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    number: &'static str,
    names: &'static [&'static str],
    brand: &'static str,
    /// What it does.
    pub outcome: Outcome,
}

const DECLINED: &str = "Your card was declined.";

/// A card that pays, and whose bank sends refunds back.
pub const REFUND_FAILS: &str = "4000000000005126";

/// <https://docs.stripe.com/testing>
const CARDS: &[Card] = &[
    card(REFUND_FAILS, &["pm_card_refundFail"], "visa", Outcome::Succeeds),
    card("4242424242424242", &["pm_card_visa", "tok_visa"], "visa", Outcome::Succeeds),
    card("4000056655665556", &["pm_card_visa_debit", "tok_visa_debit"], "visa", Outcome::Succeeds),
    card("5555555555554444", &["pm_card_mastercard", "tok_mastercard"], "mastercard", Outcome::Succeeds),
    card("378282246310005", &["pm_card_amex", "tok_amex"], "amex", Outcome::Succeeds),
    card("6011111111111117", &["pm_card_discover", "tok_discover"], "discover", Outcome::Succeeds),
    card("4000002760003184", &["pm_card_authenticationRequired"], "visa", Outcome::Authenticates),
    card("4000002500003155", &["pm_card_authenticationRequiredOnSetup"], "visa", Outcome::Authenticates),
    card(
        "4000000000003220",
        &["pm_card_threeDSecure2Required", "pm_card_threeDSecureRequired"],
        "visa",
        Outcome::Authenticates,
    ),
    card(
        "4000000000000002",
        &["pm_card_chargeDeclined", "pm_card_visa_chargeDeclined", "tok_chargeDeclined"],
        "visa",
        Outcome::Declines("card_declined", Some("generic_decline"), DECLINED),
    ),
    card(
        "4000000000009995",
        &["pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"],
        "visa",
        Outcome::Declines("card_declined", Some("insufficient_funds"), "Your card has insufficient funds."),
    ),
    card(
        "4000000000009987",
        &["pm_card_chargeDeclinedLostCard", "pm_card_visa_chargeDeclinedLostCard"],
        "visa",
        Outcome::Declines("card_declined", Some("lost_card"), DECLINED),
    ),
    card(
        "4000000000009979",
        &["pm_card_chargeDeclinedStolenCard", "pm_card_visa_chargeDeclinedStolenCard"],
        "visa",
        Outcome::Declines("card_declined", Some("stolen_card"), DECLINED),
    ),
    card(
        "4000000000000069",
        &["pm_card_chargeDeclinedExpiredCard", "tok_chargeDeclinedExpiredCard"],
        "visa",
        Outcome::Declines("expired_card", None, "Your card has expired."),
    ),
    card(
        "4000000000000127",
        &["pm_card_chargeDeclinedIncorrectCvc", "tok_chargeDeclinedIncorrectCvc"],
        "visa",
        Outcome::Declines("incorrect_cvc", None, "Your card's security code is incorrect."),
    ),
    card(
        "4000000000000119",
        &["pm_card_chargeDeclinedProcessingError", "tok_chargeDeclinedProcessingError"],
        "visa",
        Outcome::Declines(
            "processing_error",
            None,
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    ),
];

const fn card(number: &'static str, names: &'static [&'static str], brand: &'static str, outcome: Outcome) -> Card {
    Card { number, names, brand, outcome }
}

impl Card {
    /// The card with this number (spaces and dashes do not matter), or the refusal that Stripe would answer.
    pub fn by_number(number: &str) -> Result<Self, ApiError> {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        if let Some(card) = CARDS.iter().find(|card| card.number == digits) {
            return Ok(*card);
        }
        if !passes_luhn(&digits) {
            return Err(ApiError::card("incorrect_number", None, "Your card number is incorrect.").param("number"));
        }
        let message = "Your card was declined. Your request was in test mode, but used a non test (live) card.";
        Err(ApiError::card("card_declined", Some("test_mode_live_card"), message))
    }

    fn by_name(name: &str) -> Option<Self> {
        CARDS.iter().find(|card| card.names.contains(&name)).copied()
    }

    /// The card behind a stored payment method.
    pub fn of(method: &Value) -> Result<Self, ApiError> {
        Self::by_number(method["_number"].as_str().unwrap_or_default())
    }

    fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// The refusal, if it declines.
    pub fn decline(&self) -> Option<ApiError> {
        match self.outcome {
            Outcome::Declines(code, reason, message) => Some(ApiError::card(code, reason, message)),
            _ => None,
        }
    }

    /// The `card` member of a payment method.
    fn details(&self) -> Value {
        json!({
            "brand": self.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US",
            "display_brand": self.brand,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": format!("Fp{}", self.number),
            "funding": "credit",
            "generated_from": null,
            "last4": self.last4(),
            "networks": { "available": [self.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        })
    }

    /// The `payment_method_details` of a charge of a card that was held to a phone or a reader.
    pub fn present_details(&self, amount: i64) -> Value {
        json!({
            "card_present": {
                "amount_authorized": amount,
                "brand": self.brand,
                "cardholder_name": null,
                "country": "US",
                "description": null,
                "emv_auth_data": null,
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": format!("Fp{}", self.number),
                "funding": "credit",
                "generated_card": null,
                "incremental_authorization_supported": false,
                "issuer": null,
                "last4": self.last4(),
                "network": self.brand,
                "network_transaction_id": null,
                "offline": null,
                "overcapture_supported": false,
                "preferred_locales": null,
                "read_method": "contactless_emv",
                "receipt": null,
                "wallet": null,
            },
            "type": "card_present",
        })
    }

    /// The `payment_method_details` of a charge.
    pub fn charge_details(&self, amount: i64) -> Value {
        json!({
            "card": {
                "amount_authorized": amount,
                "brand": self.brand,
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": "US",
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": format!("Fp{}", self.number),
                "funding": "credit",
                "installments": null,
                "last4": self.last4(),
                "mandate": null,
                "network": self.brand,
                "three_d_secure": null,
                "wallet": null,
            },
            "type": "card",
        })
    }
}

fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| u32::from(byte - b'0') * if at % 2 == 1 { 2 } else { 1 })
        .map(|value| if value > 9 { value - 9 } else { value })
        .sum();
    (12..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

/// `/v1/payment_methods…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, [id]) => call.load("payment_method", id),
        (Verb::Get, []) => {
            let customer = call.params.stored("customer");
            call.list("payment_method", "/v1/payment_methods", |row| customer.is_null() || row["customer"] == customer)
        }
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&["type", "card", "billing_details", "metadata", "allow_redisplay"])?;
    call.params.choice("type", &["card"])?.ok_or_else(|| ApiError::missing("type"))?;
    let card = match call.params.text("card.token")? {
        Some(token) => Card::by_name(token).ok_or_else(|| ApiError::no_such("token", token))?,
        None => Card::by_number(call.params.required("card.number")?)?,
    };
    let billing = call.params.stored("billing_details");
    let mut method = attach(call, card, billing["email"].as_str(), billing["name"].as_str());
    method["metadata"] = call.params.metadata("metadata", &Value::Null);
    call.put(&method);
    Ok(method)
}

/// Makes a payment method of a card.
pub fn attach(call: &mut Call<'_>, card: Card, email: Option<&str>, name: Option<&str>) -> Value {
    let method = json!({
        "id": new_id("pm_1"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(email, name),
        "card": card.details(),
        "created": call.now,
        "customer": null,
        "livemode": false,
        "metadata": {},
        "type": "card",
        "_number": card.number,
    });
    call.put(&method);
    method
}

/// Makes a payment method of a card that is held to a phone or a reader.
pub fn attach_present(call: &mut Call<'_>, card: Card) -> Value {
    let mut method = attach(call, card, None, None);
    method["type"] = json!("card_present");
    method["card_present"] = method["card"].take();
    if let Some(members) = method.as_object_mut() {
        members.remove("card");
    }
    call.put(&method);
    method
}

/// The payment method that a request names: a stored one, or a test card by its name.
pub fn resolve(call: &mut Call<'_>, reference: &str) -> Answer {
    match Card::by_name(reference) {
        Some(card) => Ok(attach(call, card, None, None)),
        None => call.load("payment_method", reference),
    }
}

/// Who pays, as charges and payment methods say it.
pub fn billing_details(email: Option<&str>, name: Option<&str>) -> Value {
    json!({
        "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null },
        "email": email,
        "name": name,
        "phone": null,
        "tax_id": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_card_is_a_card_number() {
        for card in CARDS {
            assert!(passes_luhn(card.number), "{}", card.number);
        }
        assert!(Card::by_number("4242 4242-4242 4242").is_ok());
        assert_eq!(Card::by_number("4242424242424241").unwrap_err().body()["error"]["code"], "incorrect_number");
        assert_eq!(Card::by_number("4111111111111111").unwrap_err().body()["error"]["code"], "card_declined");
        assert_eq!(Card::by_number("").unwrap_err().body()["error"]["code"], "incorrect_number");
    }
}
