//! Column lineage: which landing columns a column of a model is computed from, and through what.
//!
//! ```text
//!  contracts ──▶ table::landing ─┐
//!                                ▼
//!  a model's SQL ──▶ query ──▶ Relation ──▶ the next model that reads the table
//!                      │          one Column for each output column, and what decides which rows there are
//!                      ├─ join        whose rows meet whose
//!                      ├─ expression  what an expression reads
//!                      ├─ moment      which expressions are moments: never earlier than they can be known
//!                      ├─ window      which windows look only into the past
//!                      ├─ events      what they see there: event logs, and the proof that it was known by then
//!                      ├─ rows        group by, distinct, union all
//!                      └─ unfold      steps over a union of named events, spread over its branches
//! ```
//!
//! Lineage is found by walking the parsed SQL, not by running it. What the walk does not understand is an error, never
//! an empty lineage. Three things are kept apart:
//!
//! - **own** columns are read in the row itself, **past** ones through a window that ends before the row's moment;
//! - **values** decide what a value is, **deciders** whether it is there (filters, join conditions, group keys);
//! - **across** marks what was put together from rows of different orders by anything but such a window.

mod events;
mod expression;
mod functions;
mod join;
mod moment;
mod query;
mod rows;
mod table;
mod unfold;
mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::{ModelError, contract::Contract, known::Known, model::Model, tables::TableName};

pub(crate) use events::when;
pub(crate) use moment::{Moment, latest_of};

/// A column of landing (or of a table that the engine makes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// `orders.order_status`.
    pub(crate) name: String,
    /// When it can be known.
    pub(crate) known: Known,
}

/// A column of a table that the model itself reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) table: TableName,
    pub(crate) column: String,
}

/// What a value is computed from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage {
    /// Landing columns that the row itself reads.
    pub(crate) own: BTreeSet<Rc<Source>>,
    /// Those of `own` that nothing shows to be known at the row's moment.
    pub(crate) unproven: BTreeSet<Rc<Source>>,
    /// Landing columns read through a window into the past.
    pub(crate) past: BTreeSet<Rc<Source>>,
    /// Columns of the tables that the model reads, which decide what the value is …
    pub(crate) values: BTreeSet<Rc<Import>>,
    /// … and which decide whether it is there.
    pub(crate) deciders: BTreeSet<Rc<Import>>,
    /// How far the windows look back, in seconds; none is without end.
    pub(crate) windows: BTreeSet<Option<i64>>,
    /// The readings of event logs that it comes from.
    pub(crate) readings: BTreeSet<usize>,
    /// Whether rows of different orders were put together for it.
    pub(crate) across: bool,
    /// Why a window that was perhaps meant to look into the past does not.
    pub(crate) notes: BTreeSet<String>,
}

impl Lineage {
    /// This value is also computed from that one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.values.extend(other.values.iter().cloned());
        self.deciders.extend(other.deciders.iter().cloned());
        self.add_landing(other);
    }

    /// Whether this value is there depends on that one.
    pub(crate) fn add_decider(&mut self, other: &Self) {
        self.deciders.extend(other.values.iter().chain(&other.deciders).cloned());
        self.add_landing(other);
    }

    fn add_landing(&mut self, other: &Self) {
        self.own.extend(other.own.iter().cloned());
        self.unproven.extend(other.unproven.iter().cloned());
        self.past.extend(other.past.iter().cloned());
        self.windows.extend(other.windows.iter().copied());
        self.readings.extend(other.readings.iter().copied());
        self.across |= other.across;
        self.notes.extend(other.notes.iter().cloned());
    }

    /// Values of several rows are put together: what was proven for each of them is not proven for all.
    pub(crate) fn forget_proofs(&mut self) {
        self.own.append(&mut self.past);
        self.unproven.clone_from(&self.own);
        self.windows.clear();
        self.readings.clear();
    }

    /// Whether anything is read that an event of an order tells.
    pub(crate) fn of_orders(&self) -> bool {
        let told = |source: &Rc<Source>| !matches!(source.known, Known::Always | Known::Never);
        self.own.iter().chain(&self.past).any(told)
    }

    /// Whether the value can be told once these events have happened.
    pub(crate) fn told_by(&self, events: &BTreeSet<Known>) -> bool {
        self.unknown_by(events).next().is_none() && self.past.is_empty() && !(self.across && self.of_orders())
    }

    /// The unproven columns that cannot be known by these events.
    pub(crate) fn unknown_by<'a>(&'a self, events: &'a BTreeSet<Known>) -> impl Iterator<Item = &'a Rc<Source>> {
        self.unproven.iter().filter(|source| !source.known.by(events))
    }
}

