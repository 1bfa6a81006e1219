//! The network's past, day by day: what headline figures and trends are read from.
//!
//! Three queries fill it, one for each relation that metrics live on. A [`Reading`] over several days is the mean per
//! day of what adds up, and the pooled value of a rate: all late deliveries by all deliveries, so that a quiet Sunday
//! does not weigh as much as a Monday.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use entrega_model::metrics::{Formula, METRICS, Metric, days_between, delivery_days_quantile, open_orders_statement};

use crate::rows::{AskError, Rows};

/// A metric over some days, and the number it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Reading {
    /// `None` where nothing happened that it could be told from.
    pub value: Option<f64>,
    /// Of a rate: how many cases it is the rate of.
    pub base: Option<f64>,
}

/// The days that a report looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// The report's day.
    pub date: NaiveDate,
    /// The first day that is fetched.
    pub first: NaiveDate,
    /// The same weekday of last year, 52 weeks back.
    pub last_year: NaiveDate,
}

impl Span {
    /// 90 days of trends, the 6 before them that a mean over 7 days needs, and the day a year ago.
    pub fn of(date: NaiveDate) -> Self {
        Self { date, first: back(date, 95), last_year: back(date, 364) }
    }
}

/// `days` days before `date`.
pub(super) fn back(date: NaiveDate, days: i64) -> NaiveDate {
    date - TimeDelta::days(days)
}

/// What happened on each day, over the whole network.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The first day of the lake on which anything was bought.
    pub begins: NaiveDate,
    measures: BTreeMap<NaiveDate, BTreeMap<String, f64>>,
    delivery_days: BTreeMap<NaiveDate, BTreeMap<i64, f64>>,
    standing: BTreeMap<NaiveDate, BTreeMap<&'static str, f64>>,
}

/// The measures of each day.
pub(super) fn measures_sql(span: &Span) -> String {
    let sums = all_measures().iter().map(|name| format!("sum({name}) as {name}")).collect::<Vec<_>>().join(",\n  ");
    format!("select date,\n  {sums}\nfrom summary.delivery_daily\nwhere {}\ngroup by date", wanted_days(span))
}

/// The delivery days of each day.
pub(super) fn delivery_days_sql(span: &Span) -> String {
    format!(
        "select date, delivery_days, sum(delivered) as delivered\nfrom summary.delivery_days_daily\nwhere {}\ngroup by \
         date, delivery_days",
        wanted_days(span)
    )
}

/// The open orders of each of the last 90 days and of the day a year ago.
pub(super) fn standing_sql(span: &Span) -> String {
    let mut days = vec![span.last_year];
    days.extend(span.first.iter_days().take_while(|day| *day <= span.date));
    open_orders_statement(&days, &standing_aggregates())
}

fn standing_aggregates() -> Vec<(&'static str, String)> {
    METRICS
        .iter()
        .filter(|metric| matches!(metric.formula, Formula::Standing(_)))
        .filter_map(|metric| Some((metric.name, metric.formula.expression()?)))
        .collect()
}

fn wanted_days(span: &Span) -> String {
    let recent = days_between(span.first, span.date);
    format!("({recent})\n  or ({})", days_between(span.last_year, span.last_year))
}

fn all_measures() -> BTreeSet<&'static str> {
    METRICS.iter().flat_map(|metric| metric.formula.measures()).collect()
}

