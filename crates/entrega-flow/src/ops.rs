//! The lake's own books: small tables of plain records.
//!
//! A record is a Rust struct; Arrow's JSON codec carries it into columns and back. Appending adds one small file and,
//! when there are many, joins them, so that reading the books stays cheap however many batches there were.

use std::sync::Arc;

use arrow::{array::RecordBatch, json::ReaderBuilder};
use entrega_lake::{CommitNote, Definition, Lake, Rewrite, TableState, read::BATCH_ROWS};
use entrega_model::{
    model::ModelColumn,
    tables::{Layer, TableName},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{FlowError, Result};

/// So many files of one table are joined by the next append.
const MANY_FILES: usize = 16;

/// A table of the books, from `(column, type, doc)` triples.
#[must_use]
pub fn definition(layer: Layer, name: &str, description: &str, columns: &[(&str, &str, &str)]) -> Definition {
    let columns = columns.iter().map(|(name, sql_type, doc)| ModelColumn::new(name, sql_type, doc));
    Definition {
        table: TableName::new(layer, name),
        description: description.to_owned(),
        columns: columns.collect(),
        partition: None,
    }
}

/// Records as rows of a table.
///
/// # Errors
/// [`FlowError::Ledger`] when a record does not fit the table.
pub fn to_rows<T: Serialize>(definition: &Definition, records: &[T]) -> Result<Vec<RecordBatch>> {
    let wrong = |problem: String| FlowError::Ledger { table: definition.table.to_string(), problem };
    let schema = definition.schema()?;
    let plain: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            arrow::datatypes::DataType::Dictionary(..) => {
                Arc::new(arrow::datatypes::Field::new(field.name(), arrow::datatypes::DataType::Utf8, true))
            }
            _ => Arc::clone(field),
        })
        .collect();
    let plain = Arc::new(arrow::datatypes::Schema::new(plain));
    let mut decoder = ReaderBuilder::new(Arc::clone(&plain))
        .with_batch_size(BATCH_ROWS.max(records.len()))
        .build_decoder()
        .map_err(|error| wrong(error.to_string()))?;
    decoder.serialize(records).map_err(|error| wrong(error.to_string()))?;
    let rows = decoder.flush().map_err(|error| wrong(error.to_string()))?;
    rows.into_iter()
        .map(|rows| {
            let columns = rows
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| arrow::compute::cast(column, field.data_type()));
            let columns =
                columns.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
            RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| wrong(error.to_string()))
        })
        .collect()
}

/// All records of a table.
///
/// # Errors
/// [`FlowError::Ledger`] when a row is no such record.
pub async fn read<T: DeserializeOwned>(lake: &Lake, table: &TableState) -> Result<Vec<T>> {
    let wrong = |problem: String| FlowError::Ledger { table: table.name().to_string(), problem };
    let rows = lake.read_all(table, None).await?;
    let mut writer = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow::json::writer::JsonArray>(Vec::new());
    for batch in &rows {
        writer.write(batch).map_err(|error| wrong(error.to_string()))?;
    }
    writer.finish().map_err(|error| wrong(error.to_string()))?;
    let text: Vec<u8> = writer.into_inner();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))
}

/// Appends records and gives the table's new state.
///
/// # Errors
/// From the lake.
pub async fn append<T: Serialize>(
    lake: &Lake,
    table: TableState,
    records: &[T],
    note: &CommitNote,
) -> Result<TableState> {
    if records.is_empty() {
        return if table.version.is_some() {
            Ok(table)
        } else {
            Ok(lake.commit(table, Rewrite::default(), note).await?)
        };
    }
    let mut rows = to_rows(&table.definition, records)?;
    let mut rewrite = Rewrite::default();
    if table.files.len() >= MANY_FILES {
        let mut joined = lake.read_all(&table, None).await?;
        joined.append(&mut rows);
        rows = joined;
        table.files.iter().for_each(|file| rewrite.remove(file));
    }
    rewrite.added.push(lake.write(&table.definition, None, rows).await?);
    Ok(lake.commit(table, rewrite, note).await?)
}

/// Replaces all records of a table.
///
/// # Errors
/// From the lake.
pub async fn replace<T: Serialize>(
    lake: &Lake,
    table: TableState,
    records: &[T],
    note: &CommitNote,
) -> Result<TableState> {
    let mut rewrite = Rewrite::default();
    table.files.iter().for_each(|file| rewrite.remove(file));
    if !records.is_empty() {
        let rows = to_rows(&table.definition, records)?;
        rewrite.added.push(lake.write(&table.definition, None, rows).await?);
    }
    Ok(lake.commit(table, rewrite, note).await?)
}
