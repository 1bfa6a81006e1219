//! Summary (ETL 2): the daily tables, for the days that changed or have ended since the last time.
//!
//! ```text
//!  touched days   ─▶ clean tables, purchase months that may hold such a day ─▶ models, WHERE date … ─┐
//!  touched months ─▶ clean tables of these months ──────────────────────────▶ models ────────────────┤
//!                        every check of every table, before anything is written ◀────────────────────┘
//!                                     └─▶ replace the days or months ─▶ ops.checks ─▶ publish
//! ```
//!
//! Which days and months those are says the ledger, which the client has read; so they are literals. Spark adds up all
//! months at once: there are no parts that must be put together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use entrega_model::{
    model::{Model, WriteMode},
    project::Project,
    tables::{Layer, TableName},
};

use crate::{
    Batch, Extent, Inputs, Result, Script,
    begin::begin,
    check::{self, References},
    extent,
    publish::{Published, publish},
    quote, replace,
};

/// Values are never turned into another kind to fit their column: a DOUBLE is no DECIMAL, a moment no day.
pub(crate) const STRICT: &str = "SET spark.sql.storeAssignmentPolicy = STRICT";

/// What a summary batch does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SummaryPlan {
    /// What is computed again of each table; a table that is not named stays.
    pub extents: BTreeMap<TableName, Extent>,
    /// The purchase months whose rows may hold an event of the days, from the statistics of files; `None` means all.
    pub months_of_days: Option<BTreeSet<NaiveDate>>,
}

impl SummaryPlan {
    /// What to do when these days and purchase months were touched (`None` means all) and these models have changed.
    #[must_use]
    pub fn new(
        project: &Project,
        days: Option<&BTreeSet<NaiveDate>>,
        months: Option<&BTreeSet<NaiveDate>>,
        stale: &BTreeSet<TableName>,
    ) -> Self {
        let extents = models(project).map(|model| {
            let extent = match (model.write, days, months) {
                _ if stale.contains(&model.table) => Extent::Whole,
                (WriteMode::ReplaceDays, Some(days), _) => Extent::Days(days.clone()),
                (WriteMode::ReplaceMonths, _, Some(months)) => Extent::Months(months.clone()),
                _ => Extent::Whole,
            };
            (model.table.clone(), extent)
        });
        Self { extents: extents.filter(|(_, extent)| !extent.is_empty()).collect(), months_of_days: None }
    }
}

fn models(project: &Project) -> impl Iterator<Item = &Model> {
    project.models().iter().filter(|model| model.table.layer == Layer::Summary)
}

/// The script of a summary batch.
///
/// # Errors
/// When the batch lacks a table, or a model reads what no model makes.
pub fn script(batch: &Batch, plan: &SummaryPlan) -> Result<Script> {
    let wanted: Vec<(&Model, &Extent)> = models(&batch.project)
        .filter_map(|model| Some((model, plan.extents.get(&model.table).filter(|extent| !extent.is_empty())?)))
        .collect();
    let mut written: Vec<TableName> = wanted.iter().map(|(model, _)| model.table.clone()).collect();
    written.push(TableName::new(Layer::Ops, "checks"));
    let mut script = begin(batch, "summarise", &written)?;
    script.light("settings", STRICT);
    check::begin(&mut script);
    for (suffix, kind) in SUFFIXES {
        let group: Vec<_> = wanted.iter().filter(|(_, extent)| kind(extent)).copied().collect();
        if !group.is_empty() {
            compute(&mut script, batch, plan, suffix, &group)?;
        }
    }
    for (model, extent) in &wanted {
        let rows = replace::view_of(model);
        replace::replace(&mut script, batch, model, extent, &rows)?;
    }
    check::record(&mut script, batch)?;
    let fingerprints = models(&batch.project).map(|model| (model.table.clone(), model.fingerprint.clone()));
    script.extend(publish(batch, &Published::computed(written, fingerprints.collect()))?);
    Ok(script.staged_in(&batch.staging()))
}

type Kind = fn(&Extent) -> bool;

/// Extents of a kind share their views.
const SUFFIXES: [(&str, Kind); 3] = [
    ("", |extent| matches!(extent, Extent::Whole)),
    ("_of_days", |extent| matches!(extent, Extent::Days(_))),
    ("_of_months", |extent| matches!(extent, Extent::Months(_))),
];

/// Computes and checks the rows of some models.
fn compute(
    script: &mut Script,
    batch: &Batch,
    plan: &SummaryPlan,
    suffix: &'static str,
    group: &[(&Model, &Extent)],
) -> Result<()> {
    let months = match group.first().map(|(_, extent)| *extent) {
        Some(Extent::Months(_)) => {
            let months = group.iter().filter_map(|(_, extent)| match extent {
                Extent::Months(months) => Some(months),
                _ => None,
            });
            Some(months.flatten().copied().collect())
        }
        Some(Extent::Days(_)) => plan.months_of_days.clone(),
        _ => None,
    };
    let mut inputs = Inputs::new(suffix);
    inputs.add_reads(script, batch, group.iter().flat_map(|(model, _)| &model.reads), months.as_ref())?;
    for (model, extent) in group {
        let condition = match extent {
            Extent::Whole => None,
            Extent::Days(days) => Some(extent::is_within("`date`", days)),
            Extent::Months(months) => {
                let partition = model.partition.as_ref().map(|column| quote::name(column)).transpose()?;
                partition.map(|partition| extent::is_one_of(&partition, months))
            }
        };
        let rows = replace::view_of(model);
        script.staged(&rows, &inputs.query(model, condition.as_deref())?);
        check::check(script, model, &rows, &References::new())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{batch, day, outline};

    #[test]
    fn touched_days_and_months() {
        let batch = batch("summary");
        let days = ["2018-01-30", "2018-01-31", "2018-02-01", "2018-02-10"].map(day).into();
        let months: BTreeSet<_> = ["2018-01-01", "2018-02-01"].map(day).into();
        let mut plan = SummaryPlan::new(&batch.project, Some(&days), Some(&months), &BTreeSet::new());
        plan.months_of_days = Some(["2017-12-01", "2018-01-01", "2018-02-01"].map(day).into());
        insta::assert_snapshot!(outline(&script(&batch, &plan).unwrap()));
    }

    #[test]
    fn nothing_touched_is_nothing_computed() {
        let plan = SummaryPlan::new(&batch("summary").project, Some(&[].into()), Some(&[].into()), &BTreeSet::new());
        assert!(plan.extents.is_empty());
    }
}
