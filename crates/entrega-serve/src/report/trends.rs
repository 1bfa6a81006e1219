//! What the charts are drawn from: the last 90 days, the sparklines and the tile map.

use chrono::{NaiveDate, TimeDelta};
use entrega_model::metrics::{Formula, Unit, metric};
use serde_json::{Value, json};

use super::{
    breakdown::{Breakdown, Group},
    figures::{Figure, usual_range},
    history::{History, Span, back},
    page::Trend,
};
use crate::format;

/// The length of a trend, in days.
const DAYS: i64 = 90;

/// A chart: its id, its title, and the metrics that are its lines.
struct Chart {
    id: &'static str,
    title: &'static str,
    metrics: &'static [(&'static str, &'static str)],
}

const CHARTS: [Chart; 6] = [
    Chart { id: "late", title: "Late rate", metrics: &[("late_rate", "Late")] },
    Chart { id: "missed", title: "Missed hand-over share", metrics: &[("missed_handover_share", "Missed")] },
    Chart {
        id: "days",
        title: "Delivery time",
        metrics: &[("mean_delivery_days", "Mean"), ("p90_delivery_days", "9 of 10 within")],
    },
    Chart {
        id: "volume",
        title: "Orders and deliveries",
        metrics: &[("orders", "Orders"), ("deliveries", "Deliveries")],
    },
    Chart {
        id: "open",
        title: "Open and overdue orders",
        metrics: &[("open_orders", "Open"), ("overdue_orders", "Overdue")],
    },
    Chart { id: "reviews", title: "Review score", metrics: &[("review_score", "Score")] },
];

/// The captions of the charts.
pub(super) fn trends(history: &History, span: &Span) -> Vec<Trend> {
    CHARTS
        .iter()
        .map(|chart| {
            let then = back(span.date, DAYS - 7);
            let now = week(chart, history, span.date);
            let note = if then >= history.begins {
                format!("Last 7 days: {now}. First 7: {}.", week(chart, history, then))
            } else {
                format!("Last 7 days: {now}.")
            };
            let description = format!("{} over the {DAYS} days to {}.", chart.title, format::short_date(span.date));
            Trend { id: chart.id, title: chart.title, note, description }
        })
        .collect()
}

/// The lines of a chart over the 7 days to `last`, in words: `mean 8.9 d, 9 of 10 within 15.7 d (1,966 deliveries)`.
fn week(chart: &Chart, history: &History, last: NaiveDate) -> String {
    let metrics = chart.metrics.iter().filter_map(|(name, label)| Some((metric(name)?, label)));
    let mut base = String::new();
    let lines: Vec<_> = metrics
        .map(|(metric, label)| {
            let reading = history.reading(metric, back(last, 6), last);
            if let Some(cases) = reading.base {
                base = format!(" of {} {}", format::decimal(cases, 0), metric.base);
            }
            let text = format::mean(reading.value, metric.unit);
            if chart.metrics.len() > 1 { format!("{} {text}", label.to_lowercase()) } else { text }
        })
        .collect();
    format!("{}{base}", lines.join(", "))
}

/// All data of all charts.
pub(super) fn chart_data(history: &History, span: &Span, figures: &[Figure], states: &Breakdown) -> Value {
    let first = back(span.date, DAYS - 1);
    let days: Vec<_> = (0..DAYS).map(|day| first + TimeDelta::days(day)).collect();
    let charts: Vec<_> = CHARTS
        .iter()
        .map(|chart| {
            let metrics = chart.metrics.iter().filter_map(|(name, label)| Some((metric(name)?, label)));
            let lines: Vec<_> = metrics
                .map(|(metric, label)| {
                    let week = if matches!(metric.formula, Formula::Standing(_)) { 0 } else { 6 };
                    let weeks: Vec<_> =
                        days.iter().map(|day| history.reading(metric, back(*day, week), *day).value).collect();
                    let base: Vec<_> = days.iter().map(|day| history.reading(metric, *day, *day).base).collect();
                    json!({
                        "label": label,
                        "unit": unit(metric.unit),
                        "base": metric.base,
                        "day": rounded(&history.series(metric, first, span.date)),
                        "n": base,
                        "week": rounded(&weeks),
                    })
                })
                .collect();
            json!({ "id": chart.id, "lines": lines })
        })
        .collect();
    let sparks: serde_json::Map<_, _> = figures
        .iter()
        .map(|figure| {
            let range = usual_range(&figure.spark[..figure.spark.len() - 1]);
            let spark = json!({
                "days": rounded(&figure.spark),
                "low": range.map(|(low, _)| low),
                "high": range.map(|(_, high)| high),
                "tone": figure.tone,
            });
            (figure.name.to_owned(), spark)
        })
        .collect();
    json!({
        "first": first.to_string(),
        "last": span.date.to_string(),
        "charts": charts,
        "sparks": sparks,
        "tiles": tiles(states),
        "rate": states.rate,
    })
}

fn tiles(states: &Breakdown) -> Vec<Value> {
    format::STATES
        .iter()
        .map(|(code, name, column, row)| {
            let group = states.groups.iter().find(|group| group.keys[0] == *code);
            let (delivered, late) = group.map_or((0.0, 0.0), |group| (group.delivered(), group.late()));
            json!({
                "code": code,
                "name": name,
                "column": column,
                "row": row,
                "delivered": delivered,
                "late": late,
                "above": group.map(|group| (Group::contribution(group, states.rate) * 10.0).round() / 10.0),
            })
        })
        .collect()
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Reais => "reais",
        Unit::Share => "share",
        Unit::Days => "days",
        Unit::Score => "score",
    }
}

/// Four significant decimals are enough for a line, and keep the page small.
fn rounded(values: &[Option<f64>]) -> Vec<Option<f64>> {
    values.iter().map(|value| value.map(|value| (value * 10_000.0).round() / 10_000.0)).collect()
}
