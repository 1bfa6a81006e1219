//! The first line of the report: how the day went, in a sentence made by rule.
//!
//! * The on-time rate of the day, and the number of deliveries it is of.
//! * Against the 28-day mean, for ten deliveries or more: better, worse, or in line with it when less than half a point apart; and whether the day
//!   still lies in the usual range.
//! * Who drove it: the states with the most late deliveries above what the 28-day rate would have given them, named
//!   only when at least one whole delivery above; on a day no worse than usual, where the late ones went.

use chrono::NaiveDate;

use super::{breakdown::Breakdown, figures::Figure};
use crate::format;

/// Less than this apart, two rates are in line with each other.
const NOTEWORTHY: f64 = 0.005;

/// With fewer deliveries a day is not held against a mean.
const ENOUGH: f64 = 10.0;

/// What the sentence is made of.
#[derive(Debug, Clone)]
pub(super) struct Day {
    pub date: NaiveDate,
    pub delivered: f64,
    pub late: f64,
    /// The on-time rate of the days before, and how many they are.
    pub mean: Option<(f64, i64)>,
    /// Whether the day lies outside the usual range.
    pub unusual: bool,
    /// Late deliveries and deliveries of the day by state.
    pub states: Vec<(String, f64, f64)>,
}

/// The sentence.
pub(super) fn headline(day: &Day) -> String {
    let date = format!("On {} {}", day.date.format("%A"), format::long_date(day.date));
    if day.delivered <= 0.0 {
        return format!("{date}, no order was delivered.");
    }
    let rate = 1.0 - day.late / day.delivered;
    let arrived = if day.delivered > 1.0 {
        format!("{} of {} deliveries arrived", format::percent(rate), format::decimal(day.delivered, 0))
    } else {
        format!("the only delivery {}", if day.late > 0.0 { "arrived late" } else { "arrived" })
    };
    let mut out = format!("{date}, {arrived} by the promised day");
    if day.delivered <= 1.0 && day.late > 0.0 {
        out = format!("{date}, {arrived}");
    }
    let mut worse = false;
    if let Some((mean, days)) = day.mean.filter(|_| day.delivered >= ENOUGH) {
        let difference = rate - mean;
        let verdict = if difference.abs() < NOTEWORTHY {
            format!("in line with the {days}-day mean ({})", format::percent(mean))
        } else {
            worse = difference < 0.0;
            let usual = if day.unusual { "" } else { ", within its usual range" };
            format!(
                "{} points {} than the {days}-day mean{usual}",
                format::decimal(100.0 * difference.abs(), 1),
                if worse { "worse" } else { "better" }
            )
        };
        out.push_str(" – ");
        out.push_str(&verdict);
    }
    out.push_str(&drivers(day, worse));
    out.push('.');
    out
}

fn drivers(day: &Day, worse: bool) -> String {
    if day.late <= 0.0 {
        return "; none was late".to_owned();
    }
    let usual = 1.0 - day.mean.map_or(1.0 - day.late / day.delivered, |(mean, _)| mean);
    if worse {
        let mut above: Vec<_> = day
            .states
            .iter()
            .map(|(state, late, delivered)| (late - usual * delivered, *late, state))
            .filter(|(above, ..)| *above >= 1.0)
            .collect();
        above.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.cmp(b.2)));
        above.truncate(2);
        if !above.is_empty() {
            let names: Vec<_> = above.iter().map(|(_, _, state)| format::state_name(state)).collect();
            let late: f64 = above.iter().map(|(_, late, _)| late).sum();
            return format!(
                "; {} drove it, with {} of the {} late",
                names.join(" and "),
                format::decimal(late, 0),
                format::decimal(day.late, 0)
            );
        }
    }
    let mut most: Vec<_> = day.states.iter().filter(|(_, late, _)| *late > 0.0).collect();
    most.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let late = format::decimal(day.late, 0);
    match most.as_slice() {
        [] => format!("; {late} came late"),
        [(state, ..)] if day.late <= 1.0 => format!("; the late one went to {}", format::state_name(state)),
        [(state, ..)] => format!("; the {late} late all went to {}", format::state_name(state)),
        [(first, first_late, _), (second, second_late, _), ..] => format!(
            "; of the {late} late, {} went to {} and {} to {}",
            format::decimal(*first_late, 0),
            format::state_name(first),
            format::decimal(*second_late, 0),
            format::state_name(second)
        ),
    }
}

