//! Reports: those that somebody asked for, with how far they are; the weekly ones, reckoned once for all who are sent them;
//! and the sales that both are reckoned from.

use std::collections::HashMap;

use domain::{
    ids::{OrgId, ReportId},
    pos::{
        order::{Order, OrderId, Payment},
        report::{KEPT, Report, ReportStatus, ReportTask, Sale, SalesReport, Scope, WeeklyReport},
    },
};
use futures_util::future::try_join;
use jiff::{Timestamp, civil};

use super::{Pos, keys, sales::SaleFilter};
use crate::{
    error::StoreError,
    item::{Item, from_item, index, n, s, text, to_item},
    keys::{Key, SHARDS, moment, shard_of},
    list::Range,
    tx::{Change, TxError},
};

/// Orders whose lines are loaded at once: four calls, in parallel.
const AT_ONCE: usize = 400;

/// While it waits it stands in an index of keys only, where the sort key names it whole.
fn report_item(report: &Report) -> Result<Item, StoreError> {
    let mut item = to_item("report", &Key::report(report.org, report.id), report)?;
    item.insert("ttl".into(), n(report.expires_at().as_second()));
    index(&mut item, "gsi1", keys::reports_of(report.org), moment(report.created_at, &report.id.to_string()));
    if report.status == ReportStatus::Pending {
        let name = serde_json::to_string(&report.task()).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        index(&mut item, "gsi2", keys::waiting_reports(shard_of(&name)), moment(report.created_at, &name));
    }
    Ok(item)
}

