//! How requests are read: names in both spellings (DECISIONS D6-D9), and values precisely, each refused by its name.

use domain::money::Cents;
use garde::Validate;
use jiff::{Timestamp, civil, tz::TimeZone};
use runtime::ApiError;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A body whose names may be spelled `camelCase` or `snake_case`. Where both are sent, `camelCase` wins unless it is null.
///
/// What `T` may hold is checked while it is read; the error names the place, `tiers[0].price: must be zero or more`.
pub(crate) struct Spelled<T>(pub(crate) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = in_camel_case(Value::deserialize(deserializer)?);
        serde_path_to_error::deserialize(value).map(Spelled).map_err(D::Error::custom)
    }
}

impl<T> Validate for Spelled<T> {
    type Context = ();

    fn validate_into(&self, (): &(), _: &mut dyn FnMut() -> garde::Path, _: &mut garde::Report) {}
}

fn in_camel_case(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(in_camel_case).collect(),
        Value::Object(members) => {
            let (snake, camel): (Map<_, _>, Map<_, _>) = members.into_iter().partition(|(name, _)| name.contains('_'));
            let mut members: Map<_, _> = camel.into_iter().map(|(name, value)| (name, in_camel_case(value))).collect();
            for (name, value) in snake {
                let member = members.entry(camel_case(&name)).or_insert(Value::Null);
                if member.is_null() {
                    *member = in_camel_case(value);
                }
            }
            Value::Object(members)
        }
        value => value,
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Text without space around it, of `MIN` to `MAX` characters.
pub(crate) fn text<'de, const MIN: usize, const MAX: usize, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let text = text.trim();
    match text.chars().count() {
        length if length < MIN => Err(D::Error::custom("must not be empty")),
        length if length > MAX => Err(D::Error::custom(format!("must have at most {MAX} characters"))),
        _ => Ok(Some(text.to_owned())),
    }
}

/// A web address of at most 2,000 characters, or nothing but space, which takes one away.
pub(crate) fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let link = text::<0, 2000, D>(deserializer)?;
    let valid = |link: &String| {
        let scheme = link.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        link.is_empty()
            || (matches!(scheme.as_deref(), Some("http" | "https")) && garde::rules::url::apply(link, ()).is_ok())
    };
    if link.as_ref().is_some_and(|link| !valid(link)) {
        return Err(D::Error::custom("must be a URL that begins with http:// or https://"));
    }
    Ok(link)
}

/// A JSON number, or a number as text, as forms send it.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(number.as_f64()),
        Value::String(text) => text.trim().parse().map(Some).map_err(|_| D::Error::custom("must be a number")),
        _ => Err(D::Error::custom("must be a number")),
    }
}

/// An amount of money in major units, up to 10 million.
pub(crate) fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cents>, D::Error> {
    number(deserializer)?.map(Cents::from_major).transpose().map_err(D::Error::custom)
}

/// A whole number from `MIN` to `MAX`.
pub(crate) fn whole<'de, const MIN: u32, const MAX: u32, D>(deserializer: D) -> Result<Option<u32>, D::Error>
where
    D: Deserializer<'de>,
{
    match number(deserializer)? {
        None => Ok(None),
        Some(number) if number.fract() == 0.0 && (f64::from(MIN)..=f64::from(MAX)).contains(&number) => {
            Ok(Some(number as u32))
        }
        Some(_) => Err(D::Error::custom(format!("must be a whole number from {MIN} to {MAX}"))),
    }
}

/// True or false, also as text, as forms send it.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag)),
        Value::String(text) if is_true(&text) => Ok(Some(true)),
        Value::String(text) if matches!(text.trim(), "false" | "0" | "") => Ok(Some(false)),
        _ => Err(D::Error::custom("must be true or false")),
    }
}

/// `true`, or `1`.
pub(crate) fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

