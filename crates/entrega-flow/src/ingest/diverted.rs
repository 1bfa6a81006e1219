//! Rows that go to quarantine after they were read: sent by a check, or orphaned. Their line and raw text are looked up in
//! the drop that they came with.
//!
//! Rows on their way through a model carry no line numbers, because hardly any of them is ever sent back; so the file
//! is read once more when one is.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use entrega_lake::schema::DROP_COLUMN;
use entrega_model::contract::Contract;
use entrega_operators::{
    check::Diverted,
    keys::dictionary_value,
    load::{RawRow, load},
    quarantine::{QuarantineRow, QuarantineState},
    validate::{Drop, validate},
};
use futures::TryStreamExt as _;

use super::{Batch, batch::signed, returning::Returning};
use crate::{
    Context, FlowError, Result, ops,
    tables::{self, DropRow},
    tombstones::key_texts,
};

/// Puts diverted rows of a source into quarantine.
pub(super) async fn quarantine(
    context: &Context,
    batch: &mut Batch,
    drops: &[Drop],
    contract: &Contract,
    diverted: Vec<Diverted>,
    returned: &[Returning],
) -> Result<()> {
    let error = || FlowError::rows(&contract.file);
    let mut by_drop: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
    for Diverted { rows, rule, reason } in diverted {
        let keys = key_texts(&rows, &contract.key).map_err(error())?;
        let content = (rule == "unique").then(|| contents(contract, &rows)).transpose()?;
        let Some(drop_column) = rows.column_by_name(DROP_COLUMN) else { continue };
        for (row, key) in keys.into_iter().enumerate() {
            let content = content.as_ref().map(|contents| contents[row].clone());
            let wanted = Wanted { key, content, rule, reason: reason.clone() };
            by_drop.entry(dictionary_value(drop_column, row).to_owned()).or_default().push(wanted);
        }
    }
    for (precedence, wanted) in by_drop {
        let found = match drops.iter().find(|drop| drop.manifest.precedence() == precedence) {
            Some(drop) => in_file(context, batch, drop, &precedence, contract, &wanted).await?,
            None => match in_quarantine(contract, &precedence, &wanted, returned)? {
                found if found.is_empty() => match taken_before(context, batch, &precedence).await? {
                    Some(drop) => in_file(context, batch, &drop, &precedence, contract, &wanted).await?,
                    None => found,
                },
                found => found,
            },
        };
        batch.quarantined.entry(contract.source.clone()).or_default().extend(found);
    }
    Ok(())
}

/// A drop of an earlier batch, from the books.
async fn taken_before(context: &Context, batch: &Batch, precedence: &str) -> Result<Option<Drop>> {
    let table = batch.table(&tables::drops().table)?;
    let rows: Vec<DropRow> = ops::read(&context.lake, table).await?;
    let Some(row) = rows.iter().find(|row| row.precedence == precedence && !row.retried) else { return Ok(None) };
    Ok(Some(validate(&context.lake, &row.drop, row.manifest_modified, context.project.contracts()).await?))
}

/// A row to be found again: by its key, or by all that it says where its key is not its own.
struct Wanted {
    key: String,
    content: Option<String>,
    rule: &'static str,
    reason: String,
}

impl Wanted {
    /// A row that waits for what it refers to is tried again; one that contradicts another is not.
    fn state(&self) -> QuarantineState {
        if matches!(self.rule, "relationship" | "parent") {
            QuarantineState::Waiting
        } else {
            QuarantineState::Rejected
        }
    }
}

fn contents(contract: &Contract, rows: &RecordBatch) -> Result<Vec<String>> {
    let columns: Vec<String> = contract.columns.iter().map(|column| column.name.clone()).collect();
    key_texts(rows, &columns).map_err(FlowError::rows(&contract.file))
}

async fn in_file(
    context: &Context,
    batch: &Batch,
    drop: &Drop,
    precedence: &str,
    contract: &Contract,
    wanted: &[Wanted],
) -> Result<Vec<QuarantineRow>> {
    let Some(file) = drop.file(contract) else { return Ok(Vec::new()) };
    let by_key: HashMap<&str, &Wanted> = wanted.iter().map(|wanted| (wanted.key.as_str(), wanted)).collect();
    let by_content: HashMap<&str, &Wanted> =
        wanted.iter().filter_map(|wanted| Some((wanted.content.as_deref()?, wanted))).collect();
    // Of several rows with the key the last one is meant, unless it is meant by what it says.
    let mut found: BTreeMap<(&str, Option<u64>), (RawRow, &Wanted, String)> = BTreeMap::new();
    let mut chunks = std::pin::pin!(load(&context.lake, contract, &file, context.threads));
    while let Some(chunk) = chunks.try_next().await? {
        let keys = key_texts(&chunk.rows, &contract.key).map_err(FlowError::rows(&contract.file))?;
        let contents = if by_content.is_empty() { Vec::new() } else { contents(contract, &chunk.rows)? };
        let hit = |row: usize| -> Option<&Wanted> {
            match contents.get(row).and_then(|content| by_content.get(content.as_str())) {
                Some(wanted) => Some(wanted),
                None => by_key.get(keys[row].as_str()).copied().filter(|wanted| wanted.content.is_none()),
            }
        };
        let hits: Vec<(usize, &Wanted)> = (0..keys.len()).filter_map(|row| Some((row, hit(row)?))).collect();
        let rows: Vec<usize> = hits.iter().map(|(row, _)| *row).collect();
        for (raw, (_, wanted)) in chunk.raw(&rows).into_iter().zip(hits) {
            let line = wanted.content.is_some().then_some(raw.line);
            found.insert((&wanted.key, line), (raw, wanted, chunk.header.line.to_string()));
        }
    }
    let rows = found.into_values().map(|(raw, wanted, header)| QuarantineRow {
        precedence: precedence.to_owned(),
        drop: drop.folder.clone(),
        file: contract.file.clone(),
        line: signed(raw.line),
        state: wanted.state(),
        rule: wanted.rule.to_owned(),
        reason: wanted.reason.clone(),
        raw: raw.text,
        header,
        batch_id: batch.note.batch.clone(),
        quarantined_at: batch.started_at,
    });
    Ok(rows.collect())
}

fn in_quarantine(
    contract: &Contract,
    precedence: &str,
    wanted: &[Wanted],
    returned: &[Returning],
) -> Result<Vec<QuarantineRow>> {
    let mut found = Vec::new();
    for returning in returned {
        let keys = key_texts(&returning.rows, &contract.key).map_err(FlowError::rows(&contract.file))?;
        for (row, key) in returning.origin.iter().zip(keys).filter(|(row, _)| row.precedence == precedence) {
            if let Some(wanted) = wanted.iter().find(|wanted| wanted.key == key) {
                let (rule, reason) = (wanted.rule.to_owned(), wanted.reason.clone());
                found.push(QuarantineRow { state: wanted.state(), rule, reason, ..row.clone() });
            }
        }
    }
    Ok(found)
}
