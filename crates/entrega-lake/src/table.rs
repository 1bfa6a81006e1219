//! A table at a version: its definition and the data files that make it up.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;
use deltalake::{DeltaTable, DeltaTableBuilder, kernel::Add};
use entrega_model::{
    model::{Model, ModelColumn},
    tables::TableName,
};
use serde::Deserialize;

use crate::{Lake, LakeError, Result, schema::arrow_schema};

/// What a table is: its name, columns and partition. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The name.
    pub table: TableName,
    /// What a row is.
    pub description: String,
    /// The columns, in order.
    pub columns: Arc<[ModelColumn]>,
    /// The partition column, a DATE that is the first of a month.
    pub partition: Option<String>,
}

impl Definition {
    /// The definition that a model declares.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        Self {
            table: model.table.clone(),
            description: model.description.clone(),
            columns: model.columns.clone().into(),
            partition: model.partition.clone(),
        }
    }

    /// The Arrow schema of the table's rows, the partition column included.
    ///
    /// # Errors
    /// [`LakeError::Shape`] for an unknown type.
    pub fn schema(&self) -> Result<SchemaRef> {
        arrow_schema(&self.columns)
    }
}

/// One data file of a table.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// What the Delta log says of it.
    pub add: Add,
    /// The partition's month, for partitioned tables.
    pub month: Option<NaiveDate>,
    /// Rows.
    pub rows: u64,
    /// Smallest and largest day that each date or timestamp column holds; columns without a value are absent.
    pub days: BTreeMap<String, (NaiveDate, NaiveDate)>,
}

impl DataFile {
    /// Whether some date or timestamp of the file may fall on a day for which `wanted` holds.
    pub fn may_hold_day(&self, wanted: impl Fn(NaiveDate, NaiveDate) -> bool) -> bool {
        self.days.values().any(|(first, last)| wanted(*first, *last))
    }

    pub(crate) fn of(add: Add) -> Self {
        let statistics: Statistics =
            add.stats.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let day = |value: &serde_json::Value| value.as_str().and_then(|text| text.get(..10)?.parse().ok());
        let days = statistics
            .min_values
            .iter()
            .filter_map(|(name, low)| Some((name.clone(), (day(low)?, day(statistics.max_values.get(name)?)?))))
            .collect();
        let month = add.partition_values.values().next().and_then(|value| value.as_deref()?.parse().ok());
        Self { month, rows: statistics.num_records, days, add }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statistics {
    num_records: u64,
    min_values: BTreeMap<String, serde_json::Value>,
    max_values: BTreeMap<String, serde_json::Value>,
}

/// A table at one version; of a table that does not exist yet, no version and no files.
#[derive(Debug, Clone)]
pub struct TableState {
    /// What the table is.
    pub definition: Definition,
    /// The version, `None` before the first commit.
    pub version: Option<u64>,
    /// The files of that version.
    pub files: Vec<DataFile>,
}

impl TableState {
    /// A table without a version.
    #[must_use]
    pub fn absent(definition: Definition) -> Self {
        Self { definition, version: None, files: Vec::new() }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &TableName {
        &self.definition.table
    }

    /// Rows, from the files' statistics.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The files of one month; of an unpartitioned table, all.
    pub fn files_of(&self, month: Option<NaiveDate>) -> impl Iterator<Item = &DataFile> {
        let partitioned = self.definition.partition.is_some();
        self.files.iter().filter(move |file| !partitioned || file.month == month)
    }

    /// The months that have files, newest first.
    #[must_use]
    pub fn months(&self) -> Vec<NaiveDate> {
        let mut months: Vec<NaiveDate> = self.files.iter().filter_map(|file| file.month).collect();
        months.sort_unstable_by(|a, b| b.cmp(a));
        months.dedup();
        months
    }
}

impl Lake {
    /// The Delta table, not loaded.
    pub(crate) fn delta(&self, table: &TableName) -> Result<DeltaTableBuilder> {
        let location = self.url().join(&format!("{}/", table.path())).map_err(|error| LakeError::Shape {
            table: table.to_string(),
            problem: error.to_string(),
            hint: "check the lake's URL",
        })?;
        let builder = DeltaTableBuilder::from_url(location.clone())
            .map_err(|error| LakeError::table(table, "opening it", error))?;
        Ok(builder.with_storage_backend(Arc::clone(self.store()), location))
    }

    /// The Delta table at a version (the latest if `None`), or `None` if there is no table.
    ///
    /// # Errors
    /// [`LakeError::Table`] when the log cannot be read or has no such version.
    pub async fn delta_table(&self, table: &TableName, version: Option<u64>) -> Result<Option<DeltaTable>> {
        let mut builder = self.delta(table)?;
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        match builder.load().await {
            Ok(delta) => Ok(Some(delta)),
            Err(deltalake::DeltaTableError::NotATable(_)) if version.is_none() => Ok(None),
            Err(error) if version.is_none() && !self.has_log(table).await? => {
                tracing::debug!(%table, %error, "no table yet");
                Ok(None)
            }
            Err(error) => Err(LakeError::table(table, "opening it", error)),
        }
    }

    async fn has_log(&self, table: &TableName) -> Result<bool> {
        Ok(!self.list(&format!("{}/_delta_log", table.path())).await?.objects.is_empty())
    }

    /// A table at a published version; `None` gives an absent table, whatever the log holds.
    ///
    /// # Errors
    /// [`LakeError::Table`].
    pub async fn table(&self, definition: &Definition, version: Option<u64>) -> Result<TableState> {
        let Some(version) = version else { return Ok(TableState::absent(definition.clone())) };
        let delta = self.delta_table(&definition.table, Some(version)).await?;
        let files = match &delta {
            Some(delta) => data_files(delta, &definition.table)?,
            None => Vec::new(),
        };
        Ok(TableState { definition: definition.clone(), version: Some(version), files })
    }
}

/// The data files of a loaded Delta table.
pub(crate) fn data_files(delta: &DeltaTable, table: &TableName) -> Result<Vec<DataFile>> {
    let snapshot = delta.snapshot().map_err(|error| LakeError::table(table, "listing its files", error))?;
    // Add actions are what a commit takes back; the replacement that delta-rs announces gives Arrow columns.
    #[allow(deprecated)]
    Ok(snapshot.log_data().iter().map(|file| DataFile::of(file.add_action())).collect())
}
