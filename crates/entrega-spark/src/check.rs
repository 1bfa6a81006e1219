//! What must hold of rows before they are written.
//!
//! ```text
//!  rows (staged) ─▶ one pass over them: a count for each check ─┬─▶ a variable ─▶ stop_if: the first that may not fail
//!  references ─────▶ anti-join for each relationship ──────────┘       └──────▶ ops.checks, with the batch
//! ```
//!
//! Findings are few, so they wait in a session variable.
//!
//! Names, counts and messages are those of the embedded engine. What it calls the first offending value is here the
//! smallest: rows have no order in Spark.

use std::{collections::BTreeMap, fmt::Write as _};

use entrega_model::{
    model::{Check, Model, Severity},
    tables::{Layer, TableName},
};

use crate::{Batch, Result, Script, quote};

/// Relations that may be referred to, by `layer.table.column`. Each has that column.
pub type References = BTreeMap<String, String>;

/// The references of a model's relationship checks, of those tables for which there is a relation.
///
/// # Errors
/// When a check names no table.
pub fn references(model: &Model, relation: impl Fn(&TableName) -> Option<String>) -> Result<References> {
    let mut references = References::new();
    for check in &model.checks {
        let Check::Relationship { to, .. } = check else { continue };
        let (table, _) = to.rsplit_once('.').unwrap_or((to, ""));
        if let Some(relation) = relation(&table.parse()?) {
            references.insert(to.clone(), relation);
        }
    }
    Ok(references)
}

const HINT: &str = "nothing was published; mend the model, or the contract that should have rejected the rows";

/// What was found so far in this batch: a variable.
const FOUND: &str = "batch_checks";

const ROW: &str = "STRUCT<`table`: STRING, `check`: STRING, severity: STRING, `rows`: BIGINT, failures: BIGINT, sample: STRING, stops: BOOLEAN>";

/// Begins the findings of a batch.
pub fn begin(script: &mut Script) {
    script.variable(FOUND, &format!("ARRAY<{ROW}>"), "array()");
}

/// Counts what does not hold of a view's rows, and ends the batch where that is too much. A relationship to what is
/// not among the references is not looked at. Uniqueness of upserted rows is the upsert's own.
///
/// # Errors
/// When a name is not plain.
pub fn check(script: &mut Script, model: &Model, rows: &str, references: &References) -> Result<()> {
    let found = findings(model, rows, references)?;
    if found.is_empty() {
        return Ok(());
    }
    let title = format!("{}: checks", model.table);
    script.heavy(&title, format!("SET VARIABLE {FOUND} = (\n{}\n)", query(model, rows, &found)));
    script.stop_if(
        title,
        &format!(
            "SELECT concat('table ', `table`, ': check ', `check`, ' failed: ', failures, ' of ', `rows`, ' rows',\n  \
             coalesce(concat(', for example \\'', sample, '\\''), ''), {})\nFROM (SELECT inline({FOUND}))\nWHERE stops\nLIMIT 1",
            quote::text(&format!("\nhint: {HINT}")),
        ),
    );
    Ok(())
}

/// Writes the findings into `ops.checks`.
///
/// # Errors
/// When the batch lacks that table.
pub fn record(script: &mut Script, batch: &Batch) -> Result<()> {
    let checks = batch.tables.get(&TableName::new(Layer::Ops, "checks"))?;
    script.heavy(
        checks.table.to_string(),
        format!(
            "INSERT INTO {}\n  (batch_id, `table`, `drop`, `check`, severity, `rows`, failures, sample)\n\
             SELECT {}, `table`, CAST(NULL AS STRING), `check`, severity, `rows`, failures, sample\nFROM (SELECT inline({FOUND}))",
            batch.place.table(&checks.table),
            quote::text(&batch.id),
        ),
    );
    Ok(())
}

/// One check of a model as expressions over its rows.
struct Finding {
    name: String,
    severity: Severity,
    /// An aggregate over the rows: how many fail.
    failures: String,
    /// An aggregate over the rows: an offending value.
    sample: Option<String>,
    /// What the rows must be joined with, for a relationship.
    reference: Option<(String, String)>,
    /// Of `failures` and `rows`, whether the batch must end.
    stops: String,
}

