//! Features (ETL 3): what could have been known at each order's decision, and the labels that have matured.
//!
//! ```text
//!  clean.deliveries then ─┐
//!  clean.deliveries now  ─┴▶ changes ─▶ first and last day (variables) ─▶ models over these and the history before ─┐
//!  touched, matured months ──────────▶ features.labels, replaced ────────────────────────────────┐                  │
//!                                                                     MERGE: labels that differ ◀─┴─ DELETE, INSERT ◀┘
//! ```
//!
//! A normal day computes that day's decisions and lays the labels that have matured over the rows of before. A late or
//! corrected event computes every decision again that could see it, see [`changes`]. Sums over trailing ranges are
//! computed as differences of running totals, see [`windows`].

mod changes;
mod reach;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use entrega_model::{
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};

use self::{
    changes::{FIRST_DAY, LAST_DAY},
    reach::Reach,
};
use crate::{
    Batch, Extent, Inputs, Result, Script,
    begin::begin,
    check::{self, References},
    extent,
    publish::{Published, publish},
    quote, replace,
    summary::STRICT,
    windows,
};

/// The column that says when a decision was made.
const DECIDED_AT: &str = "decided_at";

/// What a features batch does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeaturesPlan {
    /// What has come since the last features batch; `None` computes everything: there was none, a model has changed, or
    /// the files of then are gone because a person was erased.
    pub since: Option<Since>,
}

/// What a features batch goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The version of `clean.deliveries` that the last features batch saw.
    pub deliveries: u64,
    /// The purchase months that batches after it touched, from the ledger. No delivery of another month differs.
    pub touched: BTreeSet<NaiveDate>,
    /// The purchase months with a promise that has ended since, from the statistics of files: days from the one before
    /// that batch's as-of day to that of now. Empty if the as-of time is the same.
    pub matured: BTreeSet<NaiveDate>,
}

impl Since {
    /// The purchase months whose labels are computed again.
    #[must_use]
    pub fn relabelled(&self) -> BTreeSet<NaiveDate> {
        self.touched.union(&self.matured).copied().collect()
    }
}

fn of_mode(batch: &Batch, mode: WriteMode) -> Vec<&Model> {
    let models = batch.project.models().iter();
    models.filter(|model| model.table.layer == Layer::Features && model.write == mode).collect()
}

/// The script of a features batch.
///
/// # Errors
/// When the batch lacks a table, or a model reads what no model makes.
pub fn script(batch: &Batch, plan: &FeaturesPlan) -> Result<Script> {
    let (labels, decisions) = (of_mode(batch, WriteMode::ReplaceMonths), of_mode(batch, WriteMode::Decisions));
    let models: Vec<&Model> = labels.iter().chain(&decisions).copied().collect();
    let mut written: Vec<TableName> = models.iter().map(|model| model.table.clone()).collect();
    written.push(TableName::new(Layer::Ops, "checks"));
    let mut script = begin(batch, "features", &written)?;
    script.light("settings", STRICT);
    check::begin(&mut script);
    compute_labels(&mut script, batch, &labels, plan.since.as_ref())?;
    let deliveries = TableName::new(Layer::Clean, "deliveries");
    if let Some(since) = &plan.since {
        changes::find(&mut script, batch, &deliveries, &decisions, since)?;
    }
    compute_decisions(&mut script, batch, &decisions, plan, &deliveries)?;
    for model in &decisions {
        write_decisions(&mut script, batch, model, plan.since.as_ref())?;
    }
    check::record(&mut script, batch)?;
    let fingerprints = models.iter().map(|model| (model.table.clone(), model.fingerprint.clone())).collect();
    script.extend(publish(batch, &Published::computed(written, fingerprints))?);
    Ok(script.staged_in(&batch.staging()))
}

/// Replaces the labels of the months that were touched or have matured.
fn compute_labels(script: &mut Script, batch: &Batch, models: &[&Model], since: Option<&Since>) -> Result<()> {
    let months = since.map(Since::relabelled);
    let extent = months.clone().map_or(Extent::Whole, Extent::Months);
    if extent.is_empty() || models.is_empty() {
        return Ok(());
    }
    let mut inputs = Inputs::new("_of_labels");
    inputs.add_reads(script, batch, models.iter().flat_map(|model| &model.reads), months.as_ref())?;
    for model in models {
        let rows = replace::view_of(model);
        script.staged(&rows, &inputs.query(model, None)?);
        check::check(script, model, &rows, &References::new())?;
    }
    for model in models {
        let rows = replace::view_of(model);
        replace::replace(script, batch, model, &extent, &rows)?;
    }
    Ok(())
}

