//! The shop goes on: one drop after another, from where the lake's drops end, at the pace of a clock.
//!
//! ```text
//!  _simulated.json ─▶ the same shop ─▶ its lives, drawn again from the first day ─▶ drops that are there: passed over
//!                                                                                └▶ the next one: wait, write, again
//! ```
//!
//! Nothing but the drops says how far the shop is. Who is under way is drawn again, which costs less than it would to
//! keep it: a million orders take a second. So a shop that was followed, stopped and followed is the same, byte by byte,
//! as one that was followed at once.

use std::{fmt, future::Future, sync::Arc};

use entrega_model::drops::Interval;
use futures::TryStreamExt as _;
use object_store::{ObjectStore, path::Path};

use super::{
    MOST_DAYS,
    works::{Works, remembered},
};
use crate::{Clock, DeliverySummary, DropReport, SourceError, five_minutes_after, writer::DropWriter};

/// How a shop is followed. Which shop it is, the lake knows.
#[derive(Clone)]
pub struct FollowOptions {
    /// Stops after so many intervals; by default when it is told to.
    pub intervals: Option<u64>,
    /// Workers; they change nothing but the time until the first drop.
    pub jobs: usize,
    /// When a drop says that it was produced.
    pub produced_at: Clock,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            intervals: None,
            jobs: std::thread::available_parallelism().map_or(2, usize::from),
            produced_at: Arc::new(five_minutes_after),
        }
    }
}

impl fmt::Debug for FollowOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { intervals, jobs, produced_at: _ } = self;
        formatter
            .debug_struct("FollowOptions")
            .field("intervals", intervals)
            .field("jobs", jobs)
            .finish_non_exhaustive()
    }
}

/// Goes on with the shop that [`simulate`](super::simulate()) began in this lake: waits for `pace` before each interval's
/// drop, writes it, calls `progress`. Ends when `stop` does, after the drop under way, or when enough is delivered.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{future::pending, sync::Arc};
/// use entrega_source::{FollowOptions, SimulateOptions, follow, simulate};
/// use object_store::{memory::InMemory, path::Path};
///
/// let (lake, runtime) = (Arc::new(InMemory::new()), tokio::runtime::Builder::new_multi_thread().build()?);
/// let options = SimulateOptions { orders: 200, to: "2017-01-10".parse()?, ..SimulateOptions::default() };
/// runtime.block_on(simulate(lake.clone(), Path::default(), options, |_| ()))?;
/// let options = FollowOptions { intervals: Some(3), ..FollowOptions::default() };
/// let summary = runtime.block_on(follow(lake, Path::default(), options, async |_| (), pending(), |_| ()))?;
/// assert_eq!(summary.span.to_string(), "[2017-01-11 00:00, 2017-01-14 00:00)");
/// # Ok(()) }
/// ```
///
/// # Errors
/// A lake without a simulated shop, a store that cannot be listed, read or written, and a last drop that is not this
/// shop's.
pub async fn follow(
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: FollowOptions,
    mut pace: impl AsyncFnMut(Interval),
    stop: impl Future<Output = ()>,
    mut progress: impl FnMut(&DropReport),
) -> Result<DeliverySummary, SourceError> {
    let FollowOptions { intervals, jobs, produced_at } = options;
    let lake = DropWriter { store, prefix, clock: produced_at, producer: "" };
    let shop = remembered(&lake).await?.ok_or(SourceError::NoSimulatedShop)?;
    let works = Works::open(lake.store, lake.prefix, shop, MOST_DAYS, lake.clock).await?;
    let next = works.first_missing();
    let begin = works.interval(next).start;
    let mut summary = DeliverySummary::new(Interval { start: begin, end: begin });
    let mut injected = works.injected().await?;
    let covered = injected.intervals;
    let mut left = intervals.unwrap_or(u64::MAX);
    let mut stop = std::pin::pin!(stop);
    let mut deliveries = std::pin::pin!(works.deliveries(works.plan(MOST_DAYS), jobs.max(1)));
    while left > 0 {
        let delivery = tokio::select! {
            biased;
            () = &mut stop => break,
            delivery = deliveries.try_next() => delivery?,
        };
        let Some(delivery) = delivery else { break };
        let number = delivery.told.number;
        if number >= next {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = pace(works.interval(number)) => {}
            }
            // From here on a stop has to wait: a drop is delivered whole.
            let delivered = works.deliver(delivery).await?;
            delivered.reports.iter().for_each(|report| summary.add(report));
            summary.span.end = works.interval(number).end;
            injected.faults.extend(delivered.injections);
            injected.intervals = number + 1;
            progress(&delivered.reports[0]);
            left -= 1;
        } else if number + 1 == next {
            // The last drop shows that the lake is this shop's; what a killed run left of it is completed.
            let delivered = works.deliver(delivery).await?;
            if number >= covered {
                injected.faults.extend(delivered.injections);
                injected.intervals = next;
            }
        } else if works.injects() && number >= covered {
            // A killed run delivered without listing its faults.
            injected.faults.extend(works.fill(delivery).await?.1.injections);
            injected.intervals = number + 1;
        }
    }
    works.list_injected(injected.intervals, injected.faults).await?;
    Ok(summary)
}
