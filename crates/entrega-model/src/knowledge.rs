//! The point-in-time linter: no feature reads a column before it is known.
//!
//! ```text
//!  contracts: known-at of each landing column ┐
//!  the SQL of all models: column lineage      ├─▶ check ─▶ Violations (all of them at once), or the proof
//!  features: decision, unit, sources          ┘
//! ```
//!
//! A features model with a `decision` gives, for each order, what can be known at one moment. So each of its columns
//! may read
//!
//! - of the order itself, what is known by then (and what is always known);
//! - of other orders, what a window over an event log saw strictly before that moment. That the log says nothing too
//!   early is proven branch by branch (`lineage/events.rs`); that the window ends at the decision and not later is
//!   shown by `decided_at`, which must be the row's own moment in the log.
//!
//! Labels (`label_*`, `matured_at`) are what is to be foretold: they alone may read the future.

use std::{collections::BTreeSet, fmt::Write as _};

use serde::Serialize;
use thiserror::Error;

use crate::{
    ModelError,
    known::{Decision, Known},
    lineage::{self, Column, Import, Lineage, Traced, latest_of},
    model::{Model, ModelColumn},
    project::Project,
    tables::TableName,
};

/// The column that holds the moment of the decision.
const DECIDED_AT: &str = "decided_at";

/// Columns that are no features and need neither unit nor sources.
const NO_FEATURES: [&str; 3] = ["order_id", "purchase_month", DECIDED_AT];

/// One thing that a features model may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The column of the model, or the step inside it.
    pub column: String,
    /// The landing column that is read too early, if it is about one.
    pub source: Option<String>,
    /// When that column is known.
    pub known: Option<Known>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

/// All that a features model does wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{file}: its features are not proven to be known at the {decision}; of the order itself, they may read what is known \
     {}{}",
    self.allowed(),
    self.lines()
)]
pub struct Violations {
    /// The file, relative to the models folder.
    pub file: String,
    /// The moment at which they must be known.
    pub decision: Decision,
    /// Each of them.
    pub violations: Vec<Violation>,
}

impl Violations {
    fn allowed(&self) -> String {
        let events = self.decision.events();
        let mut known: Vec<String> = events.iter().map(|event| format!("at the {event}")).collect();
        let last = known.pop().unwrap_or_default();
        known.insert(0, "always".to_owned());
        format!("{} or {last}", known.join(", "))
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        for violation in &self.violations {
            let _ = write!(text, "\n- {}: {}", violation.column, violation.problem);
        }
        let mut told = BTreeSet::new();
        for violation in self.violations.iter().filter(|violation| told.insert(&violation.hint)) {
            let _ = write!(text, "\nhint: {}", violation.hint);
        }
        text
    }
}

/// What a column is computed from, for a data dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureLineage {
    /// The column.
    pub name: String,
    /// The columns of tables that the model reads, which decide its value: `deliveries.delay_days`.
    pub sources: Vec<String>,
    /// The landing columns that are read in the row itself, and when each is known.
    pub own: Vec<(String, Known)>,
    /// The landing columns that are read through windows into the past, and when each is known.
    pub past: Vec<(String, Known)>,
    /// How far those windows look back, in seconds; none is without end.
    pub windows: Vec<Option<i64>>,
}

/// What each column of a model is computed from. What decides only which rows there are is left out.
///
/// # Errors
/// When there is no such model, or the lineage of its SQL cannot be told.
pub fn dictionary(project: &Project, table: &TableName) -> Result<Vec<FeatureLineage>, ModelError> {
    project.model(table)?;
    let traced = lineage::trace(project.contracts(), project.models(), |model| model.table == *table)?;
    let columns = traced.get(table).map(|traced| traced.relation.columns.as_slice()).unwrap_or_default();
    Ok(columns.iter().map(described).collect())
}

fn described(column: &Column) -> FeatureLineage {
    let lineage = &column.lineage;
    let known = |sources: &BTreeSet<_>| {
        sources.iter().map(|source: &std::rc::Rc<lineage::Source>| (source.name.clone(), source.known)).collect()
    };
    FeatureLineage {
        name: column.name.clone(),
        sources: lineage.values.iter().map(|import| spelt(import)).collect(),
        own: known(&lineage.own),
        past: known(&lineage.past),
        windows: lineage.windows.iter().copied().collect(),
    }
}

