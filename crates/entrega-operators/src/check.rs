//! Check: what must hold of rows before they are committed.

use std::collections::HashMap;

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::{cast, filter_record_batch, not},
    datatypes::DataType,
    error::ArrowError,
    row::Rows,
};
use entrega_model::{
    contract::Tolerance,
    model::{Check, Model, Severity},
};

use crate::{
    OperatorError, Result,
    keys::{Id, id, key_rows, text},
};

/// The result of one check over one batch's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// The table.
    pub table: String,
    /// The drop, if the check looked at the rows of one.
    pub drop: Option<String>,
    /// The check, for example `not_null(order_id)`.
    pub check: String,
    /// What a failure means.
    pub severity: Severity,
    /// How many failures are borne.
    pub tolerance: Option<Tolerance>,
    /// Rows looked at.
    pub rows: u64,
    /// Rows for which it does not hold.
    pub failures: u64,
    /// The first offending value, if any.
    pub sample: Option<String>,
}

impl CheckResult {
    /// Whether the batch must end for it.
    #[must_use]
    pub fn stops(&self) -> bool {
        match self.tolerance {
            Some(tolerance) => !tolerance.bears(self.failures, self.rows),
            None => self.severity == Severity::Fail && self.failures > 0,
        }
    }
}

/// Rows that a check sends to quarantine.
#[derive(Debug, Clone)]
pub struct Diverted {
    /// The rows, as the table would have held them.
    pub rows: RecordBatch,
    /// The rule: `unique`, `not_null`, `accepted`, `relationship` or `parent`.
    pub rule: &'static str,
    /// What does not hold.
    pub reason: String,
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
        let mut add = |name: String, (failures, sample): (u64, Option<String>)| {
            results.push(CheckResult {
                table: model.table.to_string(),
                drop: None,
                check: name,
                severity: check.severity(),
                tolerance: check.tolerance(),
                rows: total,
                failures,
                sample,
            });
        };
        match check {
            Check::Unique { .. } => {
                let found = if model.source.is_some() {
                    (0, None)
                } else {
                    repeated(rows, &model.grain).map_err(OperatorError::rows(&model.table))?
                };
                add(format!("unique({})", model.grain.join(", ")), found);
            }
            Check::NotNull { columns, .. } => {
                for column in columns {
                    let nulls = rows
                        .iter()
                        .filter_map(|batch| batch.column_by_name(column))
                        .map(|column| column.null_count() as u64)
                        .sum();
                    add(format!("not_null({column})"), (nulls, None));
                }
            }
            Check::AcceptedValues { column, values, .. } => {
                let accepted: hashbrown::HashSet<&str> = values.iter().map(String::as_str).collect();
                add(format!("accepted_values({column})"), outside(rows, column, |value| accepted.contains(value)));
            }
            Check::Relationship { column, to, .. } => {
                if let Some(known) = references.get(to) {
                    add(format!("relationship({column} → {to})"), outside(rows, column, |value| known.contains(value)));
                }
            }
        }
    }
    Ok(results)
}

/// Takes out the rows that a model's checks send to quarantine.
///
/// # Errors
/// From Arrow's kernels.
pub fn divert(
    model: &Model,
    mut rows: Vec<RecordBatch>,
    references: &References,
) -> Result<(Vec<RecordBatch>, Vec<Diverted>)> {
    let mut diverted = Vec::new();
    for check in model.checks.iter().filter(|check| check.severity() == Severity::Quarantine) {
        let rules: Vec<(&'static str, &str, String)> = match check {
            Check::Unique { .. } => Vec::new(),
            Check::NotNull { columns, .. } => {
                columns.iter().map(|column| ("not_null", column.as_str(), format!("{column} is missing"))).collect()
            }
            Check::AcceptedValues { column, .. } => {
                vec![("accepted", column, format!("{column} is not an accepted value"))]
            }
            Check::Relationship { column, to, .. } => {
                vec![("relationship", column, format!("{column} is not among {to}"))]
            }
        };
        for (rule, column, reason) in rules {
            let holds = |value: Option<&str>| match (check, value) {
                (Check::NotNull { .. }, value) => value.is_some(),
                (Check::AcceptedValues { values, .. }, Some(value)) => values.iter().any(|accepted| accepted == value),
                (Check::Relationship { to, .. }, Some(value)) => {
                    references.get(to).is_none_or(|known| known.contains(value))
                }
                _ => true,
            };
            for batch in &mut rows {
                let values = batch.column_by_name(column).map(|column| cast(column, &DataType::Utf8)).transpose();
                let Some(values) = values.map_err(OperatorError::rows(&model.table))? else { continue };
                let bad: BooleanArray = values.as_string::<i32>().iter().map(|value| Some(!holds(value))).collect();
                if bad.true_count() == 0 {
                    continue;
                }
                let taken =
                    |mask: &BooleanArray| filter_record_batch(batch, mask).map_err(OperatorError::rows(&model.table));
                let good = not(&bad).map_err(OperatorError::rows(&model.table))?;
                let (out, kept) = (taken(&bad)?, taken(&good)?);
                diverted.push(Diverted { rows: out, rule, reason: reason.clone() });
                *batch = kept;
            }
        }
    }
    Ok((rows, diverted))
}

/// For each row, whether everything that a model sends to quarantine for want of a relationship is there.
///
/// # Errors
/// From Arrow's kernels.
pub fn references_hold(model: &Model, rows: &RecordBatch, references: &References) -> Result<Vec<bool>> {
    let mut holds = vec![true; rows.num_rows()];
    for check in model.checks.iter().filter(|check| check.severity() == Severity::Quarantine) {
        let Check::Relationship { column, to, .. } = check else { continue };
        let Some(known) = references.get(to) else { continue };
        let values = text(rows, column).map_err(OperatorError::rows(&model.table))?;
        for (holds, value) in holds.iter_mut().zip(values) {
            *holds &= value.is_none_or(|value| known.contains(value));
        }
    }
    Ok(holds)
}

/// The first failure that must stop the batch, as an error.
///
/// # Errors
/// [`OperatorError::Check`].
pub fn stop_at_failure(results: &[CheckResult]) -> Result<()> {
    let Some(failed) = results.iter().find(|result| result.stops()) else { return Ok(()) };
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
