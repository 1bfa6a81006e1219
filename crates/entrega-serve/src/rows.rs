//! Questions and their answers: query results, read by column name.
//!
//! Engines differ in the types they give back (`Utf8` or `Utf8View`, `Decimal128` or `Float64` …), so a column is cast
//! to what the reader wants.

use std::collections::HashMap;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::{DataType, Date32Type, Float64Type},
};
use chrono::{Days, NaiveDate};

use crate::source::{QueryError, QuerySource};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A query failed.
    #[error(
        "asking for {what} failed: {error}\nhint: pages read summary.* and clean.*; `entrega tables` shows whether they are there"
    )]
    Query {
        /// What was asked for.
        what: &'static str,
        /// What the engine says.
        error: QueryError,
    },
    /// An answer has another shape than expected.
    #[error(
        "the answer on {what} cannot be read in column {column}: {message}\nhint: a table was made by another version of entrega; run `entrega run all`"
    )]
    Unreadable {
        /// What was asked for.
        what: &'static str,
        /// The column.
        column: String,
        /// Why.
        message: String,
    },
}

/// Asks; `what` names the question in errors.
pub(crate) async fn ask(source: &dyn QuerySource, what: &'static str, sql: &str) -> Result<Rows, AskError> {
    let batches = source.query(sql).await.map_err(|error| AskError::Query { what, error })?;
    Rows::new(&batches, what)
}

/// The rows of one answer.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: HashMap<String, ArrayRef>,
    /// Number of rows.
    pub len: usize,
}

impl Rows {
    /// Takes an answer over; `what` names the question in errors.
    pub fn new(batches: &[RecordBatch], what: &'static str) -> Result<Self, AskError> {
        let Some(first) = batches.first() else {
            return Ok(Self { columns: HashMap::new(), len: 0 });
        };
        let batch =
            concat_batches(&first.schema(), batches).map_err(|error| unreadable(what, "all columns", &error))?;
        let schema = batch.schema();
        let mut columns = HashMap::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let wanted = match column.data_type() {
                DataType::Date32 => DataType::Date32,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Timestamp(..) => DataType::Utf8,
                _ => DataType::Float64,
            };
            let column = cast(column, &wanted).map_err(|error| unreadable(what, field.name(), &error))?;
            columns.insert(field.name().clone(), column);
        }
        Ok(Self { columns, len: batch.num_rows() })
    }

    fn column(&self, name: &str, row: usize) -> Option<&ArrayRef> {
        self.columns.get(name).filter(|column| column.is_valid(row))
    }

    /// A number; `None` for NULL.
    pub fn number(&self, name: &str, row: usize) -> Option<f64> {
        self.column(name, row)?.as_primitive_opt::<Float64Type>().map(|column| column.value(row))
    }

    /// A text; `None` for NULL. Timestamps read `YYYY-MM-DD HH:MM:SS`.
    pub fn text(&self, name: &str, row: usize) -> Option<&str> {
        Some(self.column(name, row)?.as_string_opt::<i32>()?.value(row))
    }

    /// A day; `None` for NULL.
    pub fn date(&self, name: &str, row: usize) -> Option<NaiveDate> {
        let days = self.column(name, row)?.as_primitive_opt::<Date32Type>()?.value(row);
        NaiveDate::default().checked_add_days(Days::new(u64::try_from(days).ok()?))
    }
}

fn unreadable(what: &'static str, column: &str, error: &arrow::error::ArrowError) -> AskError {
    AskError::Unreadable { what, column: column.to_owned(), message: error.to_string() }
}
