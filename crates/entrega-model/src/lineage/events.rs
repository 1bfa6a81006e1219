//! Event logs: steps that windows look back over in time, and the proof that what they see was known by then.
//!
//! ```text
//!  events    at             seller_id  delivered  late        each branch of the union is one kind of event,
//!            purchased_at   s1         0          0           and its `at` is a moment: all that the row says
//!            delivered_at   s1         1          1           is known at that time
//!            …
//!  sum(late) over (partition by seller_id order by at range between 2592000 preceding and 1 preceding)
//!                                                    └─ only rows whose time is before this row's
//! ```
//!
//! So such a window reads only what was known before the row's own moment, whosever order it was. That holds for every
//! row of the log; that the row in question is the one of the decision is shown by its *clock*: a column that is the
//! row's moment in some branches and NULL in the others (`decided_at`).

use std::{cell::RefCell, collections::BTreeSet, fmt::Write as _, rc::Rc};

use sqlparser::ast::{Query, Select, SetExpr};

use super::{
    Clock, Column, Constant, Lineage, Moment, Problem, Relation, Source,
    join::{Body, Joined},
    query::{Walker, not_understood},
};
use crate::{ModelError, known::Known};

/// An event log, and the reading of it.
pub(crate) struct Log<'a> {
    pub(crate) reading: usize,
    /// The place of the column that windows order by.
    pub(crate) at: usize,
    branches: Vec<Branch>,
    /// The columns as windows see them.
    pub(crate) seen: Joined<'a>,
}

/// One select of the union.
pub(crate) struct Branch {
    at: Option<Moment>,
    result: Relation,
}

impl Log<'_> {
    /// A column that is the moment of its event in some branches, and NULL in the others.
    pub(crate) fn clock(&self, position: usize) -> Option<Clock> {
        let mut rows = Lineage::default();
        let mut formula: Option<&String> = None;
        for branch in &self.branches {
            let column = &branch.result.columns[position];
            if column.constant == Some(Constant::Null) {
                continue;
            }
            let (moment, at) = (column.moment.as_ref()?, branch.at.as_ref()?);
            if moment.formula != at.formula || formula.is_some_and(|formula| *formula != at.formula) {
                return None;
            }
            formula = Some(&at.formula);
            rows.add_decider(&branch.result.deciding_rows());
        }
        Some(Clock { reading: self.reading, formula: formula?.clone(), rows })
    }
}

impl<'a> Walker<'a> {
    /// Walks a step again as an event log whose moments are the column at that place.
    pub(crate) fn log(&self, body: &Body<'a>, at: usize) -> Result<Log<'a>, ModelError> {
        let Some(selects) = selects(body.query) else {
            return Err(not_understood("the event log", &body.name, "write it as a union all of selects"));
        };
        let mut branches = Vec::new();
        for select in selects {
            let mut result = self.select(select, &body.scope, Some(at))?;
            for column in &mut result.columns {
                if !column.lineage.past.is_empty() {
                    column.lineage.forget_proofs();
                }
            }
            branches.push(Branch { at: result.columns[at].moment.clone(), result });
        }
        let log = Log { reading: self.next(), at, seen: seen(body, &branches, at), branches };
        log.check_moments(body, &self.problems);
        Ok(log)
    }
}

/// The branches of a union, if it is made of plain selects.
fn selects(query: &Query) -> Option<Vec<&Select>> {
    fn collect<'a>(set: &'a SetExpr, found: &mut Vec<&'a Select>) -> Option<()> {
        match set {
            SetExpr::Select(select) => found.push(select),
            SetExpr::SetOperation { left, right, .. } => {
                collect(left, found)?;
                collect(right, found)?;
            }
            SetExpr::Query(query) if query.with.is_none() => collect(&query.body, found)?,
            _ => return None,
        }
        Some(())
    }
    let mut found = Vec::new();
    if query.with.is_some() {
        return None;
    }
    collect(&query.body, &mut found)?;
    Some(found)
}

