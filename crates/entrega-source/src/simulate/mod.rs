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
mod follow;
mod life;
mod mess;
mod on_sale;
mod parameters;
mod remembered;
mod rhythm;
mod rows;
mod schedule;
mod words;
mod works;

use std::{fmt, sync::Arc};

use chrono::{Days, NaiveDate, NaiveTime};
use entrega_model::drops::{Cadence, Interval};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, path::Path};
use serde::{Deserialize, Serialize};

use self::{demand::DAY, works::Works};
pub use self::{
    follow::{FollowOptions, follow},
    mess::{Destroyed, Expected, FAULTS, FaultKind, INJECTED_FILE, Injected, Injection},
    remembered::{Remembered, SIMULATED_FILE},
};
use crate::{Clock, DeliverySummary, Progress, SourceError, five_minutes_after};

/// A hundred years: seconds since the first day then fit into 32 bits.
const MOST_DAYS: u32 = 36_525;

/// How badly the shop's system behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mess {
    /// Nothing contradicts itself.
    None,
    /// As the real one: carriers before approvals, reviews before orders, missing values, repeated points, at the real rates.
    #[default]
    Real,
    /// As real, and delivered badly on purpose: faulty rows, odd files, late, repeated and broken drops. Each fault is
    /// listed in [`INJECTED_FILE`] with what should become of it.
    Heavy,
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
/// `progress` after each interval. Doing it again changes nothing. What the shop is like is noted in [`SIMULATED_FILE`],
/// so that [`follow`] can go on with it.
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
/// Days that cannot be simulated, a store that cannot be listed, read or written, a folder that holds another drop, and
/// a lake that holds another simulated shop.
pub async fn simulate(
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: SimulateOptions,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<DeliverySummary, SourceError> {
    let jobs = options.jobs.max(1);
    let shop = Remembered::of(&options);
    let days = shop.days()?;
    let works = Works::open(store, prefix, shop, days, options.produced_at).await?;
    let known = works.remembered().await?;
    if let Some(other) = known.as_ref().filter(|known| **known != works.shop) {
        return Err(SourceError::OtherShop { found: other.to_string(), wanted: works.shop.to_string() });
    }
    let plan = works.plan(days);
    let total = plan.intervals as usize;
    let Remembered { from, to, .. } = works.shop;
    let span = Interval { start: from.and_time(NaiveTime::MIN), end: (to + Days::new(1)).and_time(NaiveTime::MIN) };
    let mut summary = DeliverySummary::new(span);
    let mut injected = Vec::new();
    let mut to_remember = known.is_none();
    let mut delivered = std::pin::pin!(
        works.deliveries(plan, jobs).map_ok(|delivery| works.deliver(delivery)).try_buffer_unordered(jobs)
    );
    let mut done = 0;
    while let Some(interval) = delivered.try_next().await? {
        // Not before: a lake that holds other drops must not be taken for this shop's.
        if std::mem::take(&mut to_remember) {
            works.remember().await?;
        }
        interval.reports.iter().for_each(|report| summary.add(report));
        injected.push((interval.number, interval.injections));
        done += 1;
        progress(Progress { done, total, drop: &interval.reports[0] });
    }
    injected.sort_by_key(|(number, _)| *number);
    works.list_injected(total as u32, injected.into_iter().flat_map(|(_, faults)| faults).collect()).await?;
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
