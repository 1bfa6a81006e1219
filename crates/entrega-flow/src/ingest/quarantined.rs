//! Writing the quarantine: rows that came, rows that left.

use std::collections::{BTreeMap, HashSet};

use entrega_lake::{CommitNote, TableState};
use entrega_operators::quarantine::QuarantineRow;

use super::Batch;
use crate::{Context, Result, ops, tables};

/// Writes the quarantine tables that changed; tables that do not exist yet are made, so that they can be queried.
pub(super) async fn write(context: &Context, batch: &mut Batch) -> Result<()> {
    let mut writing = Vec::new();
    for contract in context.project.contracts() {
        let new = batch.quarantined.remove(&contract.source).unwrap_or_default();
        let released = batch.released.remove(&contract.source).unwrap_or_default();
        let table = batch.table(&tables::quarantine_of(&contract.source).table)?.clone();
        if new.is_empty() && released.is_empty() && table.version.is_some() {
            continue;
        }
        writing.push(replace(context, &batch.note, table, new, released));
    }
    for state in futures::future::try_join_all(writing).await? {
        batch.commit(state);
    }
    Ok(())
}

async fn replace(
    context: &Context,
    note: &CommitNote,
    table: TableState,
    new: Vec<QuarantineRow>,
    released: HashSet<(String, i64)>,
) -> Result<TableState> {
    let stored: Vec<QuarantineRow> = ops::read(&context.lake, &table).await?;
    let mut rows: BTreeMap<(String, i64), QuarantineRow> = BTreeMap::new();
    // A row that left may have come back, for another reason.
    let stays = |row: &QuarantineRow| !released.contains(&(row.precedence.clone(), row.line));
    for row in stored.into_iter().filter(stays).chain(new) {
        rows.insert((row.precedence.clone(), row.line), row);
    }
    let rows: Vec<QuarantineRow> = rows.into_values().collect();
    ops::replace(&context.lake, table, &rows, note).await
}
