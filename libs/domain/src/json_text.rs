//! `#[serde(with = "domain::json_text")]`: JSON that clients keep with us and that we never look into, as one text. So it
//! comes back as it came, whatever its numbers, depth and names, of which the database takes fewer than JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// Writes the JSON text.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let text = serde_json::to_string(value).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// Reads the JSON text.
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}
