//! Two answers to one question, held against each other: in words, as a distance, and as a chart.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Bin, figure},
    measures::{largest_gap, quantile, rate_distance, total_variation},
    questions::{Axis, Kind, Question, Scale, Unit},
};
use crate::format::{decimal, signed};

/// Up to here nobody sees a difference without counting.
const ALIKE: f64 = 0.05;
/// Up to here one sees it when both are drawn over each other.
const CLOSE: f64 = 0.1;
/// Steps of a drawn distribution: fine enough for its shape, coarse enough for a small chart.
const STEPS: usize = 44;
/// The part of a distribution that is drawn; the rest are single cases.
const DRAWN: [f64; 2] = [0.005, 0.985];
/// A table with so few parts is told by its first ones, a longer one by its mean.
const FEW: usize = 12;

/// What both shops say to a question.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The question's name.
    pub name: &'static str,
    /// The question in words.
    pub label: &'static str,
    /// What is counted or measured.
    pub of: &'static str,
    /// The real shop's answer.
    pub real: String,
    /// The simulated one's.
    pub simulated: String,
    /// Between 0 and 1 (2 for correlations of opposite signs); `None` where one has no answer.
    pub distance: Option<f64>,
    /// The distance as written.
    pub distance_text: String,
    /// The distance in a word.
    pub verdict: Verdict,
    /// What the chart is drawn from.
    #[serde(skip)]
    pub(super) chart: Value,
}

/// How far apart two answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nobody sees a difference without counting.
    Alike,
    /// One sees it when both are drawn over each other.
    Close,
    /// One sees it in either alone, if one knows the other.
    Apart,
    /// One of them has no answer.
    Unknown,
}

impl Verdict {
    fn of(distance: Option<f64>) -> Self {
        match distance {
            None => Self::Unknown,
            Some(distance) if distance <= ALIKE => Self::Alike,
            Some(distance) if distance <= CLOSE => Self::Close,
            Some(_) => Self::Apart,
        }
    }

    /// The verdict as a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alike => "alike",
            Self::Close => "close",
            Self::Apart => "apart",
            Self::Unknown => "unknown",
        }
    }
}

impl Finding {
    /// Holds the answers against each other.
    pub(super) fn new(question: &Question, real: &Answer, simulated: &Answer) -> Self {
        let (distance, chart) = match (question.kind, real, simulated) {
            (Kind::Numbers { unit, scale }, Answer::Numbers(real), Answer::Numbers(simulated)) => {
                (largest_gap(real, simulated), density(real, simulated, unit, scale))
            }
            (Kind::Shares { axis }, Answer::Bins(real), Answer::Bins(simulated)) => {
                let pairs = together(real, simulated);
                let share = |measured: Option<(f64, f64)>| measured.map_or(0.0, |(share, _)| share);
                let known = !real.is_empty() && !simulated.is_empty();
                let distance = known.then(|| total_variation(pairs.iter().map(|pair| (share(pair.1), share(pair.2)))));
                (distance, binned(pairs, axis, Unit::Share, true))
            }
            (Kind::Rates { axis, unit }, Answer::Bins(real), Answer::Bins(simulated)) => {
                let pairs = together(real, simulated);
                let total = |of: &Bins| of.values().map(|(_, weight)| weight).sum::<f64>();
                let (real_total, simulated_total) = (total(real), total(simulated));
                let distance = rate_distance(pairs.iter().filter_map(|(_, real, simulated)| {
                    let ((real, real_weight), (simulated, weight)) = ((*real)?, (*simulated)?);
                    Some((real, simulated, real_weight / real_total + weight / simulated_total))
                }));
                (distance, binned(pairs, axis, unit, false))
            }
            (_, Answer::Relation(real), Answer::Relation(simulated)) => {
                let distance = real.zip(*simulated).map(|(real, simulated)| (real - simulated).abs());
                (distance, json!({ "real": real, "simulated": simulated }))
            }
            _ => (None, Value::Null),
        };
        Self {
            name: question.name,
            label: question.label,
            of: question.of,
            real: words(question.kind, real, real),
            simulated: words(question.kind, simulated, real),
            distance,
            distance_text: distance_text(distance),
            verdict: Verdict::of(distance),
            chart,
        }
    }
}

/// What is measured in each bin, and what it weighs.
type Bins = BTreeMap<Bin, (f64, f64)>;
/// A bin, and what is measured in it on both sides.
type Pair = (Bin, Option<(f64, f64)>, Option<(f64, f64)>);

fn together(real: &Bins, simulated: &Bins) -> Vec<Pair> {
    let mut bins: Vec<&Bin> = real.keys().chain(simulated.keys()).collect();
    bins.sort_unstable();
    bins.dedup();
    bins.into_iter().map(|bin| (bin.clone(), real.get(bin).copied(), simulated.get(bin).copied())).collect()
}

/// An answer in words; of bins those that are largest in the real shop, so that both tell of the same.
fn words(kind: Kind, answer: &Answer, real: &Answer) -> String {
    match (kind, answer) {
        (Kind::Numbers { unit, .. }, Answer::Numbers(values)) => {
            let at = |probability| quantile(values, probability).map(|value| figure(value, unit));
            let quantiles = at(0.5).zip(at(0.05)).zip(at(0.95));
            quantiles.map_or_else(nothing, |((middle, low), high)| format!("{middle} ({low} to {high})"))
        }
        (Kind::Shares { axis }, Answer::Bins(bins)) => first_bins(bins, real, axis, Unit::Share),
        (Kind::Rates { axis, unit }, Answer::Bins(bins)) if bins.len() <= FEW || matches!(axis, Axis::Names(_)) => {
            first_bins(bins, real, axis, unit)
        }
        (Kind::Rates { unit, .. }, Answer::Bins(bins)) => {
            let weights: f64 = bins.values().map(|(_, weight)| weight).sum();
            let mean = bins.values().map(|(value, weight)| value * weight).sum::<f64>() / weights;
            let bounds =
                bins.values().fold((f64::MAX, f64::MIN), |(low, high), (value, _)| (low.min(*value), high.max(*value)));
            format!("{} ({} to {})", figure(mean, unit), figure(bounds.0, unit), figure(bounds.1, unit))
        }
        (_, Answer::Relation(Some(correlation))) => signed(*correlation, 2),
        _ => nothing(),
    }
}

