//! Catalogs: what is sold at one place or event, and how (contract §4), and which of them an organization may use.

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::tier::Tier;
use crate::{
    ids::{CatalogId, OrgId},
    time::millis,
};

/// Catalogs of an organization at most, whatever its tier.
pub const MAX_CATALOGS: usize = 200;

/// Tips that a catalog suggests at most.
pub const MAX_TIP_PERCENTAGES: usize = 10;

/// How the app shows a menu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum View {
    #[default]
    Grid,
    List,
    LargeGrid,
    Compact,
}

/// A tax in thousandths of a percent: `8.25` % is 8250.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaxRate(u32);

/// A number that is no tax rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a percentage from 0 to 100")]
pub struct TaxRateError;

impl TaxRate {
    /// From a percentage, rounded half up to three places (contract §4).
    pub fn from_percent(percent: f64) -> Result<Self, TaxRateError> {
        // `contains` is false for what is not a number.
        if !(0.0..=100.0).contains(&percent) {
            return Err(TaxRateError);
        }
        Ok(Self((percent * 1000.0 + 0.5).floor() as u32))
    }

    /// For JSON.
    pub fn to_percent(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// A catalog, without what it sells, which is its [`Menu`](super::menu::Menu).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Its id.
    pub id: CatalogId,
    /// Whose.
    pub org: OrgId,
    /// 1 to 100 characters.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it sells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// When it sells; as the client wrote it (contract §4), see [`is_date`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Is it in use?
    pub is_active: bool,
    /// Is the buyer asked for a tip?
    pub show_tip_screen: bool,
    /// Is the buyer asked for an e-mail address?
    pub prompt_for_email: bool,
    /// Tips that are suggested, in percent.
    pub tip_percentages: Vec<u32>,
    /// May the buyer name another tip?
    pub allow_custom_tip: bool,
    /// On the subtotal; the client reckons it (contract §19).
    pub tax_rate: TaxRate,
    /// How it is shown.
    pub view: View,
    /// How many products it sells. Written by the very transactions that change the menu, so it is exact.
    pub products: usize,
    /// Rises with every change.
    pub version: u32,
    /// When it was made.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When its settings last changed.
    #[serde(with = "millis")]
    pub updated_at: Timestamp,
}

impl Catalog {
    /// A catalog with the contract's defaults, that sells nothing yet.
    pub fn new(id: CatalogId, org: OrgId, name: String, now: Timestamp) -> Self {
        Catalog {
            id,
            org,
            name,
            description: None,
            location: None,
            date: None,
            is_active: true,
            show_tip_screen: true,
            prompt_for_email: true,
            tip_percentages: vec![15, 18, 20, 25],
            allow_custom_tip: true,
            tax_rate: TaxRate::default(),
            view: View::default(),
            products: 0,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// The next version, with other settings.
    pub fn edited(&self, edit: impl FnOnce(&mut Catalog), now: Timestamp) -> Self {
        let mut catalog = self.clone();
        edit(&mut catalog);
        Catalog { version: self.version + 1, updated_at: now, ..catalog }
    }

    /// The next version, selling so many products.
    pub fn selling(&self, products: usize) -> Self {
        Catalog { products, version: self.version + 1, ..self.clone() }
    }

    /// Another catalog with the same settings, that sells nothing yet.
    pub fn copied(&self, id: CatalogId, name: String, now: Timestamp) -> Self {
        Catalog { id, name, products: 0, version: 0, created_at: now, updated_at: now, ..self.clone() }
    }
}

/// Text that begins with a date, `YYYY-MM-DD`, and has nothing or a time after it.
pub fn is_date(text: &str) -> bool {
    let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    date.len() == 10 && date.parse::<civil::Date>().is_ok() && (rest.is_empty() || rest.starts_with('T'))
}

/// What the app calls the copy of something, cut to `max` characters.
pub fn copy_name(name: &str, max: usize) -> String {
    const COPY: &str = " (Copy)";
    let kept: String = name.chars().take(max.saturating_sub(COPY.len())).collect();
    kept + COPY
}

/// The catalogs of an organization, by name: what decides how many it may have, and which of them it may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CatalogList {
    /// Those that are there, oldest first.
    pub ids: Vec<CatalogId>,
    /// Those that are deleted, and have rows left to be deleted.
    #[serde(default)]
    pub leaving: Vec<CatalogId>,
    /// Rises with every change; 0 before the first.
    pub version: u32,
}

/// Why there cannot be another catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogLimit {
    /// The tier has one.
    #[error("Your plan includes one catalog. Upgrade to create more")]
    Tier,
    /// There are [`MAX_CATALOGS`].
    #[error("An organization can have {MAX_CATALOGS} catalogs at most")]
    Most,
}

impl CatalogList {
    /// Is it one of them?
    pub fn has(&self, catalog: CatalogId) -> bool {
        self.ids.contains(&catalog)
    }