/// What the sentence says, from the report's figures.
pub(super) fn day_of(date: NaiveDate, states: &Breakdown, on_time: Option<&Figure>, mean_days: Option<i64>) -> Day {
    let states: Vec<_> = states.groups.iter().map(|group| (group.keys[0].clone(), group.day.1, group.day.0)).collect();
    Day {
        date,
        delivered: states.iter().map(|(_, _, delivered)| delivered).sum(),
        late: states.iter().map(|(_, late, _)| late).sum(),
        mean: on_time.and_then(|figure| figure.mean).zip(mean_days),
        unusual: on_time.is_some_and(|figure| !figure.tone.is_empty()),
        states,
    }
}

/// The second line: hand-overs and what is still open, as plain facts.
pub(super) fn second_line(figures: &[Figure]) -> String {
    let find = |name: &str| figures.iter().find(|figure| figure.name == name);
    let mut parts = Vec::new();
    if let Some(missed) = find("missed_handovers") {
        parts.push(match (missed.value, missed.out_of.as_str()) {
            (Some(none), "of 0 handed over") if none <= 0.0 => "No order was handed to the carrier.".to_owned(),
            (_, out_of) => format!("Sellers handed {} orders to the carrier late ({out_of}).", missed.text),
        });
    }
    if let (Some(open), Some(overdue)) = (find("open_orders"), find("overdue_orders")) {
        let change = overdue.comparisons.first().filter(|comparison| comparison.label == "Day before");
        let since = change.map_or_else(String::new, |day_before| format!(" ({} the day before)", day_before.text));
        parts.push(format!("{} orders were open in the evening, {} of them overdue{since}.", open.text, overdue.text));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Day {
        Day {
            date: "2018-08-23".parse().unwrap(),
            delivered: 318.0,
            late: 28.0,
            mean: Some((0.926, 28)),
            unusual: true,
            states: vec![
                ("SP".to_owned(), 9.0, 150.0),
                ("RJ".to_owned(), 12.0, 40.0),
                ("BA".to_owned(), 5.0, 10.0),
                ("RS".to_owned(), 2.0, 118.0),
            ],
        }
    }

    #[test]
    fn a_bad_day_names_who_drove_it() {
        assert_eq!(
            headline(&day()),
            "On Thursday 23 August 2018, 91.2\u{202f}% of 318 deliveries arrived by the promised day – 1.4 points worse than \
             the 28-day mean; Rio de Janeiro and Bahia drove it, with 17 of the 28 late."
        );
    }

    #[test]
    fn a_day_in_line_says_where_the_late_ones_went() {
        let usual = Day { mean: Some((0.914, 28)), unusual: false, ..day() };
        assert!(
            headline(&usual).ends_with(
                "– in line with the 28-day mean (91.4\u{202f}%); of the 28 late, 12 went to Rio de Janeiro and 9 to São Paulo."
            ),
            "{}",
            headline(&usual)
        );
        let better = Day { mean: Some((0.90, 12)), unusual: false, ..day() };
        assert!(headline(&better).contains("1.2 points better than the 12-day mean, within its usual range; of the"));
    }

    #[test]
    fn small_days_are_told_without_fuss() {
        let none = Day { delivered: 0.0, late: 0.0, states: Vec::new(), ..day() };
        assert_eq!(headline(&none), "On Thursday 23 August 2018, no order was delivered.");
        let punctual = Day { delivered: 4.0, late: 0.0, mean: None, ..day() };
        assert_eq!(
            headline(&punctual),
            "On Thursday 23 August 2018, 100.0\u{202f}% of 4 deliveries arrived by the promised day; none was late."
        );
        let few = Day { delivered: 2.0, late: 1.0, states: vec![("AC".to_owned(), 1.0, 2.0)], ..day() };
        assert!(!headline(&few).contains("28-day mean"), "{}", headline(&few));
        let one = Day { delivered: 1.0, late: 1.0, mean: None, states: vec![("AC".to_owned(), 1.0, 1.0)], ..day() };
        assert_eq!(
            headline(&one),
            "On Thursday 23 August 2018, the only delivery arrived late; the late one went to Acre."
        );
    }
}
