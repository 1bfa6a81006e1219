//! Check: what must hold of rows before they are committed.

use std::collections::HashMap;

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
    row::Rows,
};
use entrega_model::model::{Check, Model, Severity};

use crate::{
    OperatorError, Result,
    keys::{Id, id, key_rows, text},
};

/// The result of one check over one batch's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The table.
    pub table: String,
    /// The check, for example `not_null(order_id)`.
    pub check: String,
    /// What a failure means.
    pub severity: Severity,
    /// Rows looked at.
    pub rows: u64,
    /// Rows for which it does not hold.
    pub failures: u64,
    /// The first offending value, if any.
    pub sample: Option<String>,
}

/// Values that may be referred to, by `layer.table.column`.
pub type References = HashMap<String, Known>;

/// The values of a column; ids are kept as bytes.
#[derive(Debug, Clone, Default)]
pub struct Known {
    ids: hashbrown::HashSet<Id>,
    others: hashbrown::HashSet<String>,
}

impl Known {
    /// Adds the values of a text column of some rows.
    ///
    /// # Errors
    /// When there is no such column or it is not text.
    pub fn add(&mut self, rows: &[RecordBatch], column: &str) -> Result<(), ArrowError> {
        for rows in rows {
            for value in text(rows, column)?.iter().flatten() {
                match id(value) {
                    Some(id) => self.ids.insert(id),
                    None => self.others.insert(value.to_owned()),
                };
            }
        }
        Ok(())
    }

    /// Whether a value is one of them.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        id(value).map_or_else(|| self.others.contains(value), |id| self.ids.contains(&id))
    }
}

/// Runs a model's checks over rows about to be committed. Uniqueness of upserted tables is enforced by the upsert
/// itself, so it is looked at here only for recomputed ones.
///
/// # Errors
/// From Arrow's kernels.
pub fn check(model: &Model, rows: &[RecordBatch], references: &References) -> Result<Vec<CheckResult>> {
    let total: u64 = rows.iter().map(|batch| batch.num_rows() as u64).sum();
    let mut results = Vec::new();
    for check in &model.checks {
        let mut add = |name: String, severity: Severity, (failures, sample): (u64, Option<String>)| {
            results.push(CheckResult {
                table: model.table.to_string(),
                check: name,
                severity,
                rows: total,
                failures,
                sample,
            });
        };
        match check {
            Check::Unique { severity } => {
                let found = if model.source.is_some() {
                    (0, None)
                } else {
                    repeated(rows, &model.grain).map_err(OperatorError::rows(&model.table))?
                };
                add(format!("unique({})", model.grain.join(", ")), *severity, found);
            }
            Check::NotNull { columns, severity } => {
                for column in columns {
                    let nulls = rows
                        .iter()
                        .filter_map(|batch| batch.column_by_name(column))
                        .map(|column| column.null_count() as u64)
                        .sum();
                    add(format!("not_null({column})"), *severity, (nulls, None));
                }
            }
            Check::AcceptedValues { column, values, severity } => {
                let accepted: hashbrown::HashSet<&str> = values.iter().map(String::as_str).collect();
                add(
                    format!("accepted_values({column})"),
                    *severity,
                    outside(rows, column, |value| accepted.contains(value)),
                );
            }
            Check::Relationship { column, to, severity } => {
                if let Some(known) = references.get(to) {
                    add(
                        format!("relationship({column} → {to})"),
                        *severity,
                        outside(rows, column, |value| known.contains(value)),
                    );
                }
            }
        }
    }
    Ok(results)
}

/// The first failure that must stop the batch, as an error.
///
/// # Errors
/// [`OperatorError::Check`].
pub fn stop_at_failure(results: &[CheckResult]) -> Result<()> {
    let Some(failed) = results.iter().find(|result| result.failures > 0 && result.severity == Severity::Fail) else {
        return Ok(());
    };
    let sample = failed.sample.as_ref().map(|sample| format!(", for example '{sample}'")).unwrap_or_default();
    Err(OperatorError::Check {
        table: failed.table.clone(),
        check: failed.check.clone(),
        problem: format!("{} of {} rows{sample}", failed.failures, failed.rows),
        hint: "nothing was published; mend the model, or the contract that should have rejected the rows",
    })
}

fn repeated(rows: &[RecordBatch], grain: &[String]) -> Result<(u64, Option<String>), ArrowError> {
    let keys = rows.iter().map(|batch| key_rows(batch, grain)).collect::<Result<Vec<_>, _>>()?;
    let mut seen: hashbrown::HashSet<&[u8]> = hashbrown::HashSet::with_capacity(keys.iter().map(Rows::num_rows).sum());
    let mut repeats = 0;
    for key in keys.iter().flatten() {
        repeats += u64::from(!seen.insert(key.data()));
    }
    Ok((repeats, None))
}

fn outside(rows: &[RecordBatch], column: &str, inside: impl Fn(&str) -> bool) -> (u64, Option<String>) {
    let (mut failures, mut sample) = (0, None);
    for values in rows.iter().filter_map(|batch| cast(batch.column_by_name(column)?, &DataType::Utf8).ok()) {
        // Neighbours often share a value.
        let mut last = None;
        for value in values.as_string::<i32>().iter().flatten() {
            if last == Some(value) {
                continue;
            }
            if inside(value) {
                last = Some(value);
            } else {
                failures += 1;
                sample.get_or_insert_with(|| value.to_owned());
            }
        }
    }
    (failures, sample)
}
