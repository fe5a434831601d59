//! Reports: what was sold at the counter from a day to a day, drawn when somebody asks for it, and each week by itself.
//!
//! Days and hours are UTC's, in every report: an organization has no time zone that it could not change afterwards, and
//! two reports of the same days must say the same.

mod sales;
mod weekly;

use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::{
    sales::{Others, ProductSales, Sale, SalesReport},
    weekly::{TOP_PRODUCTS, WeeklyFigures, WeeklyReport, last_due_week, week_days},
};
use super::days::Days;
use crate::{
    ids::{CatalogId, OrgId, ReportId, UserId},
    time::millis,
};

/// How long a report can be had.
pub const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Tries to draw a report before it is given up (the POS seed's queue `report-generation`).
pub const MAX_ATTEMPTS: u32 = 3;

/// Reports of an organization that may wait at once.
pub const MAX_WAITING: usize = 10;

/// How far a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportStatus {
    /// Waiting to be drawn.
    Pending,
    /// Drawn.
    Ready,
    /// Given up. One that is drawn after all, since an operator sent its message again, is ready.
    Failed,
}

impl ReportStatus {
    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// What a report is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Which days.
    pub days: Days,
    /// Only what was sold from this catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogId>,
}

/// A report that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// Whose.
    pub org: OrgId,
    /// What it is of.
    pub scope: Scope,
    /// How far it is.
    pub status: ReportStatus,
    /// Tries to draw it so far.
    #[serde(default)]
    pub attempts: u32,
    /// Who asked.
    pub by: UserId,
    /// When.
    #[serde(with = "millis")]
    pub created_at: Timestamp,
    /// When it was drawn.
    #[serde(with = "millis::option", default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
}

impl Report {
    /// A report that waits to be drawn.
    pub fn new(id: ReportId, org: OrgId, scope: Scope, by: UserId, now: Timestamp) -> Self {
        Report { id, org, scope, status: ReportStatus::Pending, attempts: 0, by, created_at: now, ready_at: None }
    }

    /// Key of its file, the same however often it is drawn. Nobody but us may read below `reports/`.
    pub fn file_key(&self) -> String {
        format!("reports/{}/{}.pdf", self.org, self.id)
    }

    /// What its file is called when it is saved.
    pub fn file_name(&self) -> String {
        format!("sales-{}-{}.pdf", self.scope.days.first, self.scope.days.last)
    }

    /// Until when it can be had.
    pub fn expires_at(&self) -> Timestamp {
        self.created_at + KEPT
    }

    /// Did the worker of its last try die? Then it is waiting for nobody. Asked once a try was counted.
    pub fn is_stranded(&self) -> bool {
        self.status == ReportStatus::Pending && self.attempts > MAX_ATTEMPTS
    }

    /// True when no other try follows the one that was counted.
    pub fn is_last_try(&self) -> bool {
        self.attempts >= MAX_ATTEMPTS
    }

    /// The message that has it drawn.
    pub fn task(&self) -> ReportTask {
        ReportTask::Sales { org: self.org, report: self.id }
    }
}

/// A message of the reports queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportTask {
    /// Draw what somebody asked for.
    Sales {
        /// Whose.
        org: OrgId,
        /// Which.
        report: ReportId,
    },
    /// Reckon and draw an organization's week, and send it to those who want it.
    Week {
        /// Whose.
        org: OrgId,
        /// The Monday it begins with.
        week: civil::Date,
    },
}

/// The id that a report has by its client's key (that key's SHA-256): the same for every repeat.
pub fn report_id(org: OrgId, key_hash: &str) -> ReportId {
    let hash = Sha256::digest(format!("pos report\0{org}\0{key_hash}"));
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    ReportId::from_random(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));

    #[test]
    fn a_key_names_one_report_of_one_organization() {
        assert_eq!(report_id(ORG, "a"), report_id(ORG, "a"));
        assert_ne!(report_id(ORG, "a"), report_id(ORG, "b"));
        assert_ne!(report_id(ORG, "a"), report_id(OrgId(Uuid::from_u128(2)), "a"));
    }

    #[test]
    fn three_tries_and_what_an_operator_sends_again() {
        let days = Days::one(civil::date(2026, 3, 1));
        let scope = Scope { days, catalog: None };
        let user = UserId(Uuid::nil());
        let report = Report::new(ReportId(Uuid::nil()), ORG, scope, user, Timestamp::UNIX_EPOCH);
        let tried = |attempts, status| {
            let report = Report { attempts, status, ..report.clone() };
            (report.is_last_try(), report.is_stranded())
        };
        let pending = [2, 3, 4].map(|attempts| tried(attempts, ReportStatus::Pending));
        assert_eq!(pending, [(false, false), (true, false), (true, true)]);
        assert_eq!(tried(5, ReportStatus::Failed), (true, false), "drawn once more");
    }

    #[test]
    fn a_report_has_one_file_and_one_message() {
        let days = Days::new(civil::date(2026, 3, 1), civil::date(2026, 3, 31)).unwrap();
        let by = UserId(Uuid::from_u128(3));
        let id = ReportId(Uuid::from_u128(9));
        let report = Report::new(id, ORG, Scope { days, catalog: None }, by, Timestamp::UNIX_EPOCH);
        assert_eq!(report.file_key(), format!("reports/{ORG}/{id}.pdf"));
        assert_eq!(report.file_name(), "sales-2026-03-01-2026-03-31.pdf");
        assert_eq!(serde_json::to_value(report.task()).unwrap(), json!({"kind": "sales", "org": ORG, "report": id}));
        assert_eq!(serde_json::from_value::<Report>(serde_json::to_value(&report).unwrap()).unwrap(), report);
        let week = ReportTask::Week { org: ORG, week: civil::date(2026, 3, 2) };
        assert_eq!(serde_json::to_value(week).unwrap(), json!({"kind": "week", "org": ORG, "week": "2026-03-02"}));
    }
}
