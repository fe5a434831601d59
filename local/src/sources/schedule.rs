//! Schedules: `rate(…)` and `cron(…)`, as EventBridge's events.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use jiff::{
    ToSpan as _,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};
use runtime::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::Hub;
use crate::{
    functions::InvokeError,
    template::{ACCOUNT_ID, REGION, model::ScheduleSource},
};

/// A schedule and the function that it invokes.
pub struct ScheduleTask {
    hub: Arc<Hub>,
    clock: Clock,
    function: String,
    spec: ScheduleSource,
    timing: Timing,
}

impl ScheduleTask {
    /// A schedule of the template.
    ///
    /// # Errors
    /// When its expression or time zone cannot be read.
    pub fn new(hub: Arc<Hub>, clock: Clock, function: String, spec: ScheduleSource) -> anyhow::Result<Self> {
        let timing = Timing::parse(&spec.expression, spec.time_zone.as_deref())?;
        Ok(Self { hub, clock, function, spec, timing })
    }

    /// The function that is invoked.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Fires at its times for ever, except while paused.
    pub async fn run(&self, paused: watch::Receiver<bool>) {
        if !self.spec.enabled {
            return;
        }
        while let Some(wait) = self.timing.wait(&self.clock) {
            tokio::time::sleep(wait).await;
            if !*paused.borrow() {
                drop(self.fire().await);
            }
        }
    }

    /// Fires now.
    pub async fn fire(&self) -> Result<Value, InvokeError> {
        self.hub.invoke("SCHEDULE", &self.spec.name, &self.function, self.event()).await
    }

    fn event(&self) -> Value {
        if let Some(input) = &self.spec.input {
            return input.clone();
        }
        let name = &self.spec.name;
        let (source, resource, detail) = match self.spec.is_scheduler {
            true => (
                "aws.scheduler",
                format!("arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule/default/{name}"),
                json!("{}"),
            ),
            false => ("aws.events", format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{name}"), json!({})),
        };
        json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": "Scheduled Event",
            "source": source,
            "account": ACCOUNT_ID,
            "time": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": REGION,
            "resources": [resource],
            "detail": detail,
        })
    }
}

/// When a schedule fires.
#[derive(Debug)]
enum Timing {
    Every(Duration),
    Cron(Box<Cron>),
}

impl Timing {
    fn parse(expression: &str, time_zone: Option<&str>) -> anyhow::Result<Self> {
        let inner = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inner("rate") {
            return Self::rate(rate).with_context(|| expression.to_owned());
        }
        if let Some(fields) = inner("cron") {
            if let Some(zone) = time_zone.filter(|zone| *zone != "UTC") {
                bail!("{expression} in {zone}: the local cloud has no time zones but UTC");
            }
            return Ok(Self::Cron(Box::new(Cron::parse(fields).with_context(|| expression.to_owned())?)));
        }
        bail!("{expression} is neither rate(…) nor cron(…)")
    }

    fn rate(rate: &str) -> anyhow::Result<Self> {
        let (count, unit) = rate.split_once(' ').context("a rate is a number and a unit")?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3600,
            "day" => 86400,
            _ => bail!("a rate's unit is minutes, hours or days"),
        };
        let count: u64 = count.parse()?;
        Ok(Self::Every(Duration::from_secs(count.max(1) * seconds)))
    }

    /// How long until it fires next; `None` when it never does again.
    fn wait(&self, clock: &Clock) -> Option<Duration> {
        match self {
            Self::Every(period) => Some(*period),
            Self::Cron(cron) => {
                let now = clock.now().to_zoned(TimeZone::UTC).datetime();
                Some(Duration::try_from(cron.after(now)?.duration_since(now)).unwrap_or_default())
            }
        }
    }
}

