//! Chance that does not depend on order: what happens to order 17 is drawn from the seed and the number 17 alone.
//!
//! So any number of workers makes the same shop, and any order can be made again where it is needed instead of being
//! kept. Each kind of thing has a stream of its own for each number.

use std::sync::LazyLock;

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal, weighted::WeightedAliasIndex};
use rand_pcg::Pcg64Mcg;

use super::parameters::Quantiles;
use crate::SourceError;

/// What is drawn; each kind has streams of its own.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Kind {
    Day = 1,
    Seller,
    Product,
    Prefix,
    Arrival,
    Buyer,
    Basket,
    Life,
    Review,
    Point,
    Network,
    ToldLate,
    RowFault,
    FaultBlock,
    FaultCycle,
    WholeFault,
    // Names: never drawn from, only hashed.
    OrderId = 100,
    CustomerId,
    PersonId,
    ProductId,
    SellerId,
    ReviewId,
}

/// A stream of draws.
pub(crate) struct Chance(Pcg64Mcg);

impl Chance {
    /// The stream of one thing.
    pub fn of(seed: u64, kind: Kind, number: u64) -> Self {
        let [low, high] = mixed(seed, kind, number);
        Self(Pcg64Mcg::from_seed(((u128::from(high) << 64) | u128::from(low)).to_le_bytes()))
    }

    /// Between 0 and 1, without 1.
    pub fn share(&mut self) -> f64 {
        self.0.random()
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// One of `0..count`.
    pub fn below(&mut self, count: u64) -> u64 {
        (self.share() * count as f64) as u64
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// A value of a table of quantiles.
    pub fn of_table(&mut self, table: &Quantiles) -> f64 {
        let probability = self.share();
        table.at(probability)
    }

    /// A place of a choice.
    pub fn pick(&mut self, choice: &Choice) -> usize {
        choice.0.sample(&mut self.0)
    }

    /// One of a few.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// Brings things into any order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// A place by shares that add up to one; for few places.
    pub fn by_share(&mut self, shares: &[f64]) -> usize {
        self.by_shares_or_none(shares).unwrap_or(shares.len() - 1)
    }

    /// A place by shares that may leave something over, or none of them.
    pub fn by_shares_or_none(&mut self, shares: &[f64]) -> Option<usize> {
        let mut left = self.share();
        shares.iter().position(|share| {
            left -= share;
            left < 0.0
        })
    }
}

/// A choice between many places by weight, in constant time.
pub(crate) struct Choice(WeightedAliasIndex<f64>);

impl Choice {
    /// From weights of at least zero, not all of them zero.
    ///
    /// # Errors
    /// When the weights are none of that.
    pub fn new(weights: Vec<f64>) -> Result<Self, SourceError> {
        WeightedAliasIndex::new(weights)
            .map(Self)
            .map_err(|error| SourceError::Parameters { problem: format!("weights to choose by: {error}") })
    }
}

/// The standard normal distribution function, from a table: five draws of each order need it.
pub(crate) fn probability_below(value: f64) -> f64 {
    const STEPS: f64 = 512.0;
    const ENDS: f64 = 6.0;
    static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let value = |place: u32| f64::from(place) / STEPS - ENDS;
        (0..=(2.0 * ENDS * STEPS) as u32 + 1)
            .map(|place| 0.5 * libm::erfc(-value(place) / std::f64::consts::SQRT_2))
            .collect()
    });
    let place = (value.clamp(-ENDS, ENDS) + ENDS) * STEPS;
    let below = place as usize;
    TABLE[below] + (TABLE[below + 1] - TABLE[below]) * (place - below as f64)
}

/// Something standard normal that is correlated with something else.
pub(crate) fn both(correlation: f64, one: f64, other: f64) -> f64 {
    correlation * one + (1.0 - correlation * correlation).sqrt() * other
}

/// 128 well mixed bits of a seed, a kind and a number (the finalizer of `SplitMix64`, twice).
pub(crate) fn mixed(seed: u64, kind: Kind, number: u64) -> [u64; 2] {
    let start = seed
        .wrapping_add((kind as u64).wrapping_mul(0xd6e8_feb8_6659_fd93))
        .wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let first = finalized(start ^ 0x6a09_e667_f3bc_c908);
    [first, finalized(start.wrapping_add(first).wrapping_add(0xbb67_ae85_84ca_a73b))]
}

fn finalized(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_kind_and_number_alone() {
        let draw = |seed, kind, number| Chance::of(seed, kind, number).share();
        assert!((draw(1, Kind::Life, 17) - draw(1, Kind::Life, 17)).abs() < 1e-15);
        let others = [draw(2, Kind::Life, 17), draw(1, Kind::Review, 17), draw(1, Kind::Life, 18)];
        assert!(others.iter().all(|other| (other - draw(1, Kind::Life, 17)).abs() > 1e-9));
    }

    #[test]
    fn shares_are_even_over_neighbouring_numbers() {
        let mean = (0..10_000).map(|number| Chance::of(3, Kind::Basket, number).share()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    #[test]
    fn the_normal_distribution_function() {
        assert!((probability_below(0.0) - 0.5).abs() < 1e-12);
        assert!(probability_below(-40.0) < 1e-8 && probability_below(40.0) > 1.0 - 1e-8);
        assert!((probability_below(1.959_964) - 0.975).abs() < 1e-6);
    }
}
