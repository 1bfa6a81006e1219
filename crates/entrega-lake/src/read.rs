//! Reading data files: only the columns that are asked for, partition column put back.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Date32Array, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, SchemaRef},
};
use chrono::NaiveDate;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{DataFile, Lake, LakeError, Result, TableState};

/// Files of one read that are fetched and decoded at once.
const FILES_AT_ONCE: usize = 4;

/// Rows of one batch.
pub const BATCH_ROWS: usize = 32_768;

/// Days between the common era and the Unix epoch.
const EPOCH_FROM_CE: i32 = 719_163;

/// A date as Arrow keeps it: days since 1970-01-01.
#[must_use]
pub fn days_since_epoch(date: NaiveDate) -> i32 {
    chrono::Datelike::num_days_from_ce(&date) - EPOCH_FROM_CE
}

/// The date of days since 1970-01-01; dates outside the calendar's range give its end.
#[must_use]
pub fn date_of(days: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(days.saturating_add(EPOCH_FROM_CE)).unwrap_or(NaiveDate::MAX)
}

impl Lake {
    /// The rows of some files of a table, in the files' order, as `columns` of the table's schema (all if `None`).
    ///
    /// # Errors
    /// [`LakeError::File`] when a file cannot be read.
    pub async fn read(
        &self,
        state: &TableState,
        files: &[&DataFile],
        columns: Option<&[&str]>,
    ) -> Result<Vec<RecordBatch>> {
        let schema = state.definition.schema()?;
        let schema = match columns {
            None => schema,
            Some(names) => {
                let fields: Vec<_> =
                    schema.fields().iter().filter(|field| names.contains(&field.name().as_str())).cloned().collect();
                Arc::new(arrow::datatypes::Schema::new(fields))
            }
        };
        let reads: Vec<_> = files
            .iter()
            .map(|file| {
                let (schema, partition) = (Arc::clone(&schema), state.definition.partition.clone());
                let path = self.path(&format!("{}/{}", state.name().path(), file.add.path));
                let (store, month) = (Arc::clone(self.store()), file.month);
                async move {
                    let bytes = store.get(&path).await.map_err(|source| LakeError::storage(&path, source))?;
                    let bytes = bytes.bytes().await.map_err(|source| LakeError::storage(&path, source))?;
                    let decode = move || decode(bytes, &schema, partition.as_deref(), month);
                    let decoded = tokio::task::spawn_blocking(decode).await;
                    let decoded = decoded.map_err(|error| LakeError::file(&path, "reading it", error))?;
                    decoded.map_err(|error| LakeError::file(&path, "reading it", error))
                }
            })
            .collect();
        let batches: Vec<Vec<RecordBatch>> = futures::stream::iter(reads).buffered(FILES_AT_ONCE).try_collect().await?;
        Ok(batches.into_iter().flatten().collect())
    }

    /// All rows of a table, see [`Self::read`].
    ///
    /// # Errors
    /// [`LakeError::File`] when a file cannot be read.
    pub async fn read_all(&self, state: &TableState, columns: Option<&[&str]>) -> Result<Vec<RecordBatch>> {
        self.read(state, &state.files.iter().collect::<Vec<_>>(), columns).await
    }
}

fn decode(
    bytes: bytes::Bytes,
    schema: &SchemaRef,
    partition: Option<&str>,
    month: Option<NaiveDate>,
) -> std::result::Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let wanted: Vec<usize> = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| schema.field_with_name(field.name()).is_ok())
        .map(|(index, _)| index)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?;
    reader
        .map(|batch| {
            let batch = batch?;
            let columns: std::result::Result<Vec<ArrayRef>, arrow::error::ArrowError> = schema
                .fields()
                .iter()
                .map(|field| {
                    if partition == Some(field.name()) {
                        return Ok(month_column(month, batch.num_rows()));
                    }
                    match batch.column_by_name(field.name()) {
                        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
                        Some(column) => arrow::compute::cast(column, field.data_type()),
                        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
                    }
                })
                .collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns?, &options)?)
        })
        .collect()
}

fn month_column(month: Option<NaiveDate>, rows: usize) -> ArrayRef {
    match month {
        Some(month) => Arc::new(Date32Array::from_value(days_since_epoch(month), rows)),
        None => new_null_array(&DataType::Date32, rows),
    }
}
