//! Parity: two lakes that were made of the same drops hold the same rows.
//!
//! ```text
//!  drops ─┬─▶ lake one (embedded) ──┐  every table of clean, summary and features, month by month,
//!         └─▶ lake two (Spark) ─────┴▶ rows by key, every column ─▶ the first that differ
//! ```
//!
//! Doubles may differ in their last digits, because sums of them depend on the order of rows; all else is equal or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::NaiveDate;
use entrega_lake::{Definition, Lake, TableState};
use entrega_model::{
    drops::LANDING,
    model::Model,
    tables::{Layer, TableName},
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::{Context, FlowError, Result, ingest::normal_folder, ledger::Ledger};

/// Differences of a table that are told.
const SHOWN: usize = 5;

/// How far two doubles may be apart, relative to the larger one.
const TOLERANCE: f64 = 1e-9;

/// Copies at once.
const CONCURRENCY: usize = 16;

/// What was compared.
#[derive(Debug, Default)]
pub struct Parity {
    tables: BTreeMap<TableName, Compared>,
}

/// One table of both lakes.
#[derive(Debug, Default)]
struct Compared {
    rows: usize,
    differences: usize,
    shown: Vec<String>,
}

impl Parity {
    /// Rows that differ, of all tables.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.tables.values().map(|table| table.differences).sum()
    }
}

impl fmt::Display for Parity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (table, compared) in &self.tables {
            writeln!(formatter, "{table:<32} {:>10} rows {:>8} differ", compared.rows, compared.differences)?;
            for line in &compared.shown {
                writeln!(formatter, "    {line}")?;
            }
        }
        let rows: usize = self.tables.values().map(|table| table.rows).sum();
        write!(formatter, "{} tables, {rows} rows, {} differ", self.tables.len(), self.differences())
    }
}

/// Copies drops (all, or these) from one lake's landing zone into another's.
///
/// # Errors
/// When a lake fails, or a drop is not there.
pub async fn copy_drops(from: &Lake, to: &Lake, drops: &[String]) -> Result<()> {
    let folders: Vec<String> = if drops.is_empty() {
        vec![LANDING.to_owned()]
    } else {
        drops.iter().map(|drop| normal_folder(drop)).collect()
    };
    for folder in folders {
        let objects = from.objects(&folder).await?;
        if objects.is_empty() {
            return Err(FlowError::Request {
                problem: format!("there is nothing in {folder} of {}", from.url()),
                hint: "`entrega status` lists the drops of a lake".to_owned(),
            });
        }
        let copies = objects.into_iter().map(|object| async move {
            let bytes = from.get(&object.path).await?.unwrap_or_default();
            to.put(&object.path, bytes).await
        });
        let copies = futures::stream::iter(copies.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY);
        copies.try_collect::<()>().await?;
    }
    Ok(())
}

/// Compares what two lakes publish: every table of clean, summary and features.
///
/// # Errors
/// When a lake cannot be read.
pub async fn compare(left: &Context, right: &Context) -> Result<Parity> {
    let ledgers = (Ledger::open(&left.lake, None).await?, Ledger::open(&right.lake, None).await?);
    let mut found = Parity::default();
    let layers = [Layer::Clean, Layer::Summary, Layer::Features];
    for model in left.project.models().iter().filter(|model| layers.contains(&model.table.layer)) {
        let definition = Definition::of(model);
        let states =
            (ledgers.0.state(&left.lake, &definition).await?, ledgers.1.state(&right.lake, &definition).await?);
        let months: BTreeSet<Option<NaiveDate>> =
            states.0.files.iter().chain(&states.1.files).map(|file| file.month).collect();
        let compared = found.tables.entry(model.table.clone()).or_default();
        for month in months {
            let rows = (rows(&left.lake, &states.0, month).await?, rows(&right.lake, &states.1, month).await?);
            compared.add(model, &rows.0, &rows.1)?;
        }
    }
    Ok(found)
}

async fn rows(lake: &Lake, state: &TableState, month: Option<NaiveDate>) -> Result<RecordBatch> {
    let files: Vec<_> = state.files.iter().filter(|file| file.month == month).collect();
    let rows = lake.read(state, &files, None).await?;
    concat_batches(&state.definition.schema()?, &rows).map_err(FlowError::rows(state.name()))
}

impl Compared {
    fn add(&mut self, model: &Model, left: &RecordBatch, right: &RecordBatch) -> Result<()> {
        let error = || FlowError::rows(&model.table);
        let (keys, others) = (by_key(model, left).map_err(error())?, by_key(model, right).map_err(error())?);
        self.rows += keys.len();
        let names: BTreeSet<&String> = keys.keys().chain(others.keys()).collect();
        for key in names {
            let told = match (keys.get(key), others.get(key)) {
                (Some(here), Some(there)) => different(left, *here, right, *there).map_err(error())?,
                (Some(_), None) => Some("only in the first lake".to_owned()),
                _ => Some("only in the second lake".to_owned()),
            };
            if let Some(told) = told {
                self.differences += 1;
                if self.shown.len() < SHOWN {
                    self.shown.push(format!("{key}: {told}"));
                }
            }
        }
        let repeated = (left.num_rows() - keys.len()) + (right.num_rows() - others.len());
        if repeated > 0 {
            self.differences += repeated;
            self.shown.push(format!("{repeated} rows repeat a key ({})", model.grain.join(", ")));
        }
        Ok(())
    }
}

/// Rows by the text of their key.
fn by_key(model: &Model, rows: &RecordBatch) -> std::result::Result<BTreeMap<String, usize>, arrow::error::ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = model.grain.iter().filter_map(|name| rows.column_by_name(name));
    let columns =
        columns.map(|column| ArrayFormatter::try_new(column, &options)).collect::<std::result::Result<Vec<_>, _>>()?;
    let key = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" / ");
    Ok((0..rows.num_rows()).map(|row| (key(row), row)).collect())
}

/// How two rows differ, if they do.
fn different(
    left: &RecordBatch,
    here: usize,
    right: &RecordBatch,
    there: usize,
) -> std::result::Result<Option<String>, arrow::error::ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    for (index, field) in left.schema().fields().iter().enumerate() {
        let (one, other) = (left.column(index), right.column(index));
        if field.data_type() == &DataType::Float64 && one.is_valid(here) && other.is_valid(there) {
            let (one, other) =
                (one.as_primitive::<Float64Type>().value(here), other.as_primitive::<Float64Type>().value(there));
            if (one - other).abs() <= TOLERANCE * one.abs().max(other.abs()) {
                continue;
            }
        }
        let (one, other) = (ArrayFormatter::try_new(one, &options)?, ArrayFormatter::try_new(other, &options)?);
        let (one, other) = (one.value(here).to_string(), other.value(there).to_string());
        if one != other {
            return Ok(Some(format!("{} is {one}, in the second lake {other}", field.name())));
        }
    }
    Ok(None)
}
