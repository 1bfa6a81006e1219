//! How much of a table is computed again, as conditions of SQL.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::quote;

/// What of a table is computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The rows whose `date` is one of these days.
    Days(BTreeSet<NaiveDate>),
    /// The rows of these purchase months.
    Months(BTreeSet<NaiveDate>),
}

impl Extent {
    /// Whether there is nothing to compute.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Whole => false,
            Self::Days(days) => days.is_empty(),
            Self::Months(months) => months.is_empty(),
        }
    }
}

/// The condition that a column (a name of SQL) holds one of these days.
///
/// ```
/// use entrega_spark::extent::is_one_of;
/// assert_eq!(is_one_of("`month`", &["2018-01-01".parse().unwrap()].into()), "`month` IN (DATE '2018-01-01')");
/// assert_eq!(is_one_of("`month`", &[].into()), "false");
/// ```
#[must_use]
pub fn is_one_of(column: &str, days: &BTreeSet<NaiveDate>) -> String {
    if days.is_empty() {
        return "false".to_owned();
    }
    format!("{column} IN ({})", quote::list(days.iter().map(|day| quote::date(*day))))
}

/// The same for many days that often follow each other: each run of them is one comparison, which Parquet and Delta
/// understand better than a long list.
///
/// ```
/// use entrega_spark::extent::is_within;
/// let days = ["2018-01-01", "2018-01-02", "2018-01-05"].map(|day| day.parse().unwrap());
/// assert_eq!(
///     is_within("date", &days.into()),
///     "(date BETWEEN DATE '2018-01-01' AND DATE '2018-01-02' OR date = DATE '2018-01-05')"
/// );
/// ```
#[must_use]
pub fn is_within(column: &str, days: &BTreeSet<NaiveDate>) -> String {
    let mut runs: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in days {
        match runs.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(*day) => *last = *day,
            _ => runs.push((*day, *day)),
        }
    }
    let runs = runs.into_iter().map(|(first, last)| {
        let (begin, end) = (quote::date(first), quote::date(last));
        if first == last { format!("{column} = {begin}") } else { format!("{column} BETWEEN {begin} AND {end}") }
    });
    let runs: Vec<String> = runs.collect();
    if runs.is_empty() { "false".to_owned() } else { format!("({})", runs.join(" OR ")) }
}