impl Pos<'_> {
    /// Writes a report that is to be drawn, once per id. Answers the one that is there then.
    pub async fn create_report(&self, report: &Report) -> Result<Report, StoreError> {
        match self.0.tx().create(report_item(report)?)?.commit().await {
            Ok(()) => Ok(report.clone()),
            Err(TxError::Refused(refused)) => {
                let there = refused.into_iter().find_map(|(_, item)| item).ok_or(StoreError::Stale)?;
                from_item(there)
            }
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// A report.
    pub async fn load_report(&self, org: OrgId, report: ReportId) -> Result<Option<Report>, StoreError> {
        self.0.get(&Key::report(org, report)).await?.map(from_item).transpose()
    }

    /// Reports of an organization, newest first, `limit` at most, without the first `offset`.
    pub async fn list_reports(&self, org: OrgId, limit: usize, offset: usize) -> Result<Vec<Report>, StoreError> {
        let pk = keys::reports_of(org);
        let range = Range { index: Some("gsi1"), pk, descending: true, limit: offset + limit, ..Range::default() };
        self.0.query(range).await?.into_iter().skip(offset).map(from_item).collect()
    }

    /// Counts a try to draw a report, and answers it; `None` when there is nothing to draw. Several may draw one at once:
    /// they draw the same into the same file.
    pub async fn begin_report(&self, org: OrgId, report: ReportId) -> Result<Option<Report>, StoreError> {
        let change = Change::default().add("attempts", n(1)).when_present("pk").when(
            "status",
            "<>",
            s(ReportStatus::Ready.as_str()),
        );
        self.0.change(&Key::report(org, report), change).await?.ok().map(from_item).transpose()
    }

    /// Notes that a report is drawn. False when that was noted before, or it is gone.
    pub async fn mark_report_ready(&self, report: &Report, now: Timestamp) -> Result<bool, StoreError> {
        let change = Change::default()
            .set("status", s(ReportStatus::Ready.as_str()))
            .set("ready_at", n(now.as_millisecond()))
            .remove("gsi2pk")
            .remove("gsi2sk")
            .when_present("pk")
            .when("status", "<>", s(ReportStatus::Ready.as_str()));
        Ok(self.0.change(&Key::report(report.org, report.id), change).await?.is_ok())
    }

    /// Gives a report up. False when it is not waiting any more.
    pub async fn mark_report_failed(&self, report: &Report) -> Result<bool, StoreError> {
        let change = Change::default()
            .set("status", s(ReportStatus::Failed.as_str()))
            .remove("gsi2pk")
            .remove("gsi2sk")
            .when("status", "=", s(ReportStatus::Pending.as_str()));
        Ok(self.0.change(&Key::report(report.org, report.id), change).await?.is_ok())
    }

    /// Reports that were asked for before `before` and are not drawn, oldest first. A row whose name cannot be read is logged
    /// and passed over: it must not keep the others waiting.
    pub async fn list_waiting_reports(&self, before: Timestamp, limit: usize) -> Result<Vec<ReportTask>, StoreError> {
        let range = Range { index: Some("gsi2"), to: Some(moment(before, "")), limit, ..Range::default() };
        let items = self.0.query_shards((0..SHARDS).map(keys::waiting_reports), range, "gsi2sk").await?;
        let readable = |item: &Item| {
            let name = text(item, "gsi2sk").and_then(|key| key.split_once('#')).map(|(_, name)| name);
            let task = name.and_then(|name| serde_json::from_str(name).ok());
            if task.is_none() {
                tracing::error!(pk = text(item, "pk"), sk = text(item, "sk"), "a report's name is corrupt");
            }
            task
        };
        Ok(items.iter().filter_map(readable).collect())
    }

    /// Adds all sales of a scope to a report, some hundred in memory at a time. Reads indexes, which may lag behind the
    /// table by a moment.
    pub async fn reckon_sales(
        &self,
        org: OrgId,
        scope: &Scope,
        mut report: SalesReport,
    ) -> Result<SalesReport, StoreError> {
        let filter = SaleFilter {
            statuses: SalesReport::STATUSES.to_vec(),
            catalog: scope.catalog,
            from: Some(scope.days.begin()),
            to: Some(scope.days.end()),
            ..SaleFilter::default()
        };
        let mut sales = self.read_sales(org, filter);
        loop {
            let orders = sales.next(AT_ONCE).await?;
            if orders.is_empty() {
                return Ok(report);
            }
            self.add_sales(org, &orders, &mut report).await?;
        }
    }

    async fn add_sales(&self, org: OrgId, orders: &[Order], report: &mut SalesReport) -> Result<(), StoreError> {
        let ids = |wanted: fn(&Order) -> bool| -> Vec<OrderId> {
            orders.iter().filter(|order| wanted(order)).map(|order| order.id).collect()
        };
        let (listed, split) = (ids(|order| order.item_count > 0), ids(SalesReport::wants_payments));
        let (mut lines, split) = try_join(self.load_lines(org, &listed), self.load_orders(org, &split)).await?;
        let payments: HashMap<OrderId, Vec<Payment>> =
            split.into_iter().map(|whole| (whole.order.id, whole.payments)).collect();
        for order in orders {
            let lines = lines.remove(&order.id).unwrap_or_default();
            let payments = payments.get(&order.id).map_or(&[][..], Vec::as_slice);
            report.add(&Sale { order, lines: &lines, payments });
        }
        Ok(())
    }

    /// Writes a week's report, unless there is one: of two that were reckoned at once, one is what everybody is sent.
    pub async fn save_weekly_report(&self, report: &WeeklyReport) -> Result<bool, StoreError> {
        let mut item = to_item("weekly_report", &Key::weekly_report(report.org, report.figures.week), report)?;
        item.insert("ttl".into(), n((report.created_at + KEPT).as_second()));
        match self.0.tx().create(item)?.commit().await {
            Ok(()) => Ok(true),
            Err(TxError::Refused(_)) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    /// The report of the week that begins with this Monday.
    pub async fn load_weekly_report(&self, org: OrgId, week: civil::Date) -> Result<Option<WeeklyReport>, StoreError> {
        self.0.get(&Key::weekly_report(org, week)).await?.map(from_item).transpose()
    }

    /// The last week for which all organizations were asked for their reports, by its Monday.
    pub async fn load_weeks_asked(&self) -> Result<Option<civil::Date>, StoreError> {
        let item = self.0.get(&Key::weeks_asked()).await?.unwrap_or_default();
        Ok(text(&item, "until").and_then(|day| day.parse().ok()))
    }

    /// Moves that week forward; a slower worker never moves it back.
    pub async fn save_weeks_asked(&self, week: civil::Date) -> Result<(), StoreError> {
        let week = week.to_string();
        let older = |change: Change| change.when("until", "<", s(&week));
        let change = Change::default()
            .set("until", s(&week))
            .set("entity", s("weeks_asked"))
            .when_either(&[&|change| change.when_absent("until"), &older]);
        self.0.change(&Key::weeks_asked(), change).await?.map(drop).or(Ok(()))
    }
}
