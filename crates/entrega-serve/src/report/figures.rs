//! The headline figures: each with what it was the day before, on 28-day mean and a year ago.

use chrono::NaiveDate;
use entrega_model::metrics::{Good, Metric, metric};
use serde::Serialize;

use super::history::{History, Reading, Span, back};
use crate::format;

/// The metrics on top of the report, and the metric that tells the reader what each is out of, if any.
const HEADLINES: [(&str, Option<(&str, &str)>); 12] = [
    ("on_time_rate", None),
    ("late_deliveries", Some(("deliveries", "delivered"))),
    ("missed_handovers", Some(("handovers", "handed over"))),
    ("overdue_orders", Some(("open_orders", "open"))),
    ("mean_delivery_days", None),
    ("p90_delivery_days", None),
    ("open_orders", None),
    ("stale_orders", None),
    ("orders", None),
    ("revenue", None),
    ("review_score", None),
    ("deliveries", None),
];

/// One headline figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// The metric's name.
    pub name: &'static str,
    /// The metric's label.
    pub label: &'static str,
    /// The figure of the day; `None` where nothing happened that it could be told from.
    pub value: Option<f64>,
    /// The figure as written.
    pub text: String,
    /// The number it rests on, in words; empty for plain counts.
    pub out_of: String,
    /// Against what it is held.
    pub comparisons: Vec<Comparison>,
    /// `better`, `worse`, `different`, or empty inside the usual range (the middle 80 % of the last 28 days).
    pub tone: &'static str,
    /// The tone in words; empty inside the usual range.
    pub remark: String,
    /// The definition.
    pub description: &'static str,
    /// A query that gives the figure.
    pub sql: String,
    /// The 28 days before and the day, for the sparkline.
    pub spark: Vec<Option<f64>>,
    /// The 28-day mean.
    pub mean: Option<f64>,
}

/// A figure of another time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Which time.
    pub label: String,
    /// The figure then.
    pub text: String,
    /// The number it rests on (`of 7,376`); empty for plain counts.
    pub out_of: String,
    /// How far the day is from it, with its sign.
    pub change: String,
}

/// All headline figures of the day.
pub(super) fn headline_figures(history: &History, span: &Span) -> Vec<Figure> {
    HEADLINES.iter().filter_map(|(name, companion)| Some(figure(metric(name)?, *companion, history, span))).collect()
}

/// The 28 days before a day, as far as the lake reaches; `None` when they are fewer than a week.
pub(super) fn days_before(history: &History, date: NaiveDate) -> Option<(NaiveDate, NaiveDate, i64)> {
    let (first, last) = (back(date, 28).max(history.begins), back(date, 1));
    let days = (last - first).num_days() + 1;
    (days >= 7).then_some((first, last, days))
}

fn figure(metric: &'static Metric, companion: Option<(&str, &str)>, history: &History, span: &Span) -> Figure {
    let today = history.on(metric, span.date);
    let spark = history.series(metric, back(span.date, 28), span.date);
    let before = days_before(history, span.date);
    let mean = before.map(|(first, last, _)| history.reading(metric, first, last)).unwrap_or_default();
    let (tone, remark) = tone(metric, today.value, &spark[..spark.len() - 1]);

    let mut comparisons = Vec::new();
    if back(span.date, 1) >= history.begins {
        comparisons.push(compare(
            "Day before".to_owned(),
            metric,
            today,
            history.on(metric, back(span.date, 1)),
            false,
        ));
    }
    if let Some((_, _, days)) = before {
        comparisons.push(compare(format!("{days}-day mean"), metric, today, mean, true));
    }
    if span.last_year >= history.begins && history.knows(span.last_year) {
        let label = format::short_date(span.last_year);
        comparisons.push(compare(label, metric, today, history.on(metric, span.last_year), false));
    }

    Figure {
        name: metric.name,
        label: metric.label,
        value: today.value,
        text: format::figure(today.value, metric.unit),
        out_of: out_of(metric, today, companion, history, span.date),
        comparisons,
        tone,
        remark,
        description: metric.description,
        sql: metric.formula.statement(span.date, span.date),
        spark,
        mean: mean.value,
    }
}

