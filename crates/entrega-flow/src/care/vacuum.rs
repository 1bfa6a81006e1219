//! Vacuum: deletes what no version needs that is kept, and cuts the logs.
//!
//! Kept is every version that was published since a moment, and the one that was published then; so whoever opened the lake
//! after that moment can go on reading. Files written since then are kept too, because a run that is under way has written
//! some that no commit names yet.

use chrono::{DateTime, TimeDelta, Utc};
use entrega_lake::Swept;
use entrega_model::tables::TableName;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::mark::Mark;
use crate::{Context, FlowError, Result, care, ledger::Ledger};

/// Whoever keeps less might take files from under a run or a reader.
const SHORTEST: TimeDelta = TimeDelta::hours(1);

/// What a vacuum deleted, or would.
#[derive(Debug, Clone, Serialize)]
pub struct VacuumReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What was published since then stays readable, UTC.
    pub kept_since: DateTime<Utc>,
    /// By table; tables without dead files are left out.
    pub tables: Vec<TableSwept>,
    /// Together.
    pub data: Swept,
    /// Entries of logs.
    pub log_entries: u64,
}

/// What was deleted of one table.
#[derive(Debug, Clone, Serialize)]
pub struct TableSwept {
    /// The table.
    pub table: TableName,
    /// Data files.
    #[serde(flatten)]
    pub data: Swept,
    /// Entries of its log.
    pub log_entries: u64,
}

/// How far a vacuum goes.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// For how long what was published stays readable.
    pub keep: TimeDelta,
    /// Only find out.
    pub dry_run: bool,
    /// The caller knows that nobody reads; then less than an hour may be kept.
    pub nobody_reads: bool,
}

/// Deletes what no kept version needs.
///
/// # Errors
/// [`FlowError::Request`] when less is to be kept than is safe; [`entrega_lake::LakeError::Busy`] while a run changes the lake
/// and nothing is kept.
pub async fn vacuum(context: &Context, wanted: &[TableName], extent: Extent) -> Result<VacuumReport> {
    if extent.keep < SHORTEST && !extent.nobody_reads {
        return Err(FlowError::Request {
            problem: format!("keeping {} could take files from under a run or a reader", told(extent.keep)),
            hint: "keep an hour or more, or add --nobody-reads if nothing else uses the lake".to_owned(),
        });
    }
    // Younger files belong to runs under way; if none are kept, no run may be.
    let _lease = if extent.keep < SHORTEST && !extent.dry_run { Some(context.lake.lease().await?) } else { None };
    let since = context.now() - extent.keep;
    let ledger = Ledger::open(&context.lake, None).await?;
    let definitions = care::chosen(context, wanted)?;
    let oldest = care::oldest_batch(context, &ledger, since).await?;
    // Before anything is deleted the lake says which batches will not be readable any more.
    if let Some(row) = ledger.rows.get(oldest).filter(|_| !extent.dry_run) {
        Mark { readable_from: row.sequence }.write(&context.lake).await?;
    }
    let meter = context.progress.begin("vacuum", definitions.len() as u64);
    let swept = definitions.into_iter().map(|definition| {
        let (ledger, meter) = (&ledger, &meter);
        async move {
            let swept = sweep(context, ledger, &definition.table, (oldest, since), extent.dry_run).await;
            meter.advance(1);
            swept
        }
    });
    let tables: Vec<_> =
        futures::stream::iter(swept.collect::<Vec<_>>()).buffered(context.threads.max(2)).try_collect().await?;
    let tables: Vec<TableSwept> =
        tables.into_iter().filter(|swept: &TableSwept| swept.data.files + swept.log_entries > 0).collect();
    let mut data = Swept::default();
    for swept in &tables {
        data.add(swept.data);
    }
    let log_entries = tables.iter().map(|swept| swept.log_entries).sum();
    Ok(VacuumReport { dry_run: extent.dry_run, kept_since: since, tables, data, log_entries })
}

async fn sweep(
    context: &Context,
    ledger: &Ledger,
    table: &TableName,
    (oldest, since): (usize, DateTime<Utc>),
    dry_run: bool,
) -> Result<TableSwept> {
    let lake = &context.lake;
    let mut swept = TableSwept { table: table.clone(), data: Swept::default(), log_entries: 0 };
    let Some(log) = lake.log_length(table).await? else { return Ok(swept) };
    let oldest = care::oldest_version(ledger, table, oldest)?.unwrap_or(log.latest);
    let kept = lake.files_since(table, oldest).await?;
    let dead = lake.dead_files(table, &kept, Some(since)).await?;
    if dry_run {
        swept.data = dead.count();
    } else {
        swept.data = lake.delete_files(dead).await?;
        swept.log_entries = lake.trim_log(table, oldest, since).await?;
    }
    Ok(swept)
}

fn told(keep: TimeDelta) -> String {
    match keep.num_minutes() {
        0 => "nothing".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}
