//! Training sets: the features of a lake, split by time and maturity, ready for a model.
//!
//! ```text
//!   decided ──────────────────────────▶│ train_until             │ test_until
//!   ░░░░░░ train: matured by then ░░░░░│▓▓▓ test: decided after ▓▓│
//!                    ╲ decided before, matured after: in neither ╱
//! ```
//!
//! A row is learnt from only if its promise had passed on the training day: whoever takes what is *delivered* by then
//! learns from the fast orders. Whatever is fitted (means, medians, levels) is fitted on the training rows alone, kept as
//! a readable file, and applied to both.

mod dictionary;
mod drift;
mod prepare;
mod write;

use arrow::{array::RecordBatch, compute::concat_batches};
use chrono::NaiveDate;
use entrega_model::model::Model;
use serde::Serialize;

pub use self::{
    dictionary::Entry,
    prepare::{Feature, Fitted, Preparation},
    write::Format,
};
use crate::{AskError, QuerySource};

/// Columns that are no features: what a row is, and what is to be predicted.
#[must_use]
pub fn is_feature(column: &str) -> bool {
    !["order_id", "decided_at", "purchase_month", "matured_at"].contains(&column) && !column.starts_with("label_")
}

/// What goes wrong with a training set.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The lake could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The request does not fit: mend the arguments.
    #[error("{problem}\nhint: {hint}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// Rows could not be computed with.
    #[error(
        "the rows of {what} cannot be prepared\nhint: please report this with the table's columns (`entrega tables`)"
    )]
    Rows {
        /// What was being prepared.
        what: String,
        /// The cause.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// A file could not be written.
    #[error("{path} cannot be written\nhint: choose another folder with --out")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct TrainingRequest<'a> {
    /// The model of the table.
    pub model: &'a Model,
    /// Rows that had matured by the beginning of this day are learnt from.
    pub train_until: NaiveDate,
    /// Rows decided from then on and before this day are for testing.
    pub test_until: NaiveDate,
    /// Whether values are imputed, encoded and scaled.
    pub prepared: bool,
}

/// How many rows went where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows learnt from.
    pub train: usize,
    /// Rows for testing.
    pub test: usize,
    /// Decided before the training day but matured after it: in neither part.
    pub matured_too_late: usize,
    /// Decided in the span of the test, but without a label yet (or ever: canceled orders).
    pub without_label: usize,
}

/// Rows split and prepared.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// Rows to learn from.
    pub train: RecordBatch,
    /// Rows to test with.
    pub test: RecordBatch,
    /// What was fitted, and on what.
    pub preparation: Preparation,
    /// What every feature means.
    pub dictionary: Vec<Entry>,
}

/// Splits a table of features and prepares it.
///
/// # Errors
/// [`TrainingError::Request`] when a part would be empty, else from the lake.
pub async fn build(
    source: &dyn QuerySource,
    request: TrainingRequest<'_>,
    lineage: &[entrega_model::knowledge::FeatureLineage],
) -> Result<TrainingSet, TrainingError> {
    let TrainingRequest { model, train_until, test_until, .. } = request;
    if test_until <= train_until {
        return Err(TrainingError::Request {
            problem: format!("--test-until {test_until} does not lie after --train-until {train_until}"),
            hint: "test rows are those decided from --train-until on and before --test-until".to_owned(),
        });
    }
    let facts = source.lake();
    let Some(version) = source.table_versions().get(&model.table.to_string()).copied() else {
        return Err(TrainingError::Request {
            problem: format!("{} has no table {} yet", facts.label, model.table),
            hint: "`entrega run features` computes it".to_owned(),
        });
    };
    let columns: Vec<&str> = model.columns.iter().map(|column| column.name.as_str()).collect();
    // Names come from the project's own declarations, days from the calendar.
    let select = |condition: String| {
        let (columns, table) = (columns.join(", "), &model.table);
        format!("select {columns} from {table} where {condition} order by decided_at, order_id")
    };
    let (cut, end) = (format!("timestamp '{train_until} 00:00:00'"), format!("timestamp '{test_until} 00:00:00'"));
    let labelled = "label_is_late is not null";
    let train = ask(source, &select(format!("matured_at <= {cut} and {labelled}"))).await?;
    let test = ask(source, &select(format!("decided_at >= {cut} and decided_at < {end} and {labelled}"))).await?;
    let count = async |condition: String| -> Result<usize, TrainingError> {
        let sql = format!("select count(*) as n from {} where {condition}", model.table);
        let rows = crate::rows::ask(source, "rows of features", &sql).await?;
        // Counts of a lake are far below what a double holds exactly.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(rows.number("n", 0).unwrap_or(0.0) as usize)
    };
    let counts = Counts {
        train: train.num_rows(),
        test: test.num_rows(),
        matured_too_late: count(format!("decided_at < {cut} and matured_at > {cut}")).await?,
        without_label: count(format!("decided_at >= {cut} and decided_at < {end} and label_is_late is null")).await?,
    };
    for (part, rows) in [("train", counts.train), ("test", counts.test)] {
        if rows == 0 {
            let span = crate::rows::ask(
                source,
                "the span of features",
                &format!("select min(decided_at) as first, max(decided_at) as last from {}", model.table),
            )
            .await?;
            let moment = |name| span.text(name, 0).unwrap_or("nothing").to_owned();
            return Err(TrainingError::Request {
                problem: format!("the {part} part would hold no row"),
                hint: format!(
                    "{} has decisions from {} to {}; a row counts when its promise has passed",
                    model.table,
                    moment("first"),
                    moment("last")
                ),
            });
        }
    }
    let origin = prepare::Origin {
        table: model.table.to_string(),
        lake: facts.label,
        batch: facts.batch,
        version,
        train_until,
        test_until,
        rows: counts,
    };
    let dictionary = dictionary::describe(model, lineage, &train, &test)?;
    let preparation = prepare::fit(origin, &train, request.prepared)?;
    let (train, test) = (preparation.apply(&train)?, preparation.apply(&test)?);
    Ok(TrainingSet { train, test, preparation, dictionary })
}

async fn ask(source: &dyn QuerySource, sql: &str) -> Result<RecordBatch, TrainingError> {
    let what = "rows of features";
    let batches = source.query(sql).await.map_err(|error| AskError::Query { what, error })?;
    let Some(first) = batches.first() else {
        return Ok(RecordBatch::new_empty(arrow::datatypes::Schema::empty().into()));
    };
    concat_batches(&first.schema(), &batches).map_err(|source| TrainingError::Rows { what: what.to_owned(), source })
}

/// The share of rows without a value.
fn missing(rows: &RecordBatch, column: &str) -> f64 {
    let nulls = rows.column_by_name(column).map_or(0, arrow::array::Array::logical_null_count);
    share(nulls, rows.num_rows())
}

/// A share; 0 of nothing.
#[allow(clippy::cast_precision_loss)]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl TrainingSet {
    /// Writes the set into a folder: both parts, what was fitted, the dictionary and the drift. Gives the files' names.
    ///
    /// # Errors
    /// [`TrainingError::Write`].
    pub fn write(&self, folder: &std::path::Path, format: Format) -> Result<Vec<String>, TrainingError> {
        write::write(self, folder, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_names_are_no_features() {
        let columns = ["order_id", "decided_at", "label_is_late", "matured_at", "purchase_month"];
        assert!(columns.into_iter().all(|column| !is_feature(column)));
        assert!(is_feature("promised_days"));
    }
}
