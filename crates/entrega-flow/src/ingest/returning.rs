//! Rows that come back from quarantine: those that waited for something that may have come, and rejected ones that
//! somebody wants to be tried again.
//!
//! A row keeps the precedence of the drop that it came with, so it ends where it would have, had it been good at once.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch},
    error::ArrowError,
};
use entrega_model::contract::Contract;
use entrega_operators::{
    load::{Header, landing_schema, load_text},
    quarantine::{QuarantineRow, QuarantineState},
};

use super::Batch;
use crate::{Context, FlowError, Result, ops, source::with_drop, tables};

/// Rows of one drop that can be read now; where each comes from stands beside it.
pub(super) struct Returning {
    /// The rows, with their drop.
    pub rows: RecordBatch,
    /// What the quarantine says of each.
    pub origin: Vec<QuarantineRow>,
}

impl Returning {
    /// Whether nothing but their order is missing.
    pub fn waits_for_order(&self) -> bool {
        self.origin.iter().all(|row| row.state == QuarantineState::Waiting && row.rule == "parent")
    }

    /// Only some of them.
    pub fn retain(&mut self, kept: &BooleanArray) -> std::result::Result<(), ArrowError> {
        self.rows = filter_record_batch(&self.rows, kept)?;
        let mut row = 0..;
        self.origin.retain(|_| row.next().is_some_and(|row| kept.value(row)));
        Ok(())
    }
}

/// The rows of a source that may come back, oldest precedence first. Rejected ones that are still no good get their new
/// reason.
pub(super) async fn of(context: &Context, batch: &mut Batch, contract: &Contract) -> Result<Vec<Returning>> {
    let table = batch.table(&tables::quarantine_of(&contract.source).table)?.clone();
    let mut groups: BTreeMap<(String, String), Vec<QuarantineRow>> = BTreeMap::new();
    for row in ops::read::<QuarantineRow>(&context.lake, &table).await? {
        if batch.file(&row.precedence, contract).is_some() {
            // Its drop is delivered again in this very batch, and its row is judged with it.
            let released = batch.released.entry(contract.source.clone()).or_default();
            released.insert((row.precedence, row.line));
            continue;
        }
        let wanted = batch.replay.as_ref().is_some_and(|filter| filter.means(&contract.source, &row));
        if wanted || row.state == QuarantineState::Waiting {
            groups.entry((row.precedence.clone(), row.header.clone())).or_default().push(row);
        }
    }
    let error = || FlowError::rows(&contract.file);
    let mut returning = Vec::new();
    for ((precedence, header), group) in groups {
        let header = Arc::new(Header::of(contract, &header));
        let text = group.iter().map(|row| row.raw.as_str()).collect::<Vec<_>>().join("\n");
        let whole = load_text(contract, Arc::clone(&header), &text)?;
        let (rows, origin) = if whole.rows.num_rows() == group.len() {
            (whole.rows, group)
        } else {
            // Some are still no good: one by one, to know which.
            let (mut good, mut origin) = (Vec::new(), Vec::new());
            for mut row in group {
                let mut alone = load_text(contract, Arc::clone(&header), &row.raw)?;
                if alone.rows.num_rows() == 1 {
                    good.push(alone.rows);
                    origin.push(row);
                } else if let Some(rejected) = alone.rejected.pop() {
                    (row.rule, row.reason) = (rejected.rule, rejected.reason);
                    row.state = QuarantineState::Rejected;
                    batch.quarantined.entry(contract.source.clone()).or_default().push(row);
                }
            }
            (concat_batches(&landing_schema(contract), &good).map_err(error())?, origin)
        };
        if rows.num_rows() > 0 {
            returning.push(Returning { rows: with_drop(contract, &rows, &precedence)?, origin });
        }
    }
    Ok(returning)
}