fn nothing() -> String {
    "–".to_owned()
}

fn first_bins(bins: &Bins, real: &Answer, axis: Axis, unit: Unit) -> String {
    let Answer::Bins(real) = real else { return nothing() };
    if bins.is_empty() {
        return nothing();
    }
    let mut order: Vec<_> = real.iter().collect();
    order.sort_by(|one, other| heavier(axis, *one.1, *other.1));
    let text = |bin: &Bin| {
        let value = bins.get(bin).map(|(value, _)| *value).or((unit == Unit::Share).then_some(0.0));
        format!("{}: {}", bin.text(axis), value.map_or_else(nothing, |value| figure(value, unit)))
    };
    order.into_iter().take(2).map(|(bin, _)| text(bin)).collect::<Vec<_>>().join(", ")
}

/// The order of bins: the heaviest first. Names of the same weight go by value, steps stay in a row.
fn heavier(axis: Axis, one: (f64, f64), other: (f64, f64)) -> std::cmp::Ordering {
    let by_value = if matches!(axis, Axis::Names(_)) { other.0.total_cmp(&one.0) } else { std::cmp::Ordering::Equal };
    other.1.total_cmp(&one.1).then(by_value)
}

/// Two distributions over the same steps.
fn density(real: &[f64], simulated: &[f64], unit: Unit, scale: Scale) -> Value {
    let ends = |probability| [quantile(real, probability), quantile(simulated, probability)].into_iter().flatten();
    let low = ends(DRAWN[0]).fold(f64::MAX, f64::min);
    let high = ends(DRAWN[1]).fold(f64::MIN, f64::max);
    // Logarithms need something above zero; what is smaller stands at the left edge.
    let low = if scale == Scale::Log { low.max(high.max(1e-9) * 1e-5) } else { low };
    let place = |value: f64| if scale == Scale::Log { value.max(low).ln() } else { value };
    let mut width = (place(high) - place(low)) / STEPS as f64;
    let whole = scale == Scale::Linear && real.iter().chain(simulated).all(|value| value.fract() == 0.0);
    if whole {
        // Steps of whole days, or some would hold more days than others.
        width = width.ceil();
    }
    if !width.is_finite() || width <= 0.0 {
        return json!({ "form": "density", "unit": name(unit), "scale": scale_name(scale), "x": [], "real": [], "simulated": [] });
    }
    let first = place(low) - if whole { 0.5 } else { 0.0 };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A step.
    let step = |value: f64| ((place(value) - first) / width).floor() as usize;
    let count = STEPS + 1;
    let shares = |values: &[f64]| {
        let mut counts = vec![0.0; count];
        for value in values.iter().filter(|value| **value >= low && **value <= high) {
            counts[step(*value).min(count - 1)] += 1.0 / values.len() as f64;
        }
        counts
    };
    let (mut real, mut simulated) = (shares(real), shares(simulated));
    let used = count - real.iter().zip(&simulated).rev().take_while(|(one, other)| **one + **other == 0.0).count();
    real.truncate(used);
    simulated.truncate(used);
    let middle = |step: usize| first + width * (step as f64 + 0.5);
    let x: Vec<f64> =
        (0..used).map(middle).map(|place| if scale == Scale::Log { place.exp() } else { place }).collect();
    json!({ "form": "density", "unit": name(unit), "scale": scale_name(scale), "x": x, "real": real, "simulated": simulated })
}

/// Both sides by bin. Parts of a whole that are not there are zero; what was not measured is nothing.
fn binned(mut pairs: Vec<Pair>, axis: Axis, unit: Unit, whole: bool) -> Value {
    let value = |measured: Option<(f64, f64)>| measured.map(|(value, _)| value).or(whole.then_some(0.0));
    let (form, label) = match axis {
        Axis::Days | Axis::Months => ("time", ""),
        Axis::HourOfWeek => ("week", ""),
        Axis::Steps(label) => ("steps", label),
        Axis::Names(most) => {
            pairs.sort_by(|one, other| heavier(axis, one.1.unwrap_or_default(), other.1.unwrap_or_default()));
            pairs.truncate(most);
            ("names", "")
        }
    };
    let x: Vec<Value> = pairs.iter().map(|(bin, ..)| bin.json()).collect();
    let real: Vec<_> = pairs.iter().map(|pair| value(pair.1)).collect();
    let simulated: Vec<_> = pairs.iter().map(|pair| value(pair.2)).collect();
    json!({ "form": form, "label": label, "unit": name(unit), "x": x, "real": real, "simulated": simulated })
}

/// A distance as written.
fn distance_text(distance: Option<f64>) -> String {
    distance.map_or_else(nothing, |distance| decimal(distance, 3))
}

fn scale_name(scale: Scale) -> &'static str {
    match scale {
        Scale::Linear => "linear",
        Scale::Log => "log",
    }
}

fn name(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Share => "share",
        Unit::Reais => "reais",
        Unit::Kilometres => "km",
        Unit::Grams => "g",
        Unit::Litres => "litres",
        Unit::Hours => "hours",
        Unit::Days => "days",
        Unit::Stars => "stars",
        Unit::Letters => "letters",
    }
}
