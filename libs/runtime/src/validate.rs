//! From a validation report to an answer that names field and reason.

use crate::error::{ApiError, FieldError};

/// Turns a report of `garde`, which names Rust's fields, into 400 `VALIDATION_ERROR`, which names the client's.
pub fn report(report: &garde::Report) -> ApiError {
    named(report, |field| camel_case(&field))
}

/// The same of a query. Some parameters are in snake case (POS §1): one is called as the client has written it.
pub fn report_query(report: &garde::Report, query: &str) -> ApiError {
    let sent = |field: &str| query.split('&').any(|pair| pair.split('=').next() == Some(field));
    named(report, |field| if sent(&field) { field } else { camel_case(&field) })
}

fn named(report: &garde::Report, name: impl Fn(String) -> String) -> ApiError {
    let fields = report
        .iter()
        .map(|(path, error)| FieldError { field: name(path.to_string()), reason: error.message().to_owned() })
        .collect();
    ApiError::invalid_fields(fields)
}

/// `tiers[0].payment_link` is `tiers[0].paymentLink` on the wire.
fn camel_case(path: &str) -> String {
    let mut after_underscore = false;
    path.chars()
        .filter_map(|c| {
            let c = if std::mem::take(&mut after_underscore) { c.to_ascii_uppercase() } else { c };
            after_underscore = c == '_';
            (!after_underscore).then_some(c)
        })
        .collect()
}

/// 400 `MISSING_REQUIRED_FIELDS` unless every field named is present.
pub fn require(fields: &[(&str, bool)]) -> Result<(), ApiError> {
    let missing: Vec<FieldError> = fields
        .iter()
        .filter(|(_, present)| !present)
        .map(|(field, _)| FieldError { field: (*field).to_owned(), reason: "is required".to_owned() })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|error| error.field.as_str()).collect();
    let message = format!("Missing required fields: {}", names.join(", "));
    Err(ApiError { fields: missing, ..ApiError::bad_request("MISSING_REQUIRED_FIELDS", message) })
}

/// True for text with something besides white space in it.
pub fn present(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| !text.trim().is_empty())
}

/// An e-mail address of the shape `x@y.z`: the contract's own test (§5), at most 254 bytes. Beyond ASCII only letters and
/// numbers: the user pool refuses what cannot be seen, and with it one address would look like another.
pub fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let clean = |c: char| (c.is_ascii_graphic() || c.is_alphanumeric()) && !"<>(),;:\\\"[]@".contains(c);
    text.len() <= 254
        && !local.is_empty()
        && local.len() <= 64
        && text.chars().filter(|c| *c == '@').count() == 1
        && local.chars().chain(host.chars()).all(clean)
        && host.split('.').count() >= 2
        && host.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_as_the_client_knows_them() {
        assert_eq!(camel_case("tiers[0].payment_link"), "tiers[0].paymentLink");
        assert_eq!(camel_case("quantity"), "quantity");
    }

    #[test]
    fn addresses() {
        for good in ["a@b.co", "x.y+z@mail.example.com", "ö@bücher.example", "用户@例子.example", "o'neill_{x}@b.co"]
        {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@", "@b.co", "a@b", "a@@b.co", "a b@c.de", "a@b..co", "a@b.co\n", "<a@b.co>", "a@.co"] {
            assert!(!is_email(bad), "{bad}");
        }
        for c in ['\u{200b}', '\u{feff}', '\u{ad}', '\u{200e}', '\u{202e}', '\u{2060}', '\u{a0}', '\u{7f}', '\u{e000}']
        {
            for bad in [format!("a{c}@b.co"), format!("{c}a@b.co"), format!("a@b{c}.co"), format!("a@b.co{c}")] {
                assert!(!is_email(&bad), "{bad:?}");
            }
        }
    }

    #[test]
    fn missing_fields_are_named() {
        let error = require(&[("eventId", false), ("tierId", true), ("buyerName", false)]).unwrap_err();
        assert_eq!(error.message, "Missing required fields: eventId, buyerName");
        assert_eq!(error.code, "MISSING_REQUIRED_FIELDS");
        assert!(require(&[("a", true)]).is_ok());
    }
}