/// `YYYY-MM-DD`, or the date of an ISO date-time.
pub(crate) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<civil::Date>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let text = text.trim();
    let date = match text.split_once('T') {
        Some((date, _)) if read_moment(text).is_some() => date,
        _ => text,
    };
    let date = (date.len() == 10).then(|| date.parse().ok()).flatten();
    date.map(Some).ok_or_else(|| D::Error::custom("must be a date, YYYY-MM-DD"))
}

/// `HH:MM` or `HH:MM:SS`; nothing but space counts as left out.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<civil::Time>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let text = text.trim();
    let shape = matches!(text.len(), 5 | 8) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(time) if shape => Ok(Some(time)),
        _ => Err(D::Error::custom("must be a time, HH:MM or HH:MM:SS")),
    }
}

/// A point in time, in UTC where no zone is said. `Some(None)` is nothing but space, which takes it away.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() {
        return Ok(Some(None));
    }
    let at = read_moment(text).map(domain::time::to_millis);
    at.map(|at| Some(Some(at))).ok_or_else(|| D::Error::custom("must be a time, as 2026-01-25T18:30:00Z"))
}

fn read_moment(text: &str) -> Option<Timestamp> {
    let in_utc = |time: civil::DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(|| text.parse().ok().and_then(in_utc))
}

/// Text that says something.
pub(crate) fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A whole number of a query; left out, or nothing but space, it is `default`.
pub(crate) fn count(name: &str, text: Option<&str>, min: usize, default: usize) -> Result<usize, ApiError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(default) };
    let number = text.parse::<u32>().ok().and_then(|number| usize::try_from(number).ok());
    let reason = || format!("must be a whole number from {min}");
    number.filter(|number| *number >= min).ok_or_else(|| ApiError::invalid(name, reason()))
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageOut {
    success: bool,
    message: &'static str,
}

impl MessageOut {
    pub(crate) fn new(message: &'static str) -> runtime::Json<Self> {
        runtime::Json(MessageOut { success: true, message })
    }
}