/// Minutes, hours, days of the month, months, days of the week (1 is Sunday), years: what each may be.
#[derive(Debug)]
struct Cron {
    minutes: Vec<i16>,
    hours: Vec<i16>,
    days: Vec<i16>,
    last_day: bool,
    months: Vec<i16>,
    weekdays: Vec<i16>,
    years: Vec<i16>,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Cron {
    fn parse(fields: &str) -> anyhow::Result<Self> {
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
            bail!("cron has six fields");
        };
        let last_day = *days == "L";
        Ok(Self {
            minutes: values(minutes, 0, 59, &[])?,
            hours: values(hours, 0, 23, &[])?,
            days: if last_day { Vec::new() } else { values(days, 1, 31, &[])? },
            last_day,
            months: values(months, 1, 12, &MONTHS)?,
            weekdays: values(weekdays, 1, 7, &WEEKDAYS)?,
            years: values(years, 1970, 2199, &[])?,
        })
    }

    /// The first minute after `now`; days are tried first, so that a rare date is found quickly. Gives up after ten years.
    fn after(&self, now: DateTime) -> Option<DateTime> {
        let first = now.checked_add(1.minute()).ok()?.with().second(0).subsec_nanosecond(0).build().ok()?;
        let mut day = first.date();
        for _ in 0..3660 {
            let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (*hour, *minute)));
            let mut times = times.map(|(hour, minute)| day.at(hour as i8, minute as i8, 0, 0));
            if self.has_day(day)
                && let Some(time) = times.find(|time| *time >= first)
            {
                return Some(time);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let weekday = date.weekday().since(Weekday::Sunday) + 1;
        let day = i16::from(date.day());
        let is_day = if self.last_day { date.day() == date.days_in_month() } else { self.days.contains(&day) };
        is_day
            && self.months.contains(&i16::from(date.month()))
            && self.weekdays.contains(&i16::from(weekday))
            && self.years.contains(&date.year())
    }
}

/// The values that a field names: `*`, `?`, `a`, `a-b`, `a/step`, names, and lists of these. Sorted.
fn values(field: &str, least: i16, most: i16, names: &[&str]) -> anyhow::Result<Vec<i16>> {
    let number = |text: &str| -> anyhow::Result<i16> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(index) => i16::try_from(index)? + least,
            None => text.parse().with_context(|| format!("cron field {field} is not supported by the local cloud"))?,
        };
        if !(least..=most).contains(&value) {
            bail!("{text} is not between {least} and {most}");
        }
        Ok(value)
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>()?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" || range == "?" => (least, most),
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        all.extend((from..=to).step_by(step.unwrap_or(1).max(1)));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(fields: &str, now: &str) -> String {
        Cron::parse(fields).unwrap().after(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn cron_finds_the_next_minute() {
        let now = "2026-01-30T10:15:30";
        assert_eq!(next("* * * * ? *", now), "2026-01-30T10:16:00");
        assert_eq!(next("0/15 * * * ? *", now), "2026-01-30T10:30:00");
        assert_eq!(next("0 3 * * ? *", now), "2026-01-31T03:00:00");
        assert_eq!(next("0 18 ? * MON-FRI *", now), "2026-01-30T18:00:00");
        assert_eq!(next("0 9 ? * 2 *", now), "2026-02-02T09:00:00");
        assert_eq!(next("5 0 L FEB ? 2028", now), "2028-02-29T00:05:00");
    }

    #[test]
    fn rates_and_nonsense() {
        assert!(
            matches!(Timing::parse("rate(5 minutes)", None).unwrap(), Timing::Every(every) if every.as_secs() == 300)
        );
        assert!(
            matches!(Timing::parse("rate(1 day)", None).unwrap(), Timing::Every(every) if every.as_secs() == 86400)
        );
        for nonsense in ["rate(5)", "rate(1 fortnight)", "every minute", "cron(* * *)", "cron(61 * * * ? *)"] {
            assert!(Timing::parse(nonsense, None).is_err(), "{nonsense}");
        }
        assert!(Timing::parse("cron(0 12 * * ? *)", Some("Europe/Copenhagen")).is_err());
    }
}