/// The columns as windows see them: what a branch says, and, where it says more than nothing, when and of which rows.
fn seen<'a>(body: &Body<'a>, branches: &[Branch], at: usize) -> Joined<'a> {
    let mut columns: Vec<Column> = Vec::new();
    for branch in branches {
        let mut deciding = branch.result.deciding_rows();
        deciding.add_decider(&branch.result.columns[at].lineage);
        for (place, column) in branch.result.columns.iter().enumerate() {
            if columns.len() == place {
                // A union takes its names from its first branch.
                columns.push(Column::new(column.name.clone(), Lineage::default()));
            }
            columns[place].lineage.add(&column.lineage);
            if column.constant.is_none() {
                columns[place].lineage.add_decider(&deciding);
            }
        }
    }
    Joined::new(&body.name, Relation { columns, ..Relation::default() }, None)
}

impl Log<'_> {
    /// Every branch must happen at a moment, and its rows must be known by then.
    fn check_moments(&self, body: &Body<'_>, problems: &RefCell<BTreeSet<Problem>>) {
        for (number, branch) in self.branches.iter().enumerate() {
            let column = self.place(body, number, self.at);
            let Some(moment) = &branch.at else {
                problems.borrow_mut().insert(Problem {
                    column,
                    what:
                        "windows order by it, but it is no moment: it may lie before the time at which its value can \
                              be known"
                            .to_owned(),
                    hint:
                        "use the timestamp of an event, or greatest(x, order_purchase_timestamp); a timestamp that may \
                           be missing goes into case when x is not null then … end"
                            .to_owned(),
                });
                continue;
            };
            if moment.nullable {
                problems.borrow_mut().insert(Problem {
                    column,
                    what: "windows order by it, but it may be NULL, and a window without end begins with the NULLs"
                        .to_owned(),
                    hint: "add a condition that NULL does not pass, for example where … is not null".to_owned(),
                });
            }
            let rows = branch.result.deciding_rows();
            let unknown: Vec<_> = rows.unknown_by(&moment.events).cloned().collect();
            self.report(body, number, "what decides its rows", &unknown, rows.across && rows.of_orders(), problems);
        }
    }

    /// What windows read of a column must be known by the branch's moment.
    pub(crate) fn check(&self, body: &Body<'_>, position: usize, problems: &RefCell<BTreeSet<Problem>>) {
        for (number, branch) in self.branches.iter().enumerate() {
            let Some(moment) = &branch.at else { continue };
            let lineage = &branch.result.columns[position].lineage;
            let unknown: Vec<_> = lineage.unknown_by(&moment.events).cloned().collect();
            let what = format!("the value of {}", self.name(position));
            self.report(body, number, &what, &unknown, lineage.across && lineage.of_orders(), problems);
        }
    }

    fn report(
        &self,
        body: &Body<'_>,
        number: usize,
        what: &str,
        unknown: &[Rc<Source>],
        across: bool,
        problems: &RefCell<BTreeSet<Problem>>,
    ) {
        let moment = self.branches[number].at.as_ref();
        let events: Vec<&str> =
            moment.into_iter().flat_map(|moment| &moment.events).map(|event| event.name()).collect();
        let column = format!("{}, branch {}", body.name, number + 1);
        let mut problems = problems.borrow_mut();
        if !unknown.is_empty() {
            let mut listed = String::new();
            for source in unknown {
                let comma = if listed.is_empty() { "" } else { ", " };
                let _ = write!(listed, "{comma}{} ({})", source.name, when(source.known));
            }
            problems.insert(Problem {
                column: column.clone(),
                what: format!(
                    "{what} reads {listed}, but surely happened by the branch's moment `{}` is only: {}",
                    self.name(self.at),
                    events.join(", ")
                ),
                hint: format!(
                    "say it in the branch of the event that tells it, or inside case when <that event's moment> <= {0} \
                     then … end; whether an event is still to come is coalesce(<its moment> > {0}, true)",
                    self.name(self.at)
                ),
            });
        }
        if across {
            problems.insert(Problem {
                column,
                what: format!("{what} puts rows of different orders together"),
                hint: "join on order_id; look at other orders only through a window of the event log".to_owned(),
            });
        }
    }

    fn name(&self, position: usize) -> &str {
        &self.seen.relation.columns[position].name
    }

    fn place(&self, body: &Body<'_>, number: usize, position: usize) -> String {
        format!("{}.{}, branch {}", body.name, self.name(position), number + 1)
    }
}

/// When something is known, in words.
pub(crate) fn when(known: Known) -> String {
    match known {
        Known::Always => "always known".to_owned(),
        Known::Never => "known at no event".to_owned(),
        event => format!("known at the {event}"),
    }
}