/// Computes and checks decisions: those that could see a change, or all.
fn compute_decisions(
    script: &mut Script,
    batch: &Batch,
    models: &[&Model],
    plan: &FeaturesPlan,
    deliveries: &TableName,
) -> Result<()> {
    let reach = Reach::new(models.iter().copied());
    let mut inputs = Inputs::new("_of_decisions");
    let reads: BTreeSet<&TableName> = models.iter().flat_map(|model| &model.reads).collect();
    for read in reads {
        if read.layer == Layer::Ops {
            inputs.add_as_of(script, batch);
            continue;
        }
        let stored = batch.tables.get(read)?;
        // Labels are those of this batch.
        let is_new = models.iter().any(|model| model.labels.as_ref() == Some(read));
        let relation = if is_new { batch.place.table(read) } else { stored.unwritten(&batch.place)? };
        let mut conditions = Vec::new();
        if let (Some(_), Some(partition)) = (&plan.since, &stored.partition) {
            let earliest = reach.earliest_month(FIRST_DAY);
            conditions.push(format!("{} BETWEEN {earliest} AND {LAST_DAY}", quote::name(partition)?));
            if read == deliveries {
                conditions.push(format!("{} >= {FIRST_DAY}", reach.last_day("")));
            }
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join("\n  AND ")) };
        inputs.add(script, read, &format!("SELECT * FROM {relation}{condition}"));
    }
    let inside = plan.since.as_ref().map(|_| decided_inside());
    for model in models {
        let rows = replace::view_of(model);
        script.staged(&rows, &windows::as_totals(&inputs.query(model, inside.as_deref())?));
        check::check(script, model, &rows, &References::new())?;
    }
    Ok(())
}

/// The condition that a decision was made on a day from the first to the last.
fn decided_inside() -> String {
    format!(
        "{DECIDED_AT} >= CAST({FIRST_DAY} AS TIMESTAMP_NTZ)\n  AND {DECIDED_AT} < CAST(date_add({LAST_DAY}, 1) AS TIMESTAMP_NTZ)"
    )
}

/// Replaces decisions that were computed again, and lays new labels over the others.
fn write_decisions(script: &mut Script, batch: &Batch, model: &Model, since: Option<&Since>) -> Result<()> {
    let rows = replace::view_of(model);
    let Some(since) = since else {
        replace::replace(script, batch, model, &Extent::Whole, &rows)?;
        return Ok(());
    };
    // Nothing is decided before it is bought; earlier months are passed over by the statistics of the moment.
    let bought = match &model.partition {
        Some(partition) => format!("{} <= {LAST_DAY}\n  AND ", quote::name(partition)?),
        None => String::new(),
    };
    replace::delete(script, batch, model, Some(&format!("{bought}{}", decided_inside())))?;
    replace::insert(script, batch, model, &rows)?;
    match &model.labels {
        Some(labels) => overlay(script, batch, model, batch.project.model(labels)?, &since.relabelled()),
        None => Ok(()),
    }
}

/// Takes the labels of some months over where they differ.
fn overlay(
    script: &mut Script,
    batch: &Batch,
    model: &Model,
    labels: &Model,
    months: &BTreeSet<NaiveDate>,
) -> Result<()> {
    let Some(month) = model.partition.as_deref().filter(|month| labels.column(month).is_some()) else { return Ok(()) };
    let is_label = |name: &String| name != "order_id" && name != month && model.column(name).is_some();
    let columns = labels.columns.iter().map(|column| &column.name).filter(|name| is_label(name));
    let columns = columns.map(|column| quote::name(column)).collect::<Result<Vec<_>>>()?;
    if columns.is_empty() || months.is_empty() {
        return Ok(());
    }
    let month = quote::name(month)?;
    let of = |side: &str| quote::list(columns.iter().map(|column| format!("{side}.{column}")));
    let updates = columns.iter().map(|column| format!("  decision.{column} = label.{column}"));
    script.heavy(
        format!("{}: labels", model.table),
        format!(
            "MERGE INTO {} AS decision\nUSING (SELECT * FROM {} WHERE {}) AS label\n\
             ON decision.order_id = label.order_id\n  AND decision.{month} = label.{month}\n  AND {}\n\
             WHEN MATCHED AND NOT (struct({})\n    <=> struct({}))\nTHEN UPDATE SET\n{}",
            batch.place.table(&model.table),
            batch.place.table(&labels.table),
            extent::is_one_of(&month, months),
            extent::is_one_of(&format!("decision.{month}"), months),
            of("decision"),
            of("label"),
            updates.collect::<Vec<_>>().join(",\n"),
        ),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{batch, day, outline};

    #[test]
    fn what_changed_and_what_matured() {
        let since = Since {
            deliveries: 5,
            touched: ["2018-01-01", "2018-02-01"].map(day).into(),
            matured: ["2017-12-01", "2018-01-01"].map(day).into(),
        };
        let script = script(&batch("features"), &FeaturesPlan { since: Some(since) }).unwrap();
        insta::assert_snapshot!(outline(&script));
    }

    #[test]
    fn everything() {
        let script = script(&batch("features"), &FeaturesPlan::default()).unwrap();
        assert!(script.statements.iter().all(|statement| !statement.sql.contains(FIRST_DAY)));
        let whole = script
            .statements
            .iter()
            .filter(|statement| statement.sql.starts_with("DELETE FROM") && !statement.sql.contains("WHERE"));
        assert_eq!(whole.count(), 3);
    }
}