fn spelt(import: &Import) -> String {
    format!("{}.{}", import.table.name, import.column)
}

/// Proves that every feature of a project is known at its decision. Models that no such feature is computed from are
/// not looked at.
///
/// # Errors
/// [`ModelError::Knowledge`] with everything that the first wrong model does wrong; [`ModelError::File`] when the
/// lineage of a model cannot be told.
pub fn check(project: &Project) -> Result<(), ModelError> {
    let traced = lineage::trace(project.contracts(), project.models(), |model| model.decision.is_some())?;
    for model in project.models() {
        let Some((decision, found)) = model.decision.zip(traced.get(&model.table)) else { continue };
        let columns_of = |table: &TableName| traced.get(table).map(|traced| &traced.relation);
        let mut violations = knowledge(project, model, decision, found);
        violations.extend(declarations(model, found, |import| {
            columns_of(&import.table).is_some_and(|relation| relation.column(&import.column).is_some())
        }));
        if !violations.is_empty() {
            let file = format!("{}.sql", model.table.path());
            return Err(Violations { file, decision, violations }.into());
        }
    }
    Ok(())
}

/// Whether a column is to be foretold, so that it may read the future.
fn is_label(name: &str) -> bool {
    name.starts_with("label_") || name == "matured_at"
}

/// What is read before it is known.
fn knowledge(project: &Project, model: &Model, decision: Decision, found: &Traced) -> Vec<Violation> {
    let mut violations: Vec<Violation> = Vec::new();
    let relation = &found.relation;
    for problem in &found.problems {
        violations.push(other(&problem.column, &problem.what, &problem.hint));
    }
    early(decision, "which rows there are", &relation.deciding_rows(), &mut violations);
    for column in relation.columns.iter().filter(|column| !is_label(&column.name)) {
        early(decision, &column.name, &column.lineage, &mut violations);
    }
    let moment = decision_moment(project, decision);
    let decided_at = relation.column(DECIDED_AT).and_then(|column| column.moment.as_ref());
    if decided_at.is_none_or(|decided_at| decided_at.formula != moment) {
        violations.push(other(
            DECIDED_AT,
            &format!("it must be the moment of the decision, {moment}"),
            "take the timestamps over as they are; where one may be missing, write case when x is not null then greatest(x, y) end",
        ));
    }
    let readings = relation.columns.iter().filter(|column| !is_label(&column.name));
    let readings: BTreeSet<usize> = readings.flat_map(|column| column.lineage.readings.iter().copied()).collect();
    let open = readings.iter().chain(relation.pending.keys()).any(|reading| !relation.settled.contains_key(reading));
    if open {
        violations.push(other(
            DECIDED_AT,
            "rows of an event log are left that are not the decision, so windows may end after it",
            "keep only the rows of the decision: where decided_at is not null, of the step with the windows; in the log, \
             decided_at is the event's own moment in the branch of the decision and NULL in the others",
        ));
    }
    if relation.settled.values().any(|formula| *formula != moment) {
        violations.push(other(
            DECIDED_AT,
            &format!("the windows end at another moment than the decision, {moment}"),
            "in the event log, order by the same moment that decided_at holds",
        ));
    }
    let later = |read: &&TableName| {
        let model = project.models().iter().find(|model| model.table == **read);
        let theirs = model.and_then(|model| model.decision);
        theirs.is_some_and(|theirs| !theirs.events().is_subset(&decision.events()))
    };
    if let Some(read) = model.reads.iter().find(later) {
        violations.push(other(
            &read.to_string(),
            "it is read here, but made for a later decision",
            "read the tables that it reads",
        ));
    }
    violations
}

/// The formula of the moment of a decision.
fn decision_moment(project: &Project, decision: Decision) -> String {
    let orders = project.contracts().iter().find(|contract| contract.source == "orders");
    let columns = orders.map(|orders| orders.columns.as_slice()).unwrap_or_default();
    let moments = columns.iter().filter(|column| column.moment && decision.moments().contains(&column.known()));
    latest_of(moments.map(|column| format!("orders.{}", column.name)).collect())
}

