//! Which day a report is about, when nobody says.
//!
//! The newest day is a bad choice: exports thin out at their end, and a half-empty day looks like a disaster or a
//! miracle. So: the last ended day with at least half as many purchases as the median of the active days in the 90
//! days before it.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};

use super::history::back;

/// Purchases by day; asked for first, because everything else depends on the date.
pub(super) const PURCHASES_SQL: &str =
    "select date, sum(purchased) as purchased\nfrom summary.delivery_daily\ngroup by date\nhaving sum(purchased) > 0";

/// The default date; `None` when nothing was ever bought before `as_of`.
pub(super) fn default_date(purchases: &BTreeMap<NaiveDate, f64>, as_of: NaiveDateTime) -> Option<NaiveDate> {
    purchases
        .iter()
        .rev()
        .filter(|(date, purchased)| **purchased > 0.0 && has_ended(**date, as_of))
        .find(|(date, purchased)| {
            let mut before: Vec<f64> =
                purchases.range(back(**date, 90)..**date).map(|(_, purchased)| *purchased).collect();
            before.retain(|purchased| *purchased > 0.0);
            before.sort_by(f64::total_cmp);
            median(&before).is_none_or(|median| **purchased >= median / 2.0)
        })
        .map(|(date, _)| *date)
}

/// Whether the day is over at `as_of`.
pub(super) fn has_ended(date: NaiveDate, as_of: NaiveDateTime) -> bool {
    back(date, -1).and_time(chrono::NaiveTime::MIN) <= as_of
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchases(days: &[(&str, f64)]) -> BTreeMap<NaiveDate, f64> {
        days.iter().map(|(day, purchased)| (day.parse().unwrap(), *purchased)).collect()
    }

    fn chosen(days: &[(&str, f64)], as_of: &str) -> Option<String> {
        default_date(&purchases(days), as_of.parse().unwrap()).map(|date| date.to_string())
    }

    #[test]
    fn thin_days_at_the_end_are_passed_over() {
        let days = [("2018-08-20", 200.0), ("2018-08-21", 220.0), ("2018-08-22", 110.0), ("2018-08-23", 60.0)];
        assert_eq!(
            chosen(&days, "2018-10-30T00:00:00").unwrap(),
            "2018-08-22",
            "110 is at least half of 210, the median of 200 and 220"
        );
    }

    #[test]
    fn a_day_that_still_runs_is_no_report_day() {
        let days = [("2018-08-20", 200.0), ("2018-08-21", 220.0)];
        assert_eq!(chosen(&days, "2018-08-21T15:00:00").unwrap(), "2018-08-20");
        assert_eq!(chosen(&days, "2018-08-22T00:00:00").unwrap(), "2018-08-21");
    }

    #[test]
    fn the_first_day_of_all_will_do() {
        assert_eq!(chosen(&[("2018-08-20", 1.0)], "2018-09-01T00:00:00").unwrap(), "2018-08-20");
        assert_eq!(chosen(&[], "2018-09-01T00:00:00"), None);
    }

    #[test]
    fn only_the_ninety_days_before_count() {
        let days = [("2018-01-01", 1000.0), ("2018-06-01", 10.0)];
        assert_eq!(chosen(&days, "2018-07-01T00:00:00").unwrap(), "2018-06-01");
    }
}
