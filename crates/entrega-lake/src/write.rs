//! Writing data files: Parquet by Arrow's own writer, and the statistics that Delta readers skip files by.
//!
//! Settings were measured on the real data: zstd level 1 is smaller *and* faster than level 3 on random ids; a
//! dictionary pays only where values repeat; statistics on random ids skip nothing and cost bytes.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    compute::{max, min},
    datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use chrono::NaiveDate;
use deltalake::kernel::Add;
use object_store::ObjectStoreExt as _;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use serde_json::{Map, Value, json};

use crate::{DataFile, Definition, Lake, LakeError, Result, read::date_of};

/// Rows of a row group; at ten million orders smaller groups only cost, larger ones only need memory.
pub(crate) const ROW_GROUP_ROWS: usize = 131_072;

/// Columns whose values are random and long: no dictionary, no statistics.
fn is_random_id(name: &str) -> bool {
    name.ends_with("_id") && name != "order_item_id"
}

fn properties(definition: &Definition) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(true);
    for column in definition.columns.iter() {
        let path = ColumnPath::from(column.name.as_str());
        let repeats = column.name == "seller_id" || column.name == "product_id";
        let unique_text = column.name.contains("comment") || column.sql_type == "TIMESTAMP";
        if is_random_id(&column.name) || unique_text {
            builder = builder.set_column_dictionary_enabled(path.clone(), repeats);
        }
        if is_random_id(&column.name) || column.name.contains("comment") {
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    builder.build()
}

impl Lake {
    /// Writes rows as one data file of a table's month (or of an unpartitioned table); it belongs to the table only
    /// once it is committed. Batches hold the definition's columns; the partition column is left out of the file.
    ///
    /// # Errors
    /// [`LakeError::File`] or [`LakeError::Storage`].
    pub async fn write(
        &self,
        definition: &Definition,
        month: Option<NaiveDate>,
        batches: Vec<RecordBatch>,
    ) -> Result<DataFile> {
        let name = format!("part-{}.zstd.parquet", uuid::Uuid::new_v4());
        let (folder, values) = match (&definition.partition, month) {
            (Some(column), Some(month)) => {
                (format!("{column}={month}/"), HashMap::from([(column.clone(), Some(month.to_string()))]))
            }
            _ => (String::new(), HashMap::new()),
        };
        let relative = format!("{folder}{name}");
        let path = self.path(&format!("{}/{relative}", definition.table.path()));
        let encoding = definition.clone();
        let encoded = tokio::task::spawn_blocking(move || encode(&encoding, &batches)).await;
        let encoded = encoded.map_err(|error| LakeError::file(&path, "encoding it", error))?;
        let (bytes, stats) = encoded.map_err(|error| LakeError::file(&path, "encoding it", error))?;
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.store().put(&path, bytes.into()).await.map_err(|source| LakeError::storage(&path, source))?;
        Ok(DataFile::of(Add {
            path: relative,
            partition_values: values,
            size,
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        }))
    }
}

fn encode(
    definition: &Definition,
    batches: &[RecordBatch],
) -> std::result::Result<(Vec<u8>, String), Box<dyn std::error::Error + Send + Sync>> {
    let schema = definition.schema()?;
    let kept: Vec<usize> = (0..schema.fields().len())
        .filter(|index| definition.partition.as_deref() != Some(schema.field(*index).name().as_str()))
        .collect();
    let file_schema = Arc::new(schema.project(&kept)?);
    let mut writer = ArrowWriter::try_new(Vec::new(), file_schema, Some(properties(definition)))?;
    let mut statistics = Statistics::default();
    for batch in batches {
        let batch = batch.project(&kept)?;
        statistics.add(&batch);
        writer.write(&batch)?;
    }
    Ok((writer.into_inner()?, statistics.json()))
}

/// Row count, smallest and largest value and NULL count of the columns that are worth skipping by.
#[derive(Default)]
struct Statistics {
    rows: usize,
    nulls: Map<String, Value>,
    ranges: HashMap<String, (DataType, i64, i64)>,
}

impl Statistics {
    fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows();
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let (low, high) = match column.data_type() {
                DataType::Date32 => {
                    let values = column.as_primitive::<Date32Type>();
                    (min(values).map(i64::from), max(values).map(i64::from))
                }
                DataType::Timestamp(..) => {
                    let values = column.as_primitive::<TimestampMicrosecondType>();
                    (min(values), max(values))
                }
                DataType::Int32 => {
                    let values = column.as_primitive::<Int32Type>();
                    (min(values).map(i64::from), max(values).map(i64::from))
                }
                DataType::Int64 => {
                    let values = column.as_primitive::<Int64Type>();
                    (min(values), max(values))
                }
                _ => continue,
            };
            let nulls = self.nulls.get(field.name()).and_then(Value::as_u64).unwrap_or(0);
            self.nulls.insert(field.name().clone(), json!(nulls + column.null_count() as u64));
            if let (Some(low), Some(high)) = (low, high) {
                self.ranges
                    .entry(field.name().clone())
                    .and_modify(|range| *range = (range.0.clone(), range.1.min(low), range.2.max(high)))
                    .or_insert((column.data_type().clone(), low, high));
            }
        }
    }

    fn json(&self) -> String {
        let side = |pick: fn(&(DataType, i64, i64)) -> i64| -> Map<String, Value> {
            self.ranges.iter().map(|(name, range)| (name.clone(), value(&range.0, pick(range)))).collect()
        };
        json!({
            "numRecords": self.rows,
            "minValues": side(|range| range.1),
            "maxValues": side(|range| range.2),
            "nullCount": self.nulls,
        })
        .to_string()
    }
}

fn value(kind: &DataType, raw: i64) -> Value {
    match kind {
        DataType::Date32 => json!(date_of(i32::try_from(raw).unwrap_or(i32::MAX)).to_string()),
        DataType::Timestamp(..) => {
            let moment = chrono::DateTime::from_timestamp_micros(raw).unwrap_or_default();
            json!(moment.naive_utc().format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
        }
        _ => json!(raw),
    }
}
