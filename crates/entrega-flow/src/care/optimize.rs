//! Optimize: files are written again, few and sorted, where that helps; the rows stay the same.
//!
//! ```text
//!  published state ─▶ months in need ─▶ compact (no lease: an ingest may run) ─▶ lease
//!                                                                                  │ are these files still published?
//!                       the rest stays for the next time ◀── no ──────────────────┤
//!                                                                                  ▼ yes
//!                                                            one commit a table ─▶ publish
//! ```

use entrega_lake::{Definition, MonthLayout, Rewrite, TableState};
use entrega_model::tables::{Layer, TableName};
use entrega_operators::{compact::compact, upsert::FULL_FILE_ROWS};
use serde::Serialize;
use serde_json::json;

use super::{DEEP, LONG_LOG};
use crate::{Context, Result, care, ledger::Ledger};

/// What was done to one table.
#[derive(Debug, Clone, Serialize)]
pub struct TableOptimized {
    /// The table.
    pub table: TableName,
    /// Months written again (1 for a table without months).
    pub months: u64,
    /// Months that an ingest changed meanwhile: they are left as they are.
    pub left: u64,
    /// Files before, of those months.
    pub files_before: u64,
    /// Files now.
    pub files_after: u64,
    /// Size before.
    pub bytes_before: u64,
    /// Size now.
    pub bytes_after: u64,
    /// Rows, the same before and after.
    pub rows: u64,
    /// Whether a checkpoint was written.
    pub checkpoint: bool,
}

/// What an optimisation did, or would.
#[derive(Debug, Clone, Serialize)]
pub struct OptimizeReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The batch that published it, if any file was written.
    pub batch_id: Option<String>,
    /// By table; tables in shape are left out.
    pub tables: Vec<TableOptimized>,
}

/// Months of a table, written again but not committed.
pub(super) struct Prepared {
    definition: Definition,
    months: Vec<Rewrite>,
    done: TableOptimized,
}

/// Puts the tables in shape that need it; only `wanted` if that names some.
///
/// # Errors
/// [`entrega_operators::OperatorError::Changed`] when rows would not stay the same, [`entrega_lake::LakeError::Busy`] when a run
/// holds the lake at the end; then nothing has changed.
pub async fn optimize(context: &Context, wanted: &[TableName], dry_run: bool) -> Result<OptimizeReport> {
    let prepared = prepare_all(context, wanted, dry_run).await?;
    if dry_run {
        let tables = prepared.into_iter().map(|prepared| prepared.done).collect();
        return Ok(OptimizeReport { dry_run, batch_id: None, tables });
    }
    commit(context, prepared).await
}

/// Writes files again that belong to nothing yet.
pub(super) async fn prepare_all(context: &Context, wanted: &[TableName], dry_run: bool) -> Result<Vec<Prepared>> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let mut prepared = Vec::new();
    for definition in care::chosen(context, wanted)? {
        prepared.extend(prepare(context, &ledger, definition, dry_run).await?);
    }
    Ok(prepared)
}

async fn prepare(
    context: &Context,
    ledger: &Ledger,
    definition: Definition,
    dry_run: bool,
) -> Result<Option<Prepared>> {
    let table = &definition.table;
    let Some(log) = context.lake.log_length(table).await? else { return Ok(None) };
    let mut done = TableOptimized {
        table: table.clone(),
        months: 0,
        left: 0,
        files_before: 0,
        files_after: 0,
        bytes_before: 0,
        bytes_after: 0,
        rows: 0,
        checkpoint: log.since_checkpoint() > LONG_LOG,
    };
    let mut months = Vec::new();
    // The books join their own files with every append.
    if table.layer != Layer::Ops && ledger.versions.contains_key(table) {
        let state = ledger.state(&context.lake, &definition).await?;
        let order: Vec<String> = care::order_of(&definition).map(str::to_owned).into_iter().collect();
        let layout = context.lake.layout(&state, order.first().map(String::as_str)).await?;
        let needy: Vec<&MonthLayout> = layout.iter().filter(|month| in_need(month)).collect();
        let meter = context.progress.begin(&table.to_string(), needy.len() as u64);
        for month in needy {
            done.months += 1;
            done.files_before += month.files;
            done.bytes_before += month.bytes;
            done.rows += month.rows;
            if !dry_run {
                let compacted = compact(&context.lake, &state, month.month, &order).await?;
                months.push(compacted.rewrite);
            }
            meter.advance(1);
        }
    }
    Ok((done.months > 0 || done.checkpoint).then_some(Prepared { definition, months, done }))
}

fn in_need(month: &MonthLayout) -> bool {
    month.files > month.rows.div_ceil(FULL_FILE_ROWS).max(1) || month.depth.is_some_and(|depth| depth > DEEP)
}

/// Commits what still fits what is published, and publishes it.
pub(super) async fn commit(context: &Context, prepared: Vec<Prepared>) -> Result<OptimizeReport> {
    let mut report = OptimizeReport { dry_run: false, batch_id: None, tables: Vec::new() };
    let lease = context.lake.lease().await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let mut begun = ledger.begin("optimize", "compact", context.now());
    let mut committed: Vec<TableState> = Vec::new();
    for mut table in prepared {
        if !table.months.is_empty() {
            let state = ledger.state(&context.lake, &table.definition).await?;
            let mut rewrite = Rewrite::of_same_rows();
            for month in table.months {
                let there = |path: &String| state.files.iter().any(|file| file.add.path == *path);
                if month.removed.iter().all(there) {
                    let size = |file: &entrega_lake::DataFile| u64::try_from(file.add.size).unwrap_or(0);
                    table.done.files_after += month.added.len() as u64;
                    table.done.bytes_after += month.added.iter().map(size).sum::<u64>();
                    rewrite.merge(month);
                } else {
                    table.done.left += 1;
                }
            }
            if !rewrite.is_empty() {
                begun.note.facts["rows"] = json!(table.done.rows);
                committed.push(context.lake.commit(state, rewrite, &begun.note).await?);
            }
        }
        report.tables.push(table.done);
    }
    if !committed.is_empty() {
        let publication = begun.publication(committed, std::collections::BTreeMap::new(), context.now());
        report.batch_id = Some(ledger.publish(&context.lake, publication).await?.batch_id);
    }
    drop(lease);
    for table in report.tables.iter().filter(|table| table.checkpoint) {
        context.lake.checkpoint(&table.table).await?;
    }
    Ok(report)
}