fn out_of(
    metric: &Metric,
    today: Reading,
    companion: Option<(&str, &str)>,
    history: &History,
    date: NaiveDate,
) -> String {
    if let Some(base) = today.base {
        return format!("{} {}", format::decimal(base, 0), metric.base);
    }
    let Some((name, word)) = companion else {
        return String::new();
    };
    let total = entrega_model::metrics::metric(name).and_then(|metric| history.on(metric, date).value).unwrap_or(0.0);
    if total <= 0.0 {
        return format!("of 0 {word}");
    }
    let share = format::percent(today.value.unwrap_or(0.0) / total);
    format!("{share} of {} {word}", format::decimal(total, 0))
}

fn compare(label: String, metric: &Metric, now: Reading, then: Reading, is_mean: bool) -> Comparison {
    let mut out_of = String::new();
    let text = if is_mean { format::mean(then.value, metric.unit) } else { format::figure(then.value, metric.unit) };
    if let (Some(base), Some(_)) = (then.base, then.value) {
        out_of = format!("of {}", format::decimal(base, 0));
    }
    let change = match (now.value, then.value) {
        (Some(now), Some(then)) => format::change(now, then, metric.unit),
        _ => String::new(),
    };
    Comparison { label, text, out_of, change }
}

/// Whether the day lies outside the middle 80 % of the days before it, and which kind of news that is.
fn tone(metric: &Metric, today: Option<f64>, before: &[Option<f64>]) -> (&'static str, String) {
    let Some((low, high)) = usual_range(before) else {
        return ("", String::new());
    };
    let Some(today) = today.filter(|today| *today < low || *today > high) else {
        return ("", String::new());
    };
    let tone = match (metric.good, today > high) {
        (Good::Up, true) | (Good::Down, false) => "better",
        (Good::Up, false) | (Good::Down, true) => "worse",
        (Good::Neither, _) => "different",
    };
    (tone, format!("unusually {}", if today > high { "high" } else { "low" }))
}

/// The middle 80 % of some days, by nearest rank; `None` for fewer than ten.
pub(super) fn usual_range(days: &[Option<f64>]) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = days.iter().flatten().copied().collect();
    if values.len() < 10 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 10;
    Some((values[cut], values[values.len() - 1 - cut]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_range_is_the_middle_of_the_days() {
        let days: Vec<_> = (1..=20).map(|day| Some(f64::from(day))).collect();
        assert_eq!(usual_range(&days), Some((3.0, 18.0)));
        assert_eq!(usual_range(&days[..9]), None);
    }

    #[test]
    fn only_what_is_unusual_is_news() {
        let days: Vec<_> = (0..28).map(|day| Some(0.90 + f64::from(day) / 1000.0)).collect();
        let on_time = metric("on_time_rate").unwrap();
        assert_eq!(tone(on_time, Some(0.91), &days), ("", String::new()));
        assert_eq!(tone(on_time, Some(0.80), &days), ("worse", "unusually low".to_owned()));
        assert_eq!(tone(metric("late_deliveries").unwrap(), Some(5.0), &days), ("worse", "unusually high".to_owned()));
        assert_eq!(tone(metric("deliveries").unwrap(), Some(5.0), &days).0, "different");
    }

    #[test]
    fn a_comparison_names_the_number_behind_a_rate() {
        let on_time = metric("on_time_rate").unwrap();
        let now = Reading { value: Some(0.912), base: Some(318.0) };
        let then = Reading { value: Some(0.926), base: Some(9_000.0) };
        let comparison = compare("28-day mean".to_owned(), on_time, now, then, true);
        assert_eq!((comparison.text.as_str(), comparison.out_of.as_str()), ("92.6\u{202f}%", "of 9,000"));
        assert_eq!(comparison.change, "\u{2212}1.4\u{202f}pts");
    }
}
