//! Replaying the order system: one drop for every day or hour.

use std::{fmt, sync::Arc};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use entrega_model::drops::{Cadence, Interval};
use object_store::{ObjectStore, path::Path};

use crate::{
    Clock, DeliverySummary, OrderSystem, Progress, SourceError, SourceTable, five_minutes_after,
    render::{PlannedDrop, Rows},
    timeline::Timeline,
    writer::{DropWriter, REPLAY},
};

/// How to replay.
#[derive(Clone)]
pub struct ReplayOptions {
    /// One drop a day or one an hour ([`Cadence::Once`] counts as a day).
    pub cadence: Cadence,
    /// First day with drops of its own; a baseline drop under the day before holds the state so far. Default, and earliest:
    /// the day of the first event.
    pub from: Option<NaiveDate>,
    /// Last day, **inclusive**. Default, and latest: the day of the last event.
    pub to: Option<NaiveDate>,
    /// When a drop says that it was produced; default [`five_minutes_after`] its interval.
    pub produced_at: Clock,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { cadence: Cadence::Daily, from: None, to: None, produced_at: Arc::new(five_minutes_after) }
    }
}

impl fmt::Debug for ReplayOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cadence, from, to, produced_at: _ } = self;
        formatter
            .debug_struct("ReplayOptions")
            .field("cadence", cadence)
            .field("from", from)
            .field("to", to)
            .finish_non_exhaustive()
    }
}

/// Writes a drop for every interval from the first day to the last under `prefix`/landing; an interval without events gets
/// a manifest only. Calls `progress` after each drop.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{path::Path, sync::Arc};
/// use entrega_source::{OrderSystem, ReplayOptions, replay};
/// use object_store::local::LocalFileSystem;
///
/// let system = OrderSystem::open(Path::new("brazilian-ecommerce.zip"))?;
/// let store = Arc::new(LocalFileSystem::new_with_prefix("lake")?);
/// let summary = replay(&system, store, object_store::path::Path::default(), ReplayOptions::default(), |_| ()).await?;
/// assert_eq!(summary.drops, 786);
/// # Ok(()) }
/// ```
///
/// # Errors
/// A span without a day, a store that cannot be listed, read or written, and a folder that holds another drop.
pub async fn replay(
    system: &OrderSystem,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: ReplayOptions,
    progress: impl FnMut(Progress<'_>),
) -> Result<DeliverySummary, SourceError> {
    let timeline = system.timeline();
    let span = chosen_span(timeline, options.from, options.to)?;
    let with_baseline = span.start > timeline.span().start;
    let cadence = if options.cadence == Cadence::Hourly { Cadence::Hourly } else { Cadence::Daily };
    let (rows, places) = emissions(timeline, span, cadence, with_baseline);

    let mut drops = Vec::new();
    if with_baseline {
        let interval = Interval { start: timeline.span().start, end: span.start };
        drops.push(PlannedDrop { interval, cadence: Cadence::Once, rows: Rows::State });
    }
    let mut remaining = (rows.as_slice(), places.as_slice());
    for (number, interval) in intervals(span, cadence).enumerate() {
        let count = remaining.1.partition_point(|place| *place as usize <= number);
        let (now, later) = remaining.0.split_at(count);
        remaining = (later, &remaining.1[count..]);
        let snapshots = number == 0 && !with_baseline;
        drops.push(PlannedDrop { interval, cadence, rows: Rows::Chosen { rows: now, snapshots } });
    }
    let start = if with_baseline { timeline.span().start } else { span.start };
    let writer = DropWriter { store, prefix, clock: options.produced_at, producer: REPLAY };
    writer.write_all(system, Interval { start, end: span.end }, drops, progress).await
}

fn chosen_span(timeline: &Timeline, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<Interval, SourceError> {
    let (first, last) = (timeline.first_day(), timeline.last_day());
    let start = from.unwrap_or(first).max(first);
    let end = to.unwrap_or(last).min(last);
    if start > end {
        let (from, to) = (from.unwrap_or(first), to.unwrap_or(last));
        return Err(SourceError::EmptySpan { from, to, first, last });
    }
    Ok(Interval { start: start.and_time(NaiveTime::MIN), end: end.and_time(NaiveTime::MIN) + TimeDelta::days(1) })
}

fn length(cadence: Cadence) -> TimeDelta {
    if cadence == Cadence::Hourly { TimeDelta::hours(1) } else { TimeDelta::days(1) }
}

fn intervals(span: Interval, cadence: Cadence) -> impl Iterator<Item = Interval> {
    let step = length(cadence);
    std::iter::successors(Some(span.start), move |start| Some(*start + step))
        .take_while(move |start| *start < span.end)
        .map(move |start| Interval { start, end: start + step })
}

/// Which row goes into which interval: all (table, row) pairs in the order of intervals, and beside each its interval's number.
/// Every event is looked at once, whatever the number of intervals.
fn emissions(
    timeline: &Timeline,
    span: Interval,
    cadence: Cadence,
    with_baseline: bool,
) -> (Vec<(SourceTable, u32)>, Vec<u32>) {
    let seconds = length(cadence).num_seconds();
    let place = |moment: NaiveDateTime| {
        let inside = span.start <= moment && moment < span.end;
        inside.then(|| u32::try_from((moment - span.start).num_seconds() / seconds).unwrap_or(u32::MAX))
    };
    let mut found: Vec<(u32, SourceTable, u32)> = Vec::new();
    for (row, life) in (0_u32..).zip(timeline.orders()) {
        found.extend(
            life.events().into_iter().flatten().filter_map(place).map(|place| (place, SourceTable::Orders, row)),
        );
    }
    for table in SourceTable::ALL {
        for (row, moment) in (0_u32..).zip(timeline.appeared(table)) {
            let place = match moment {
                Some(moment) => place(*moment),
                None => (!with_baseline).then_some(0),
            };
            found.extend(place.map(|place| (place, table, row)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(place, table, row)| ((table, row), place)).unzip()
}
