//! Splits as clients send and read them (contract §13).

use domain::{
    ids::{CatalogId, OrgId, SplitId},
    pos::split::{Percentage, RecipientType, Split},
    time::iso,
};
use garde::Validate;
use jiff::Timestamp;
use runtime::ApiError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::read::nullable;

/// What kind of recipient it is.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RecipientTypeIn {
    Venue,
    Promoter,
    Partner,
    Other,
}

impl From<RecipientTypeIn> for RecipientType {
    fn from(input: RecipientTypeIn) -> Self {
        match input {
            RecipientTypeIn::Venue => Self::Venue,
            RecipientTypeIn::Promoter => Self::Promoter,
            RecipientTypeIn::Partner => Self::Partner,
            RecipientTypeIn::Other => Self::Other,
        }
    }
}

/// A new split.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct SplitIn {
    #[garde(required, length(chars, min = 1, max = 255))]
    #[schema(required, nullable = false, min_length = 1, max_length = 255)]
    recipient_name: Option<String>,
    #[garde(required)]
    #[schema(required, nullable = false)]
    recipient_type: Option<RecipientTypeIn>,
    /// Rounded to two decimals.
    #[garde(required, range(min = 0.0, max = 100.0))]
    #[schema(required, nullable = false, minimum = 0, maximum = 100)]
    percentage: Option<f64>,
    #[garde(length(chars, max = 2000))]
    #[schema(max_length = 2000)]
    notes: Option<String>,
}

fn percentage(number: f64) -> Result<Percentage, ApiError> {
    Percentage::from_number(number).map_err(|error| ApiError::invalid("percentage", error.to_string()))
}

impl SplitIn {
    pub(crate) fn into_split(
        self,
        id: SplitId,
        org: OrgId,
        catalog: CatalogId,
        now: Timestamp,
    ) -> Result<Split, ApiError> {
        Ok(Split {
            id,
            org,
            catalog,
            version: 0,
            recipient_name: self.recipient_name.unwrap_or_default(),
            recipient_type: self.recipient_type.map_or(RecipientType::Other, RecipientType::from),
            percentage: percentage(self.percentage.unwrap_or_default())?,
            notes: self.notes,
            is_active: true,
            created_at: now,
            updated_at: now,
        })
    }
}

/// What to change of a split.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub(crate) struct SplitEditIn {
    #[garde(length(chars, min = 1, max = 255))]
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    recipient_name: Option<String>,
    #[schema(nullable = false)]
    recipient_type: Option<RecipientTypeIn>,
    /// Rounded to two decimals.
    #[garde(range(min = 0.0, max = 100.0))]
    #[schema(nullable = false, minimum = 0, maximum = 100)]
    percentage: Option<f64>,
    /// Null takes them away.
    #[serde(default, deserialize_with = "nullable")]
    #[garde(length(chars, max = 2000))]
    #[schema(value_type = Option<String>, max_length = 2000)]
    notes: Option<Option<String>>,
    #[schema(nullable = false)]
    is_active: Option<bool>,
}

impl SplitEditIn {
    /// The next version.
    pub(crate) fn apply(&self, split: &Split, now: Timestamp) -> Result<Split, ApiError> {
        let before = split.clone();
        Ok(Split {
            version: before.version + 1,
            recipient_name: self.recipient_name.clone().unwrap_or(before.recipient_name),
            recipient_type: self.recipient_type.map_or(before.recipient_type, RecipientType::from),
            percentage: self.percentage.map(percentage).transpose()?.unwrap_or(before.percentage),
            notes: self.notes.clone().unwrap_or(before.notes),
            is_active: self.is_active.unwrap_or(before.is_active),
            updated_at: now,
            ..before
        })
    }
}

/// The splits of a catalog.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SplitList {
    /// Oldest first.
    pub(crate) splits: Vec<SplitOut>,
    /// Of those that are active; may be above 100.
    pub(crate) total_percentage: f64,
}

/// A split.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SplitOut {
    id: Uuid,
    catalog_id: Uuid,
    recipient_name: String,
    /// `venue`, `promoter`, `partner` or `other`.
    recipient_type: &'static str,
    percentage: f64,
    #[schema(required)]
    notes: Option<String>,
    is_active: bool,
    created_at: String,
    updated_at: String,
}

impl SplitOut {
    pub(crate) fn new(split: &Split) -> Self {
        SplitOut {
            id: split.id.0,
            catalog_id: split.catalog.0,
            recipient_name: split.recipient_name.clone(),
            recipient_type: split.recipient_type.as_str(),
            percentage: split.percentage.to_number(),
            notes: split.notes.clone(),
            is_active: split.is_active,
            created_at: iso(split.created_at),
            updated_at: iso(split.updated_at),
        }
    }
}