/// The columns of the order itself that are not known at the decision, and those of other orders.
fn early(decision: Decision, column: &str, lineage: &Lineage, violations: &mut Vec<Violation>) {
    let events = decision.events();
    let notes = lineage.notes.iter().fold(String::new(), |notes, note| notes + "; " + note);
    for source in lineage.unknown_by(&events) {
        violations.push(Violation {
            column: column.to_owned(),
            source: Some(source.name.clone()),
            known: Some(source.known),
            problem: format!("reads {}, {}{notes}", source.name, lineage::when(source.known)),
            hint: "leave the column out, or read it of other orders through a window over an event log that ends before the \
                   row's moment: range between n preceding and 1 preceding"
                .to_owned(),
        });
    }
    if lineage.across && lineage.of_orders() {
        violations.push(other(
            column,
            &format!("puts rows of different orders together, later ones too{notes}"),
            "join and group by order_id; look at other orders only through a window over an event log",
        ));
    }
}

/// Units and sources that are missing or wrong.
fn declarations(model: &Model, found: &Traced, exists: impl Fn(&Import) -> bool) -> Vec<Violation> {
    let rows = found.relation.deciding_rows();
    let features: Vec<(&ModelColumn, &Column)> = model
        .columns
        .iter()
        .filter(|declared| !is_label(&declared.name) && !NO_FEATURES.contains(&declared.name.as_str()))
        .filter_map(|declared| Some((declared, found.relation.column(&declared.name)?)))
        .collect();
    let read = features.iter().flat_map(|(_, column)| column.lineage.values.iter().chain(&column.lineage.deciders));
    let tables: BTreeSet<TableName> = read.chain(&rows.deciders).map(|import| import.table.clone()).collect();
    let mut violations = Vec::new();
    for declared in model.columns.iter().filter(|declared| found.relation.column(&declared.name).is_none()) {
        violations.push(other(
            &declared.name,
            "it is declared, but the SQL does not give it",
            "select it, or leave it out",
        ));
    }
    for (declared, column) in features {
        if declared.unit.trim().is_empty() {
            violations.push(other(
                &declared.name,
                "nobody says what it is measured in",
                "declare a feature as [name, type, doc, unit, sources]",
            ));
        }
        let mut named = BTreeSet::new();
        for source in &declared.sources {
            match resolved(source, &tables, &exists) {
                Ok(import) => {
                    let lineage = &column.lineage;
                    let used = [&lineage.values, &lineage.deciders, &rows.deciders];
                    if !used.iter().any(|used| used.iter().any(|read| **read == import)) {
                        let problem = format!("its sources name {source}, from which it is not computed");
                        violations.push(other(&declared.name, &problem, &computed_from(column)));
                    }
                    named.insert(import);
                }
                Err(problem) => violations.push(other(&declared.name, &problem, &computed_from(column))),
            }
        }
        for import in column.lineage.values.iter().filter(|import| !named.contains(import.as_ref())) {
            let problem = format!("it is computed from {}, which its sources do not name", spelt(import));
            violations.push(other(&declared.name, &problem, &computed_from(column)));
        }
    }
    violations
}

fn computed_from(column: &Column) -> String {
    let values: Vec<String> = column.lineage.values.iter().map(|import| spelt(import)).collect();
    let values = if values.is_empty() { "nothing".to_owned() } else { values.join(", ") };
    format!("{} is computed from {values}", column.name)
}

/// The column that a declared source names: `column`, or `table.column` where several tables have it.
fn resolved(source: &str, tables: &BTreeSet<TableName>, exists: &impl Fn(&Import) -> bool) -> Result<Import, String> {
    let (table, column) = source.rsplit_once('.').map_or((None, source), |(table, column)| (Some(table), column));
    let fits = |name: &&TableName| table.is_none_or(|table| table == name.name || table == name.to_string());
    let mut found = tables
        .iter()
        .filter(fits)
        .map(|table| Import { table: table.clone(), column: column.to_owned() })
        .filter(|import| exists(import));
    match (found.next(), found.next()) {
        (Some(import), None) => Ok(import),
        (Some(one), Some(another)) => {
            Err(format!("its sources name {source}, which several tables have: {}, {}", spelt(&one), spelt(&another)))
        }
        (None, _) => Err(format!("its sources name {source}, which no table that features are computed from has")),
    }
}

fn other(column: &str, problem: &str, hint: &str) -> Violation {
    Violation {
        column: column.to_owned(),
        source: None,
        known: None,
        problem: problem.to_owned(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests;
