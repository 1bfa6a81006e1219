//! Drift: how differently a feature is distributed in two parts, as the population stability index.
//!
//! `PSI = Σ (test share − train share) · ln(test share / train share)` over ten bins of equal frequency in the training
//! rows (a category's bins are its levels), missing values being a bin of their own. By a common rule of thumb, below 0.1
//! little has changed, above 0.25 much (Siddiqi, *Credit Risk Scorecards*, 2006).

use std::collections::BTreeMap;

use arrow::{
    array::{Array as _, ArrayRef},
    error::ArrowError,
};

use super::{
    prepare::{is_text, numbers, texts},
    share,
};

/// Bins of a number.
const BINS: usize = 10;

/// The smallest share that a bin counts with, so that an empty one does not weigh infinitely.
const LEAST: f64 = 1e-4;

/// The population stability index of a feature between training and test rows.
pub(super) fn psi(train: &ArrayRef, test: &ArrayRef) -> Result<f64, ArrowError> {
    let (train, test) = if is_text(train.data_type()) {
        (counts(texts(train)?), counts(texts(test)?))
    } else {
        let (train, test) = (numbers(train)?, numbers(test)?);
        let mut known: Vec<f64> = train.iter().flatten().filter(|value| value.is_finite()).collect();
        known.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..BINS).filter_map(|bin| known.get(bin * known.len() / BINS).copied()).collect();
        edges.dedup();
        let bin = |value: Option<f64>| {
            value.filter(|value| value.is_finite()).map(|value| edges.partition_point(|edge| *edge <= value))
        };
        (counts(train.iter().map(bin)), counts(test.iter().map(bin)))
    };
    let total = |counts: &BTreeMap<_, usize>| counts.values().sum::<usize>();
    Ok(index(&train, total(&train), &test, total(&test)))
}

type Counted = BTreeMap<Option<String>, usize>;

fn counts<T: ToString>(values: impl IntoIterator<Item = Option<T>>) -> Counted {
    let mut counts = Counted::new();
    for value in values {
        *counts.entry(value.map(|value| value.to_string())).or_default() += 1;
    }
    counts
}

fn index(train: &Counted, train_rows: usize, test: &Counted, test_rows: usize) -> f64 {
    let bins: std::collections::BTreeSet<_> = train.keys().chain(test.keys()).collect();
    let of = |counts: &Counted, rows, bin| share(counts.get(bin).copied().unwrap_or(0), rows).max(LEAST);
    bins.into_iter()
        .map(|bin| {
            let (before, after) = (of(train, train_rows, bin), of(test, test_rows, bin));
            (after - before) * (after / before).ln()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};

    use super::*;

    fn values(values: impl IntoIterator<Item = f64>) -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(values))
    }

    #[test]
    fn the_same_rows_do_not_drift() {
        let rows = values((0..1000).map(f64::from));
        assert!(psi(&rows, &rows).unwrap().abs() < 1e-12);
    }

    #[test]
    fn a_shift_by_half_the_range_drifts_much() {
        let (before, after) = (values((0..1000).map(f64::from)), values((500..1500).map(f64::from)));
        assert!(psi(&before, &after).unwrap() > 1.0);
    }

    #[test]
    fn two_bins_give_what_the_formula_says() {
        let text = |levels: [(&str, usize); 2]| -> ArrayRef {
            let values: Vec<&str> = levels.iter().flat_map(|(level, n)| std::iter::repeat_n(*level, *n)).collect();
            Arc::new(StringArray::from(values))
        };
        let found = psi(&text([("a", 80), ("b", 20)]), &text([("a", 60), ("b", 40)])).unwrap();
        let expected = (0.6f64 - 0.8) * (0.6f64 / 0.8).ln() + (0.4f64 - 0.2) * (0.4f64 / 0.2).ln();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn values_that_go_missing_are_a_drift() {
        let gone: ArrayRef = Arc::new(Float64Array::from(vec![None; 100]));
        assert!(psi(&values((0..100).map(f64::from)), &gone).unwrap() > 5.0);
    }
}
