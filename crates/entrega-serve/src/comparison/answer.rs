//! What a shop answers, read from rows into what can be measured.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta, Timelike as _};

use super::questions::{Axis, Kind, Unit};
use crate::{
    format::{decimal, percent},
    rows::Rows,
};

/// One shop's answer to a question.
#[derive(Debug)]
pub(super) enum Answer {
    /// Sorted.
    Numbers(Vec<f64>),
    /// What is measured in each bin, and what it weighs. Of shares both are the share.
    Bins(BTreeMap<Bin, (f64, f64)>),
    /// The rank correlation of pairs.
    Relation(Option<f64>),
}

/// A part of what is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bin {
    Day(NaiveDate),
    Step(i64),
    Name(String),
}

impl Answer {
    /// Reads an answer; rows with a NULL are left out.
    pub fn read(kind: Kind, rows: &Rows) -> Self {
        match kind {
            Kind::Numbers { .. } => {
                let mut values: Vec<f64> = (0..rows.len).filter_map(|row| rows.number("value", row)).collect();
                values.sort_unstable_by(f64::total_cmp);
                Self::Numbers(values)
            }
            Kind::Shares { .. } => {
                let bins: Vec<_> = (0..rows.len)
                    .filter_map(|row| Some((Bin::read(rows, row)?, rows.number("weight", row)?)))
                    .collect();
                let total: f64 = bins.iter().map(|(_, weight)| weight).sum();
                let share = |weight: f64| if total > 0.0 { weight / total } else { 0.0 };
                Self::Bins(bins.into_iter().map(|(bin, weight)| (bin, (share(weight), share(weight)))).collect())
            }
            Kind::Rates { .. } => Self::Bins(
                (0..rows.len)
                    .filter_map(|row| {
                        let measured = (rows.number("value", row)?, rows.number("weight", row)?);
                        Some((Bin::read(rows, row)?, measured))
                    })
                    .collect(),
            ),
            Kind::Relation => {
                let pairs: Vec<_> =
                    (0..rows.len).filter_map(|row| Some((rows.number("x", row)?, rows.number("y", row)?))).collect();
                Self::Relation(super::measures::rank_correlation(&pairs))
            }
        }
    }
}

impl Bin {
    fn read(rows: &Rows, row: usize) -> Option<Self> {
        #[allow(clippy::cast_possible_truncation)] // Bins are small whole numbers.
        rows.date("bin", row)
            .map(Self::Day)
            .or_else(|| rows.number("bin", row).map(|number| Self::Step(number.round() as i64)))
            .or_else(|| rows.text("bin", row).map(|name| Self::Name(name.to_owned())))
    }

    /// The bin as text, on its axis.
    pub fn text(&self, axis: Axis) -> String {
        match self {
            Self::Day(month) if axis == Axis::Months => month.format("%b %Y").to_string(),
            Self::Day(day) => day.format("%-d %b %Y").to_string(),
            Self::Step(hour) if axis == Axis::HourOfWeek => {
                let monday = NaiveDate::default().and_time(chrono::NaiveTime::MIN) + TimeDelta::days(4);
                let moment = monday + TimeDelta::hours(*hour);
                format!("{} {}h", moment.format("%a"), moment.hour())
            }
            Self::Step(step) => step.to_string(),
            Self::Name(name) => name.clone(),
        }
    }

    /// The bin for a chart: names and days as text, steps as numbers.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Day(day) => day.to_string().into(),
            Self::Step(step) => (*step).into(),
            Self::Name(name) => name.clone().into(),
        }
    }
}

/// A number in its unit.
pub(super) fn figure(value: f64, unit: Unit) -> String {
    let few = |name: &str| format!("{}\u{a0}{name}", decimal(value, usize::from(value.abs() < 100.0)));
    match unit {
        Unit::Share => percent(value),
        Unit::Reais => format!("R$\u{a0}{}", decimal(value, 0)),
        Unit::Kilometres => format!("{}\u{a0}km", decimal(value, 0)),
        Unit::Grams => format!("{}\u{a0}g", decimal(value, 0)),
        Unit::Litres => few("l"),
        Unit::Hours if value < 1.0 => format!("{}\u{a0}min", decimal(value * 60.0, 0)),
        Unit::Hours => few("h"),
        Unit::Days if value.abs() < 1.0 && value != 0.0 => figure(value * 24.0, Unit::Hours),
        Unit::Days => few("d"),
        Unit::Stars => decimal(value, 2),
        Unit::Count | Unit::Letters => decimal(value, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_week_begin_on_monday() {
        assert_eq!(Bin::Step(0).text(Axis::HourOfWeek), "Mon 0h");
        assert_eq!(Bin::Step(167).text(Axis::HourOfWeek), "Sun 23h");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(figure(0.35, Unit::Hours), "21\u{a0}min");
        assert_eq!(figure(0.5, Unit::Days), "12.0\u{a0}h");
        assert_eq!(figure(-12.0, Unit::Days), "\u{2212}12.0\u{a0}d");
        assert_eq!(figure(0.0, Unit::Days), "0.0\u{a0}d");
        assert_eq!(figure(0.071, Unit::Share), "7.1\u{202f}%");
    }
}
