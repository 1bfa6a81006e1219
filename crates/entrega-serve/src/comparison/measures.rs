//! How far two answers are from each other. Every distance is between 0 and 1, and reads as the share of the cases that
//! would have to be others for the two to be alike.

/// The value below which a share `probability` of the sorted values lies, interpolated; `None` without values.
pub(super) fn quantile(sorted: &[f64], probability: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = probability * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A place in the list.
    let below = place.floor() as usize;
    let above = sorted[(below + 1).min(last)];
    Some(sorted[below] + (above - sorted[below]) * place.fract())
}

/// The largest difference between two distribution functions (Kolmogorov and Smirnov), of sorted values.
pub(super) fn largest_gap(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let (mut here, mut there, mut gap) = (0, 0, 0.0_f64);
    while here < one.len() && there < other.len() {
        let value = one[here].min(other[there]);
        while one.get(here).is_some_and(|next| *next <= value) {
            here += 1;
        }
        while other.get(there).is_some_and(|next| *next <= value) {
            there += 1;
        }
        gap = gap.max((here as f64 / one.len() as f64 - there as f64 / other.len() as f64).abs());
    }
    Some(gap)
}

/// Half the sum of the differences between two divisions of a whole (total variation).
pub(super) fn total_variation(shares: impl Iterator<Item = (f64, f64)>) -> f64 {
    shares.map(|(one, other)| (one - other).abs()).sum::<f64>() / 2.0
}

/// The differences between two rates in the same parts, out of their sum; each part counts by its weight. `None` where
/// both are zero everywhere.
pub(super) fn rate_distance(rates: impl Iterator<Item = (f64, f64, f64)>) -> Option<f64> {
    let (apart, all) = rates.fold((0.0, 0.0), |(apart, all), (one, other, weight)| {
        (apart + weight * (one - other).abs(), all + weight * (one + other))
    });
    (all > 0.0).then(|| apart / all)
}

/// Spearman's rank correlation; equal values share the middle of their ranks. `None` for fewer than three pairs, or where
/// one side never changes.
pub(super) fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let of = |pick: fn(&(f64, f64)) -> f64| ranks(&pairs.iter().map(pick).collect::<Vec<_>>());
    let (xs, ys) = (of(|pair| pair.0), of(|pair| pair.1));
    let middle = (pairs.len() - 1) as f64 / 2.0;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(&ys) {
        let (x, y) = (x - middle, y - middle);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equals in order.chunk_by(|one, other| values[*one].total_cmp(&values[*other]).is_eq()) {
        let middle = first as f64 + (equals.len() - 1) as f64 / 2.0;
        for place in equals {
            ranks[*place] = middle;
        }
        first += equals.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: Option<f64>, wanted: f64) -> bool {
        value.is_some_and(|value| (value - wanted).abs() < 1e-9)
    }

    #[test]
    fn the_gap_between_distributions() {
        assert!(near(largest_gap(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]), 0.0));
        assert!(near(largest_gap(&[1.0, 2.0], &[3.0, 4.0]), 1.0));
        assert!(near(largest_gap(&[1.0, 1.0, 1.0, 2.0], &[1.0, 2.0]), 0.25), "equal values are passed together");
        assert!(near(largest_gap(&[1.0, 2.0], &[1.0, 1.0, 2.0, 2.0]), 0.0), "however many there are");
        assert_eq!(largest_gap(&[], &[1.0]), None);
    }

    #[test]
    fn distances_are_shares() {
        assert!((total_variation([(0.5, 0.4), (0.5, 0.6)].into_iter()) - 0.1).abs() < 1e-9);
        assert!((total_variation([(1.0, 0.0), (0.0, 1.0)].into_iter()) - 1.0).abs() < 1e-9);
        assert!(near(rate_distance([(0.1, 0.3, 1.0), (0.2, 0.2, 3.0)].into_iter()), 0.2 / 1.6));
        assert_eq!(rate_distance([(0.0, 0.0, 1.0)].into_iter()), None);
    }

    #[test]
    fn correlation_is_of_ranks() {
        let curved: Vec<(f64, f64)> = (0..9).map(|x| (f64::from(x), f64::from(x).exp())).collect();
        assert!(near(rank_correlation(&curved), 1.0));
        let against: Vec<_> = curved.iter().map(|(x, y)| (*x, -y)).collect();
        assert!(near(rank_correlation(&against), -1.0));
        let ties = [(1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0)];
        assert!(near(rank_correlation(&ties), 0.0));
        assert_eq!(rank_correlation(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert!(near(quantile(&[1.0, 2.0, 3.0], 0.5), 2.0));
        assert!(near(quantile(&[1.0, 3.0], 0.25), 1.5));
        assert!(near(quantile(&[7.0], 0.95), 7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