/// 409: others keep changing the same thing, or it was not there to be read again.
pub(crate) fn conflict() -> ApiError {
    ApiError::new(http::StatusCode::CONFLICT, "CONFLICT", "It is being changed by somebody else, please try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::MAX_AMOUNT;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Inner {
        #[serde(default, deserialize_with = "price")]
        unit_price: Option<Cents>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", default)]
    struct In {
        #[serde(deserialize_with = "text::<1, 3, _>")]
        short_name: Option<String>,
        #[serde(deserialize_with = "link")]
        link: Option<String>,
        #[serde(deserialize_with = "whole::<1, 10, _>")]
        whole: Option<u32>,
        #[serde(deserialize_with = "flag")]
        flag: Option<bool>,
        #[serde(deserialize_with = "date")]
        date: Option<civil::Date>,
        #[serde(deserialize_with = "time")]
        time: Option<civil::Time>,
        #[serde(deserialize_with = "moment")]
        moment: Option<Option<Timestamp>>,
        inner: Vec<Inner>,
    }

    fn read(value: Value) -> Result<In, String> {
        serde_json::from_value::<Spelled<In>>(value).map(|Spelled(read)| read).map_err(|error| error.to_string())
    }

    #[test]
    fn both_spellings_are_read_and_camel_case_wins_unless_null() {
        let name = |value| read(value).unwrap().short_name;
        assert_eq!(name(json!({"short_name": "a"})).as_deref(), Some("a"));
        assert_eq!(name(json!({"short_name": "a", "shortName": " b "})).as_deref(), Some("b"));
        assert_eq!(name(json!({"short_name": "a", "shortName": null})).as_deref(), Some("a"));
        assert_eq!(read(json!({"inner": [{"unit_price": "19.99"}]})).unwrap().inner[0].unit_price, Some(Cents(1999)));
        assert_eq!(camel_case("max_per_order"), "maxPerOrder");
        assert_eq!(camel_case("_x__y_"), "XY");
    }

    #[test]
    fn the_first_thing_wrong_is_named_with_its_place() {
        let wrong = |value: Value| read(value).unwrap_err();
        assert_eq!(wrong(json!({"inner": [{}, {"unit_price": -1}]})), "inner[1].unitPrice: must be zero or more");
        assert_eq!(wrong(json!({"inner": [{"unitPrice": "x"}]})), "inner[0].unitPrice: must be a number");
        assert_eq!(wrong(json!({"inner": [{"unitPrice": true}]})), "inner[0].unitPrice: must be a number");
        let too_much = MAX_AMOUNT.to_major() + 1.0;
        assert_eq!(wrong(json!({"inner": [{"unitPrice": too_much}]})), "inner[0].unitPrice: must be at most 10000000");
        assert_eq!(wrong(json!({"shortName": " "})), "shortName: must not be empty");
        assert_eq!(wrong(json!({"shortName": "abcd"})), "shortName: must have at most 3 characters");
        for bad in [json!(0), json!(11), json!(1.5), json!("1e")] {
            assert!(wrong(json!({"whole": bad})).starts_with("whole: must be a "), "{bad}");
        }
        assert!(wrong(json!({"flag": "maybe"})).starts_with("flag: "));
        assert!(wrong(json!({"inner": 5})).starts_with("inner: invalid type"));
    }

    #[test]
    fn links() {
        for good in ["https://example.com/a?b=c", "http://127.0.0.1:3300/media/x.png", "HTTPS://example.com/é"] {
            assert_eq!(read(json!({"link": good})).unwrap().link.as_deref(), Some(good));
        }
        assert_eq!(read(json!({"link": " "})).unwrap().link.as_deref(), Some(""));
        for bad in ["x", "ftp://example.com", "javascript:alert(1)", "https://", "http://a b", "//example.com"] {
            assert!(read(json!({"link": bad})).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_and_times() {
        let dated = |text: &str| read(json!({"date": text})).map(|read| read.date.unwrap().to_string());
        for good in ["2026-12-24", "2026-12-24T00:00:00.000Z", "2026-12-24T21:00"] {
            assert_eq!(dated(good).as_deref(), Ok("2026-12-24"), "{good}");
        }
        for bad in ["", "24.12.2026", "2026-13-01", "2026-02-30", "20261224", "2026-12-24Tx", "2026-1-1"] {
            assert!(dated(bad).is_err(), "{bad}");
        }
        let timed = |text: &str| read(json!({"time": text})).map(|read| read.time);
        assert_eq!(timed("21:00"), Ok(Some(civil::time(21, 0, 0, 0))));
        assert_eq!(timed("21:00:30"), Ok(Some(civil::time(21, 0, 30, 0))));
        assert_eq!(timed(""), Ok(None));
        for bad in ["9", "24:00", "21.00", "T2100", "2100", "21:00:00.5"] {
            assert!(timed(bad).is_err(), "{bad}");
        }
        let at = |text: &str| read(json!({"moment": text})).map(|read| read.moment.unwrap().map(domain::time::iso));
        assert_eq!(at("2026-01-25T18:30:00+01:00").unwrap().as_deref(), Some("2026-01-25T17:30:00.000Z"));
        assert_eq!(at("2026-01-25T18:30").unwrap().as_deref(), Some("2026-01-25T18:30:00.000Z"));
        assert_eq!(at(" "), Ok(None));
        assert!(at("soon").is_err());
    }

    #[test]
    fn counts_of_a_query() {
        assert_eq!(count("limit", None, 1, 20).unwrap(), 20);
        assert_eq!(count("limit", Some(" "), 1, 20).unwrap(), 20);
        assert_eq!(count("limit", Some("5"), 1, 20).unwrap(), 5);
        for bad in ["0", "-1", "x", "1.5", "99999999999"] {
            assert_eq!(count("limit", Some(bad), 1, 20).unwrap_err().fields[0].field, "limit", "{bad}");
        }
    }
}