/// A column of a [`Relation`].
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) lineage: Lineage,
    /// That its value is a moment, and of which events.
    pub(crate) moment: Option<Moment>,
    /// Whether its value names the order of the row.
    pub(crate) names_order: bool,
    /// That it holds the moment of its event, or NULL.
    pub(crate) clock: Option<Rc<Clock>>,
    /// That it is the same in every row.
    pub(crate) constant: Option<Constant>,
}

/// A literal that stands where a branch of an event log has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Constant {
    Null,
    Zero,
}

impl Column {
    pub(crate) fn new(name: String, lineage: Lineage) -> Self {
        Self { name, lineage, moment: None, names_order: false, clock: None, constant: None }
    }
}

/// A column of an event log that is NULL except in some branches, where it is the moment of the event.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Which reading of which log.
    pub(crate) reading: usize,
    /// The moment, see [`Moment::formula`].
    pub(crate) formula: String,
    /// What decides the rows of those branches.
    pub(crate) rows: Lineage,
}

/// What is known of a table, a step or a join.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relation {
    pub(crate) columns: Vec<Column>,
    /// Positions of columns that no two rows share, where that is known.
    pub(crate) key: Option<Vec<usize>>,
    /// What decides which rows there are; without the event logs that are still read as a whole.
    pub(crate) rows: Lineage,
    /// The readings of event logs of which every event is still there, and what decides all of them.
    pub(crate) pending: BTreeMap<usize, Lineage>,
    /// The readings of which only rows with a clock are left, and the formula of that clock.
    pub(crate) settled: BTreeMap<usize, String>,
}

impl Relation {
    /// What decides which rows there are.
    pub(crate) fn deciding_rows(&self) -> Lineage {
        let mut lineage = self.rows.clone();
        for rows in self.pending.values() {
            lineage.add_decider(rows);
        }
        lineage
    }

    /// A column by name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Something that an event log reads before it can be known; only a reader that must prove its features minds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// `events.late, branch 3`.
    pub(crate) column: String,
    pub(crate) what: String,
    pub(crate) hint: String,
}

/// A model whose SQL was walked.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) relation: Relation,
    /// What its event logs do wrong.
    pub(crate) problems: BTreeSet<Problem>,
}

/// The lineage of the models that `wanted` names, and of all that they read.
///
/// # Errors
/// When a model reads what is not there, or its SQL is not understood.
pub(crate) fn trace(
    contracts: &[Contract],
    models: &[Model],
    wanted: impl Fn(&Model) -> bool,
) -> Result<BTreeMap<TableName, Traced>, ModelError> {
    let mut needed: BTreeSet<&TableName> = BTreeSet::new();
    for model in models.iter().rev() {
        if wanted(model) || needed.contains(&model.table) {
            needed.insert(&model.table);
            needed.extend(&model.reads);
        }
    }
    let mut tables = table::landing(contracts);
    let mut traced = BTreeMap::new();
    for model in models.iter().filter(|model| needed.contains(&model.table)) {
        let done = query::trace_model(model, &tables)?;
        tables.insert(model.table.clone(), table::stored(&done.relation, model));
        traced.insert(model.table.clone(), done);
    }
    Ok(traced)
}

#[cfg(test)]
mod tests;