    /// On the free tier only the oldest is usable (contract §4).
    pub fn is_locked(&self, catalog: CatalogId, tier: Tier) -> bool {
        tier == Tier::Starter && self.ids.first() != Some(&catalog)
    }

    /// The next version, with one more, if there may be one more.
    pub fn with(&self, catalog: CatalogId, tier: Tier) -> Result<Self, CatalogLimit> {
        if self.ids.len() >= MAX_CATALOGS {
            return Err(CatalogLimit::Most);
        }
        if tier == Tier::Starter && !self.ids.is_empty() {
            return Err(CatalogLimit::Tier);
        }
        let mut next = self.next();
        next.ids.push(catalog);
        Ok(next)
    }

    /// The next version, without one; its rows are still to be deleted. `None` when it is not there.
    pub fn without(&self, catalog: CatalogId) -> Option<Self> {
        let mut next = self.next();
        next.ids.retain(|id| *id != catalog);
        next.leaving.push(catalog);
        self.has(catalog).then_some(next)
    }

    /// The next version, when nothing is left of some that were deleted.
    pub fn cleared(&self, gone: &[CatalogId]) -> Self {
        let mut next = self.next();
        next.leaving.retain(|id| !gone.contains(id));
        next
    }

    fn next(&self) -> Self {
        CatalogList { version: self.version + 1, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u8) -> CatalogId {
        CatalogId::from_random([n; 16])
    }

    #[test]
    fn the_free_tier_has_its_oldest_catalog_and_no_other() {
        let none = CatalogList::default();
        let one = none.with(id(1), Tier::Starter).unwrap();
        assert_eq!(one.with(id(2), Tier::Starter), Err(CatalogLimit::Tier));
        let two = one.with(id(2), Tier::Pro).unwrap();
        let locked = |list: &CatalogList, tier| [1, 2].map(|n| list.is_locked(id(n), tier));
        assert_eq!(locked(&two, Tier::Starter), [false, true]);
        assert_eq!(locked(&two, Tier::Pro), [false, false]);
        assert_eq!(locked(&two, Tier::Enterprise), [false, false]);
        let rest = two.without(id(1)).unwrap();
        assert_eq!(locked(&rest, Tier::Starter), [true, false], "the next oldest takes its place");
        assert_eq!((rest.leaving.clone(), rest.version), (vec![id(1)], 3));
        assert_eq!(rest.cleared(&[id(1)]), CatalogList { ids: vec![id(2)], leaving: vec![], version: 4 });
        assert_eq!(rest.without(id(1)), None);
    }

    #[test]
    fn there_is_a_most() {
        let mut list = CatalogList::default();
        for n in 0..MAX_CATALOGS {
            list = list.with(id(n as u8), Tier::Enterprise).unwrap();
        }
        assert_eq!(list.with(id(255), Tier::Enterprise), Err(CatalogLimit::Most));
    }

    #[test]
    fn dates_are_kept_as_they_were_written() {
        for good in ["2026-05-01", "2026-05-01T00:00:00.000Z"] {
            assert!(is_date(good), "{good}");
        }
        for bad in ["", "01.05.2026", "2026-13-01", "2026-05-01x", "20260501", "2026-05-1", "ééééé", "2026-05-é1"]
        {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn a_copy_is_called_one() {
        assert_eq!(copy_name("Summer", 100), "Summer (Copy)");
        assert_eq!(copy_name(&"é".repeat(100), 100).chars().count(), 100);
    }

    proptest! {
        #[test]
        fn a_tax_rate_survives_the_wire(thousandths in 0..=100_000u32) {
            let rate = TaxRate(thousandths);
            prop_assert_eq!(TaxRate::from_percent(rate.to_percent()), Ok(rate));
        }

        #[test]
        fn no_other_number_is_a_tax_rate(percent in prop_oneof![-1e9..-1e-9f64, 100.001..1e9f64, Just(f64::NAN)]) {
            prop_assert_eq!(TaxRate::from_percent(percent), Err(TaxRateError));
        }
    }
}
