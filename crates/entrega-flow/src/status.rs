//! Status: what the lake knows, what waits, and what is missing.

use chrono::NaiveDateTime;
use entrega_model::drops::Interval;
use serde::Serialize;

use crate::{
    Context, Result, discover,
    ledger::{BatchRow, Ledger},
    ops,
    tables::{self, DropRow},
};

/// The state of a lake.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The end of the newest interval known.
    pub as_of: Option<NaiveDateTime>,
    /// Drops taken so far.
    pub drops_taken: usize,
    /// Folders of drops that wait.
    pub waiting: Vec<String>,
    /// Drops whose manifest is wrong, with what is wrong.
    pub damaged: Vec<(String, String)>,
    /// Folders that hold files but no manifest.
    pub without_manifest: Vec<String>,
    /// Intervals between the first and the last drop that no drop covers.
    pub gaps: Vec<Interval>,
    /// Rows in quarantine by source: rejected and waiting.
    pub quarantine: Vec<(String, u64)>,
    /// The last batches, newest first.
    pub batches: Vec<BatchRow>,
}

/// Looks at the lake.
///
/// # Errors
/// When the ledger or a manifest cannot be read.
pub async fn status(context: &Context, batches: usize) -> Result<Status> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let taken_table = ledger.state(&context.lake, &tables::drops()).await?;
    let taken: Vec<DropRow> = ops::read(&context.lake, &taken_table).await?;
    let landing = discover::landing(&context.lake).await?;
    let waiting = discover::waiting(&context.lake, context.project.contracts(), &landing, &taken).await?;
    let mut intervals: Vec<Interval> = taken
        .iter()
        .filter(|row| !row.retried)
        .map(|row| Interval { start: row.interval_start, end: row.interval_end })
        .collect();
    intervals.extend(waiting.drops.iter().map(|drop| drop.manifest.interval));
    let mut folders: Vec<&str> = taken.iter().map(|row| row.drop.as_str()).collect();
    folders.sort_unstable();
    folders.dedup();
    let mut quarantine = Vec::new();
    for contract in context.project.contracts() {
        let table = ledger.state(&context.lake, &tables::quarantine_of(&contract.source)).await?;
        if table.rows() > 0 {
            quarantine.push((contract.source.clone(), table.rows()));
        }
    }
    Ok(Status {
        as_of: ledger.as_of,
        drops_taken: folders.len(),
        waiting: waiting.drops.into_iter().map(|drop| drop.folder).collect(),
        damaged: waiting.damaged.into_iter().map(|(folder, error)| (folder, error.to_string())).collect(),
        without_manifest: landing.incomplete,
        gaps: gaps(intervals),
        quarantine,
        batches: ledger.rows.iter().rev().take(batches).cloned().collect(),
    })
}

/// The spans between the first start and the last end that no interval covers.
///
/// ```
/// use entrega_flow::status::gaps;
/// use entrega_model::drops::{Cadence, Interval};
/// let day = |text: &str| Interval::holding(format!("{text}T00:00:00").parse().unwrap(), Cadence::Daily);
/// let found = gaps(vec![day("2018-03-01"), day("2018-03-04"), day("2018-03-02")]);
/// assert_eq!(found, vec![day("2018-03-03")]);
/// ```
#[must_use]
pub fn gaps(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut found = Vec::new();
    let mut covered: Option<NaiveDateTime> = None;
    for interval in intervals {
        if let Some(end) = covered.filter(|end| *end < interval.start) {
            found.push(Interval { start: end, end: interval.start });
        }
        covered = covered.max(Some(interval.end));
    }
    found
}
