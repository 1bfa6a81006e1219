//! Writing the quarantine: rows that came, rows that left.

use std::collections::BTreeMap;

use entrega_operators::quarantine::QuarantineRow;

use super::Batch;
use crate::{Context, Result, ops, tables};

/// Writes the quarantine tables that changed; tables that do not exist yet are made, so that they can be queried.
pub(super) async fn write(context: &Context, batch: &mut Batch) -> Result<()> {
    let sources: Vec<String> = context.project.contracts().iter().map(|contract| contract.source.clone()).collect();
    for source in sources {
        let new = batch.quarantined.remove(&source).unwrap_or_default();
        let released = batch.released.remove(&source).unwrap_or_default();
        let table = batch.table(&tables::quarantine_of(&source).table)?.clone();
        if new.is_empty() && released.is_empty() && table.version.is_some() {
            continue;
        }
        let stored: Vec<QuarantineRow> = ops::read(&context.lake, &table).await?;
        let mut rows: BTreeMap<(String, i64), QuarantineRow> = BTreeMap::new();
        for row in stored.into_iter().chain(new) {
            rows.insert((row.precedence.clone(), row.line), row);
        }
        for key in &released {
            rows.remove(key);
        }
        let rows: Vec<QuarantineRow> = rows.into_values().collect();
        let state = ops::replace(&context.lake, table, &rows, &batch.note).await?;
        batch.commit(state);
    }
    Ok(())
}
