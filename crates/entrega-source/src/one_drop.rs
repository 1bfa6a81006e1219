//! The whole state in one drop: a first load.

use std::{fmt, sync::Arc};

use chrono::NaiveDateTime;
use entrega_model::drops::{Cadence, Interval};
use object_store::{ObjectStore, path::Path};

use crate::{
    Clock, DeliverySummary, OrderSystem, SourceError, five_minutes_after,
    render::{PlannedDrop, Rows},
    writer::{DropWriter, REPLAY},
};

/// What to put into the one drop.
#[derive(Clone)]
pub struct OneDropOptions {
    /// The state as known at this moment (what happens exactly then is not yet known; the end of a day is the next midnight).
    /// Default, and latest: the end of the last day, when every row of the source is in the drop.
    pub to: Option<NaiveDateTime>,
    /// When the drop says that it was produced; default [`five_minutes_after`] its interval.
    pub produced_at: Clock,
}

impl Default for OneDropOptions {
    fn default() -> Self {
        Self { to: None, produced_at: Arc::new(five_minutes_after) }
    }
}

impl fmt::Debug for OneDropOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OneDropOptions").field("to", &self.to).finish_non_exhaustive()
    }
}

/// Writes everything that is known at `options.to` as one drop under `prefix`/landing. Without a cut its nine files are the
/// source's own, byte for byte; with one they hold the same state as all drops of a [`replay`](crate::replay()) up to then.
///
/// # Errors
/// A moment before the first event, a store that cannot be listed, read or written, and a folder that holds another drop.
pub async fn one_drop(
    system: &OrderSystem,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    options: OneDropOptions,
) -> Result<DeliverySummary, SourceError> {
    let span = system.timeline().span();
    let end = options.to.map_or(span.end, |to| to.min(span.end));
    if end <= span.start {
        return Err(SourceError::NothingKnown { to: end, first: span.start.date() });
    }
    let interval = Interval { start: span.start, end };
    let drop = PlannedDrop { interval, cadence: Cadence::Once, rows: Rows::State };
    let writer = DropWriter { store, prefix, clock: options.produced_at, producer: REPLAY };
    writer.write_all(system, interval, vec![drop], |_| ()).await
}
