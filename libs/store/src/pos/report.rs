//! Weekly reports: what was reckoned once for all who are sent it.

use domain::{ids::OrgId, pos::report::WeeklyReport};
use jiff::civil;

use super::Pos;
use crate::{
    error::StoreError,
    item::{from_item, to_item},
    keys::Key,
};

impl Pos<'_> {
    /// Writes a report, over one of the same week.
    pub async fn save_weekly_report(&self, report: &WeeklyReport) -> Result<(), StoreError> {
        let item = to_item("weekly_report", &Key::weekly_report(report.org, report.figures.week), report)?;
        self.0.client.put_item().table_name(&self.0.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// The report of the week that begins with this Monday.
    pub async fn load_weekly_report(&self, org: OrgId, week: civil::Date) -> Result<Option<WeeklyReport>, StoreError> {
        self.0.get(&Key::weekly_report(org, week)).await?.map(from_item).transpose()
    }
}