fn findings(model: &Model, rows: &str, references: &References) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for check in &model.checks {
        let mut add = |name: String, failures: String, sample: Option<String>, reference| {
            let stops = match (check.tolerance(), check.severity()) {
                (Some(borne), _) => {
                    format!("failures > {} AND failures > {:?}D * `rows`", borne.rows, borne.share)
                }
                (None, Severity::Fail) => "failures > 0".to_owned(),
                (None, _) => "false".to_owned(),
            };
            found.push(Finding { name, severity: check.severity(), failures, sample, reference, stops });
        };
        match check {
            Check::Unique { .. } => {
                let grain = model.grain.iter().map(|column| quote::name(column)).collect::<Result<Vec<_>>>()?;
                let failures = if model.source.is_some() {
                    "0L".to_owned()
                } else {
                    // A struct counts whatever is NULL in it.
                    format!("count(*) - count(DISTINCT struct({}))", quote::list(grain))
                };
                add(format!("unique({})", model.grain.join(", ")), failures, None, None);
            }
            Check::NotNull { columns, .. } => {
                for column in columns {
                    let failures = format!("count_if({} IS NULL)", quote::name(column)?);
                    add(format!("not_null({column})"), failures, None, None);
                }
            }
            Check::AcceptedValues { column, values, .. } => {
                let value = format!("CAST({} AS STRING)", quote::name(column)?);
                let outside = match values.as_slice() {
                    [] => format!("{value} IS NOT NULL"),
                    values => {
                        format!("{value} NOT IN ({})", quote::list(values.iter().map(|value| quote::text(value))))
                    }
                };
                let sample = format!("min({value}) FILTER (WHERE {outside})");
                add(format!("accepted_values({column})"), format!("count_if({outside})"), Some(sample), None);
            }
            Check::Relationship { column, to, .. } => {
                let Some(relation) = references.get(to) else { continue };
                let (value, key) = (quote::name(column)?, quote::name(to.rsplit('.').next().unwrap_or(to))?);
                let query = format!(
                    "SELECT CAST(row.{value} AS STRING) AS value FROM {rows} AS row\n  LEFT ANTI JOIN {relation} AS known ON row.{value} = known.{key}\n  \
                     WHERE row.{value} IS NOT NULL"
                );
                add(
                    format!("relationship({column} → {to})"),
                    "count(*)".to_owned(),
                    Some("min(value)".to_owned()),
                    Some((to.clone(), query)),
                );
            }
        }
    }
    Ok(found)
}

/// The findings of before, and one for each check.
fn query(model: &Model, rows: &str, found: &[Finding]) -> String {
    let mut counted = vec!["    count(*) AS `rows`".to_owned()];
    let mut joined = String::new();
    let mut steps = String::new();
    let mut results = Vec::new();
    for (place, finding) in (1..).zip(found) {
        let (failures, sample) = (format!("failures_{place}"), format!("sample_{place}"));
        let mut columns = vec![format!("    {} AS {failures}", finding.failures)];
        if let Some(value) = &finding.sample {
            columns.push(format!("    {value} AS {sample}"));
        }
        if let Some((to, query)) = &finding.reference {
            let columns = columns.join(",\n");
            let _ = write!(
                steps,
                ",\n\n-- Values that {to} does not know.\nunknown_{place} AS (\n  SELECT\n{columns}\n  FROM (\n{query}\n  )\n)"
            );
            let _ = write!(joined, "\nCROSS JOIN unknown_{place}");
        } else {
            counted.extend(columns);
        }
        results.push(format!(
            "  named_struct('table', {}, 'check', {}, 'severity', {}, 'rows', `rows`, 'failures', {failures}, 'sample', {}, 'stops', {})",
            quote::text(&model.table.to_string()),
            quote::text(&finding.name),
            quote::text(finding.severity.name()),
            if finding.sample.is_some() { &sample } else { "CAST(NULL AS STRING)" },
            finding.stops.replace("failures", &failures),
        ));
    }
    format!(
        "WITH counted AS (\n  SELECT\n{}\n  FROM {rows}\n){steps}\n\nSELECT concat({FOUND}, array(\n{}\n))\nFROM counted{joined}",
        counted.join(",\n"),
        results.join(",\n"),
    )
}