impl History {
    /// Puts the three answers together.
    pub fn new(begins: NaiveDate, measures: &Rows, delivery_days: &Rows, standing: &Rows) -> Result<Self, AskError> {
        let mut history = Self { begins, ..Self::default() };
        for row in 0..measures.len {
            let sums = all_measures()
                .into_iter()
                .map(|name| (name.to_owned(), measures.number(name, row).unwrap_or(0.0)))
                .collect();
            history.measures.insert(day(measures, row)?, sums);
        }
        for row in 0..delivery_days.len {
            #[allow(clippy::cast_possible_truncation, reason = "delivery days are small whole numbers")]
            let days = delivery_days.number("delivery_days", row).unwrap_or(0.0) as i64;
            let delivered = delivery_days.number("delivered", row).unwrap_or(0.0);
            *history.delivery_days.entry(day(delivery_days, row)?).or_default().entry(days).or_default() += delivered;
        }
        for row in 0..standing.len {
            let counts = standing_aggregates()
                .into_iter()
                .map(|(name, _)| (name, standing.number(name, row).unwrap_or(0.0)))
                .collect();
            history.standing.insert(day(standing, row)?, counts);
        }
        Ok(history)
    }

    /// A metric over the days `first..=last`, which must have been fetched; the days before the lake began do not count.
    pub fn reading(&self, metric: &Metric, first: NaiveDate, last: NaiveDate) -> Reading {
        let first = first.max(self.begins);
        if first > last {
            return Reading::default();
        }
        #[allow(clippy::cast_precision_loss, reason = "a number of days")]
        let days = (last - first).num_days() as f64 + 1.0;
        match metric.formula {
            Formula::Sum(_) | Formula::Ratio { .. } => {
                let mut sums: BTreeMap<String, f64> = BTreeMap::new();
                for (name, value) in self.measures.range(first..=last).flat_map(|(_, sums)| sums) {
                    *sums.entry(name.clone()).or_default() += value;
                }
                let value = metric.formula.value(&sums);
                match metric.formula {
                    Formula::Ratio { per, .. } => Reading { value, base: sums.get(per).copied() },
                    _ => Reading { value: value.map(|sum| sum / days), base: None },
                }
            }
            Formula::DeliveryDaysQuantile { level } => {
                let mut by_days: BTreeMap<i64, f64> = BTreeMap::new();
                for (days, delivered) in self.delivery_days.range(first..=last).flat_map(|(_, by_days)| by_days) {
                    *by_days.entry(*days).or_default() += delivered;
                }
                Reading { value: delivery_days_quantile(&by_days, level), base: Some(by_days.values().sum()) }
            }
            Formula::Standing(_) => {
                let open: f64 =
                    self.standing.range(first..=last).filter_map(|(_, counts)| counts.get(metric.name)).sum();
                Reading { value: Some(open / days), base: None }
            }
        }
    }

    /// A metric on one day.
    pub fn on(&self, metric: &Metric, date: NaiveDate) -> Reading {
        self.reading(metric, date, date)
    }

    /// A metric on each of the days `first..=last`, leaving out rates that rest on less than a tenth of the usual
    /// number: what two Sunday deliveries say is noise.
    pub fn series(&self, metric: &Metric, first: NaiveDate, last: NaiveDate) -> Vec<Option<f64>> {
        let readings: Vec<_> = first
            .iter_days()
            .take_while(|day| *day <= last)
            .map(|day| if day < self.begins { Reading::default() } else { self.on(metric, day) })
            .collect();
        let mut bases: Vec<_> = readings.iter().filter_map(|reading| reading.base).filter(|base| *base > 0.0).collect();
        bases.sort_by(f64::total_cmp);
        let enough = bases.get(bases.len() / 2).map_or(0.0, |median| median / 10.0);
        readings
            .into_iter()
            .map(|reading| reading.value.filter(|_| reading.base.is_none_or(|base| base >= enough)))
            .collect()
    }

    /// Whether anything at all is known of `date`.
    pub fn knows(&self, date: NaiveDate) -> bool {
        self.measures.contains_key(&date)
    }
}

fn day(rows: &Rows, row: usize) -> Result<NaiveDate, AskError> {
    rows.date("date", row).filter(|date| date.year() > 1970).ok_or_else(|| AskError::Unreadable {
        what: "the network by day",
        column: "date".to_owned(),
        message: "it holds no date".to_owned(),
    })
}
