//! When orders are bought, and how busy the network then is.
//!
//! Both are worked out for all days before the first order is made. A number of orders and the days on which they are
//! bought only say how large the shop is: what is bought later follows from the same days' weights, so a shop goes on
//! for as long as it is watched, and its days are the same however many of them are asked for. The network's state wanders from day to day, leans on
//! how much more than usual is to be carried, and now and then is hit by a disturbance (a strike, floods) that builds up
//! over days and clears over weeks, as in February and March 2018.

use chrono::{Datelike as _, Days, NaiveDate};

use super::{
    chance::{Chance, Choice, Kind},
    parameters::Shop,
};
use crate::SourceError;

/// Days after the last one with orders for which the network has a state: nothing is under way for longer.
const AFTERWARDS: u32 = 400;

/// Disturbances in a year, on average. Chosen, as are the three below: one real year with two of them is too little to fit.
const DISTURBANCES: f64 = 1.6;

/// The part of the days' spread that is everyday wandering; disturbances and load make the rest.
const WANDERING: f64 = 0.5;

/// How much a week above the usual load prolongs carriage beyond what was fitted: real carriers grew with the shop.
const CROWDING: f64 = 0.12;

/// How much of what has piled up is felt.
const PRESSURE: f64 = 2.0;

/// Seconds of a day.
pub(crate) const DAY: u32 = 86_400;

/// How large the shop is: so many orders in so many days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub first_day: NaiveDate,
    pub days: u32,
    pub orders: u64,
}

/// All days of a simulation.
pub(crate) struct Demand {
    pub first_day: NaiveDate,
    /// Days that the shop was simulated for at once; it may go on after them.
    pub round: u32,
    /// The number of the first order of each day, and at the end the number of orders.
    starts: Vec<u64>,
    hours: Vec<Choice>,
    /// By day: how much longer than usual carriage takes, as a logarithm.
    network: Vec<f64>,
    seed: u64,
}

impl Demand {
    /// Spreads orders over days, and goes on in the same way until `days` are full.
    ///
    /// # Errors
    /// When the parameters make no sense.
    pub fn new(shop: &Shop, seed: u64, size: Size, days: u32) -> Result<Self, SourceError> {
        let Size { first_day, days: fixed, orders } = size;
        // The network leans on what is bought, also for parcels that leave after the last day.
        let weights: Vec<f64> =
            (0..days.max(fixed) + AFTERWARDS).map(|day| weight(shop, seed, first_day, day)).collect();
        let total: f64 = weights[..fixed as usize].iter().sum();
        let mut starts = vec![0];
        let mut reached = 0.0;
        for weight in &weights[..days as usize] {
            reached += weight;
            starts.push((orders as f64 * reached / total).round() as u64);
        }
        if let Some(last) = starts.get_mut(fixed as usize) {
            *last = orders;
        }
        let hours = shop.demand.hour_share_monday_first.iter().cloned().map(Choice::new).collect::<Result<_, _>>()?;
        let network = network(shop, seed, &weights);
        Ok(Self { first_day, round: fixed, starts, hours, network, seed })
    }

    /// The numbers of the orders of a day.
    pub fn orders(&self, day: u32) -> std::ops::Range<u64> {
        self.starts[day as usize]..self.starts[day as usize + 1]
    }

    /// How many days there are.
    pub fn days(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    /// The share of the first round's orders that is bought from one of its days on and before another.
    pub fn share_between(&self, from: u32, before: u32) -> f64 {
        let total = self.starts[self.round as usize].max(1);
        (self.starts[before as usize] - self.starts[from as usize]) as f64 / total as f64
    }

    /// The day on which an order is bought.
    pub fn day_of(&self, order: u64) -> u32 {
        self.starts.partition_point(|start| *start <= order) as u32 - 1
    }

    /// When an order is bought: seconds since the first day.
    pub fn moment(&self, order: u64) -> u32 {
        let day = self.day_of(order);
        let mut chance = Chance::of(self.seed, Kind::Arrival, order);
        let weekday = (self.first_day.weekday().num_days_from_monday() + day) % 7;
        let hour = chance.pick(&self.hours[weekday as usize]) as u32;
        day * DAY + hour * 3_600 + chance.below(3_600) as u32
    }

    /// How much longer than usual carriage takes that begins on a day, as a logarithm.
    pub fn network(&self, day: u32) -> f64 {
        self.network.get(day as usize).or(self.network.last()).copied().unwrap_or_default()
    }
}

/// How many orders a day draws, relative to others.
fn weight(shop: &Shop, seed: u64, first_day: NaiveDate, day: u32) -> f64 {
    let date = first_day + Days::new(u64::from(day));
    let demand = &shop.demand;
    let mut weight = Shop::by_month(&demand.growth_by_month, day);
    weight *= demand.weekday_monday_first[date.weekday().num_days_from_monday() as usize];
    let since = (date - black_friday(date.year())).num_days() + 1;
    if let Some(factor) = usize::try_from(since).ok().and_then(|day| demand.black_friday_from_the_day_before.get(day)) {
        weight *= factor;
    }
    if matches!((date.month(), date.day()), (12, 24 | 25 | 31) | (1, 1)) {
        weight *= demand.christmas_share;
    }
    weight * (demand.day_log_sigma * Chance::of(seed, Kind::Day, u64::from(day)).normal()).exp()
}

/// The day after the fourth Thursday of November.
fn black_friday(year: i32) -> NaiveDate {
    let friday = NaiveDate::from_weekday_of_month_opt(year, 11, chrono::Weekday::Thu, 4);
    friday.and_then(|day| day.succ_opt()).unwrap_or(NaiveDate::MAX)
}

fn network(shop: &Shop, seed: u64, weights: &[f64]) -> Vec<f64> {
    let times = &shop.times;
    let mean = |range: &[f64]| range.iter().sum::<f64>() / range.len().max(1) as f64;
    let step = times.network_day_sigma * (1.0 - times.network_day_correlation.powi(2)).sqrt() * WANDERING;
    let (mut state, mut pressure, mut strength) = (0.0, 0.0, 0.0);
    (0..weights.len() as u32)
        .map(|day| {
            let mut chance = Chance::of(seed, Kind::Network, u64::from(day));
            state = times.network_day_correlation * state + step * chance.normal();
            if chance.happens(DISTURBANCES / 365.0) {
                strength = 0.15 + 0.35 * chance.share();
            }
            // What disturbs fades within a fortnight; what has piled up because of it takes longer.
            strength *= 0.93;
            pressure = 0.96 * pressure + 0.07 * strength;
            let today = day as usize;
            let week = mean(&weights[today.saturating_sub(6)..=today]);
            let weeks = mean(&weights[today.saturating_sub(55)..=today]);
            let load = if weeks > 0.0 { (week / weeks).ln() } else { 0.0 };
            state + PRESSURE * pressure + (times.network_load_pull + CROWDING) * load
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_the_same_however_many_are_asked_for() {
        let shop = Shop::fitted().unwrap();
        let size = Size { first_day: NaiveDate::from_ymd_opt(2017, 6, 1).unwrap(), days: 60, orders: 10_000 };
        let [short, long] = [60, 90].map(|days| Demand::new(shop, 3, size, days).unwrap());
        assert_eq!(short.orders(59).end, 10_000);
        for day in 0..60 {
            assert_eq!(short.orders(day), long.orders(day), "day {day}");
        }
        assert!(long.orders(89).end > 14_000, "the shop goes on");
        for day in 0..60 + AFTERWARDS {
            assert!((short.network(day) - long.network(day)).abs() < 1e-12, "day {day}");
        }
    }
}
