//! A shop that never was: orders, customers, sellers and products that behave like the real ones, as drops.
//!
//! ```text
//!  shop.json (fitted)   seed
//!        └────┬──────────┘
//!   catalogue, demand, network          made once
//!             ▼
//!   lives of a day's orders  ─▶ schedule: which interval sees which event ─▶ rows ─▶ drop
//!   (days at once, any worker)    (in order of time, one)                    (drops at once)
//! ```
//!
//! The same seed gives the same bytes whatever the number of workers: every draw depends on the seed and on a number
//! alone ([`chance`]). Memory holds the orders under way, not those that are done, so ten million cost little more than
//! one.

// Draws are small by construction: positions of lists, seconds of a few years, cents of a purchase.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]

mod catalogue;
mod chance;
mod demand;
mod life;
mod parameters;
mod rhythm;
mod rows;
mod schedule;
mod words;

use std::{fmt, sync::Arc};

use chrono::{Days, NaiveDate, NaiveTime};
use entrega_model::drops::{Cadence, Interval};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore, path::Path};

use self::{
    catalogue::Catalogue,
    demand::{DAY, Demand},
    life::Lives,
    parameters::Shop,
    rows::Dates,
    schedule::{DayLives, Delivery, Schedule},
};
use crate::{
    Clock, DeliverySummary, Progress, SourceError, five_minutes_after, render::FilledDrop, writer::DropWriter,
};

/// A hundred years: seconds since the first day then fit into 32 bits.
const MOST_DAYS: u32 = 36_525;

/// How badly the shop's system behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mess {
    /// Nothing contradicts itself.
    None,
    /// As the real one: carriers before approvals, reviews before orders, missing values, repeated points, at the real rates.
    #[default]
    Real,
}

/// What to simulate.
#[derive(Clone)]
pub struct SimulateOptions {
    /// Orders bought between the first and the last day.
    pub orders: u64,
    /// The day on which the shop opens.
    pub from: NaiveDate,
    /// The last day, **inclusive**. What happens to orders later is not told.
    pub to: NaiveDate,
    /// One drop a day or one an hour ([`Cadence::Once`] counts as a day).
    pub cadence: Cadence,
    /// Other seeds, other shops.
    pub seed: u64,
    /// How badly the shop's system behaves.
    pub mess: Mess,
    /// Workers; they change nothing but the time that it takes.
    pub jobs: usize,
    /// When a drop says that it was produced.
    pub produced_at: Clock,
}

impl Default for SimulateOptions {
    fn default() -> Self {
        Self {
            orders: 100_000,
            from: NaiveDate::from_ymd_opt(2017, 1, 1).unwrap_or_default(),
            to: NaiveDate::from_ymd_opt(2018, 8, 31).unwrap_or_default(),
            cadence: Cadence::Daily,
            seed: 1,
            mess: Mess::Real,
            jobs: std::thread::available_parallelism().map_or(2, usize::from),
            produced_at: Arc::new(five_minutes_after),
        }
    }
}

impl fmt::Debug for SimulateOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, from, to, cadence, seed, mess, jobs, produced_at: _ } = self;
        formatter
            .debug_struct("SimulateOptions")
            .field("orders", orders)
            .field("from", from)
            .field("to", to)
            .field("cadence", cadence)
            .field("seed", seed)
            .field("mess", mess)
            .field("jobs", jobs)
            .finish_non_exhaustive()
    }
}

/// Writes a drop of the simulated shop for every interval from the first day to the last under `prefix`/landing. Calls
/// `progress` after each drop. Doing it again changes nothing.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use entrega_source::{SimulateOptions, simulate};
/// use object_store::{memory::InMemory, path::Path};
///
/// let options = SimulateOptions { orders: 200, to: "2017-01-10".parse()?, ..SimulateOptions::default() };
/// let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
/// let summary = runtime.block_on(simulate(Arc::new(InMemory::new()), Path::default(), options, |_| ()))?;
/// assert_eq!((summary.drops, summary.written), (10, 10));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Days that cannot be simulated, a store that cannot be listed, read or written, and a folder that holds another drop.
pub async fn simulate(
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: SimulateOptions,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<DeliverySummary, SourceError> {
    let SimulateOptions { orders, from, to, cadence, seed, mess, jobs, produced_at } = options;
    let days = u32::try_from((to - from).num_days() + 1).ok().filter(|days| (1..=MOST_DAYS).contains(days));
    let Some(days) = days else { return Err(SourceError::SimulatedSpan { from, to }) };
    let shop = Shop::fitted()?;
    let making = move || {
        let demand = Demand::new(shop, seed, from, days, orders)?;
        let catalogue = Catalogue::new(shop, seed, orders, mess != Mess::None, &demand)?;
        Lives::new(shop, catalogue, demand, seed, mess)
    };
    let lives = Arc::new(tokio::task::spawn_blocking(making).await.map_err(SourceError::worker)??);
    let dates = Arc::new(Dates::new(from, days + 400));
    let cadence = if cadence == Cadence::Hourly { Cadence::Hourly } else { Cadence::Daily };
    let writer = Arc::new(DropWriter {
        store,
        prefix,
        clock: produced_at,
        producer: concat!("entrega-simulate ", env!("CARGO_PKG_VERSION")),
    });
    let there = Arc::new(writer.delivered().await?);
    let mut schedule = Schedule::new(&lives, days, cadence);
    let total = schedule.intervals();
    let span = Interval { start: from.and_time(NaiveTime::MIN), end: (to + Days::new(1)).and_time(NaiveTime::MIN) };
    let seconds = schedule.seconds();
    let mut summary = DeliverySummary::new(span);
    let days = stream::iter(0..days).map(|day| {
        let lives = Arc::clone(&lives);
        async move {
            let living = move || DayLives::of(&lives, day, seconds);
            tokio::task::spawn_blocking(living).await.map_err(SourceError::worker)
        }
    });
    let drops = days
        .buffered(jobs.max(1))
        .map_ok(|day| stream::iter(schedule.take(day).into_iter().map(Ok)))
        .try_flatten()
        .map_ok(|delivery: Delivery| {
            let (lives, dates) = (Arc::clone(&lives), Arc::clone(&dates));
            let (writer, there) = (Arc::clone(&writer), Arc::clone(&there));
            async move {
                let start = span.start + chrono::TimeDelta::seconds(i64::from(delivery.number) * i64::from(seconds));
                let interval = Interval { start, end: start + chrono::TimeDelta::seconds(i64::from(seconds)) };
                let filling = move || FilledDrop { interval, cadence, files: delivery.files(&lives, &dates, seconds) };
                let drop = tokio::task::spawn_blocking(filling).await.map_err(SourceError::worker)?;
                writer.deliver(drop, &there).await
            }
        })
        .try_buffer_unordered(jobs.max(1));
    let mut drops = std::pin::pin!(drops);
    while let Some(report) = drops.try_next().await? {
        summary.add(&report);
        progress(Progress { done: summary.drops, total, drop: &report });
    }
    Ok(summary)
}

/// Intervals of a day.
fn per_day(cadence: Cadence) -> u32 {
    if cadence == Cadence::Hourly { 24 } else { 1 }
}

/// Seconds of an interval.
fn seconds_of(cadence: Cadence) -> u32 {
    DAY / per_day(cadence)
}
