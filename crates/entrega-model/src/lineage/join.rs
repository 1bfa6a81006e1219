//! `from` and its joins: which columns there are, and what decides which rows.
//!
//! ```text
//!  inner   both sides and the condition decide the rows
//!  left    the left side decides the rows; condition and right side decide whether the right columns are there.
//!          Where the right side may match twice, they decide the rows as well: hence the keys
//!  right   the same, mirrored
//!  full    both sides decide the rows, and the condition the columns of both
//! ```
//!
//! Two relations with values of orders must meet on the order, or rows of different orders are put together.

use sqlparser::ast::{BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Query, TableFactor, TableWithJoins};

use super::{
    Clock, Lineage, Relation,
    expression::{Reader, conjuncts},
    query::{Steps, Walker, not_understood},
    window::Reading,
};
use crate::ModelError;

/// A step whose text can be walked again, as an event log.
#[derive(Debug, Clone)]
pub(crate) struct Body<'a> {
    pub(crate) name: String,
    pub(crate) query: &'a Query,
    pub(crate) scope: Steps<'a>,
}

/// The rows of a `from`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joined<'a> {
    pub(crate) relation: Relation,
    /// The name of the relation that each column came with.
    pub(crate) names: Vec<String>,
    /// The step, if it is a single one.
    pub(crate) body: Option<Body<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inner,
    Left,
    Right,
    Full,
}

impl<'a> Joined<'a> {
    pub(crate) fn new(name: &str, relation: Relation, body: Option<Body<'a>>) -> Self {
        Self { names: vec![name.to_lowercase(); relation.columns.len()], relation, body }
    }

    /// The position of a column.
    ///
    /// # Errors
    /// When there is none of that name, or more than one.
    pub(crate) fn find(&self, relation: Option<&str>, name: &str) -> Result<usize, ModelError> {
        let (relation, name) = (relation.map(str::to_lowercase), name.to_lowercase());
        let full = relation.as_ref().map_or_else(|| name.clone(), |relation| format!("{relation}.{name}"));
        let mut found = self.relation.columns.iter().zip(&self.names).enumerate().filter(|(_, (column, owner))| {
            column.name == name && relation.as_ref().is_none_or(|relation| relation == *owner)
        });
        match (found.next(), found.next()) {
            (Some((position, _)), None) => Ok(position),
            (Some(_), Some(_)) => {
                Err(not_understood("the column", &full, "two relations have it: write relation.column"))
            }
            (None, _) => {
                let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                names.dedup();
                Err(not_understood("the column", &full, &format!("none of {} has it", names.join(", "))))
            }
        }
    }
}

impl<'a> Walker<'a> {
    /// The rows of all that stands after `from`.
    pub(crate) fn from(&self, tables: &'a [TableWithJoins], scope: &Steps<'a>) -> Outcome<'a> {
        let mut joined: Option<Joined<'a>> = None;
        for table in tables {
            let next = self.table_with_joins(table, scope)?;
            joined = Some(match joined {
                Some(before) => self.join(before, next, Kind::Inner, None)?,
                None => next,
            });
        }
        // Without a from there is one row.
        Ok(joined.unwrap_or_else(|| Joined {
            relation: Relation { key: Some(Vec::new()), ..Relation::default() },
            ..Joined::default()
        }))
    }

    fn table_with_joins(&self, table: &'a TableWithJoins, scope: &Steps<'a>) -> Outcome<'a> {
        let mut joined = self.table(&table.relation, scope)?;
        for join in &table.joins {
            let right = self.table(&join.relation, scope)?;
            let (kind, condition) = operator(join)?;
            joined = self.join(joined, right, kind, condition)?;
        }
        Ok(joined)
    }

    fn table(&self, table: &'a TableFactor, scope: &Steps<'a>) -> Outcome<'a> {
        match table {
            TableFactor::Table { name, alias, args: None, version: None, sample: None, .. }
                if alias.as_ref().is_none_or(|alias| alias.columns.is_empty()) =>
            {
                let name = name.to_string();
                let own = name.rsplit_once('.').map_or(name.as_str(), |(_, table)| table);
                let own = alias.as_ref().map_or(own, |alias| alias.name.value.as_str());
                self.relation(&name, own, scope)
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let relation = self.query(subquery, scope.clone())?;
                let name = alias.as_ref().map_or("", |alias| alias.name.value.as_str());
                if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
                    return Err(not_understood("the relation", &table.to_string(), "name columns inside the query"));
                }
                let body = Body { name: name.to_lowercase(), query: subquery, scope: scope.clone() };
                Ok(Joined::new(name, relation, Some(body)))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.table_with_joins(table_with_joins, scope),
            other => Err(not_understood("the relation", &other.to_string(), "read a table, a step or a subquery")),
        }
    }

    fn join(&self, mut left: Joined<'a>, mut right: Joined<'a>, kind: Kind, on: Option<&Expr>) -> Outcome<'a> {
        let width = left.relation.columns.len();
        let mut joined = Joined { names: [&left.names[..], &right.names].concat(), ..Joined::default() };
        joined.relation.columns = [&left.relation.columns[..], &right.relation.columns].concat();
        let none = Reading::default();
        let reader = Reader::new(self, &joined, &none);
        let mut condition = Lineage::default();
        let mut pairs = Vec::new();
        if let Some(on) = on {
            condition = reader.condition(on)?;
            for part in conjuncts(on) {
                pairs.extend(pair(&reader, part, width)?);
            }
            for clock in reader.clocks_present(on)? {
                if kind != Kind::Right && kind != Kind::Full {
                    right.relation.settle(&clock);
                }
                if kind != Kind::Left && kind != Kind::Full {
                    left.relation.settle(&clock);
                }
            }
        }
        let columns = &joined.relation.columns;
        let same_order = pairs.iter().any(|(one, other)| columns[*one].names_order && columns[*other].names_order);
        one_reading_meets_itself_on_its_order(&left.relation, &right.relation, same_order)?;
        let across = !same_order && left.relation.of_orders() && right.relation.of_orders();

        let unique_right = unique(&right.relation, pairs.iter().map(|(_, other)| other - width));
        let unique_left = unique(&left.relation, pairs.iter().map(|(one, _)| *one));
        let (mut left, mut right) = (left.relation, right.relation);
        let key = match (unique_left, unique_right) {
            (_, true) if kind == Kind::Inner || kind == Kind::Left => left.key.clone(),
            (true, _) if kind == Kind::Inner || kind == Kind::Right => shifted(right.key.as_ref(), width),
            _ if kind == Kind::Inner => left
                .key
                .as_ref()
                .zip(shifted(right.key.as_ref(), width))
                .map(|(one, other)| [&one[..], &other].concat()),
            _ => None,
        };
        if matches!(kind, Kind::Left | Kind::Full) {
            optional(&mut right, &condition);
        }
        if matches!(kind, Kind::Right | Kind::Full) {
            optional(&mut left, &condition);
        }
        let mut relation = Relation { key, ..Relation::default() };
        // A side that is optional and matches at most once decides no row, nor does the condition then.
        let silent = [kind == Kind::Right && unique_left, kind == Kind::Left && unique_right];
        if silent == [false, false] {
            relation.rows.add_decider(&condition);
        }
        for (side, silent) in [left, right].into_iter().zip(silent) {
            if !silent {
                relation.rows.add_decider(&side.rows);
            }
            relation.pending.extend(side.pending);
            relation.settled.extend(side.settled);
            relation.columns.extend(side.columns);
        }
        if across {
            relation.rows.across = true;
            relation.columns.iter_mut().filter(|column| column.lineage.of_orders()).for_each(|column| {
                column.lineage.across = true;
            });
        }
        joined.relation = relation;
        Ok(joined)
    }
}

type Outcome<'a> = Result<Joined<'a>, ModelError>;

impl Relation {
    fn of_orders(&self) -> bool {
        self.columns.iter().any(|column| column.lineage.of_orders())
    }

    /// Only rows with this clock are left.
    pub(crate) fn settle(&mut self, clock: &Clock) {
        if self.pending.remove(&clock.reading).is_some() {
            self.rows.add_decider(&clock.rows);
            self.settled.insert(clock.reading, clock.formula.clone());
        }
    }
}

/// A side whose columns may be missing: the condition and its own rows decide.
fn optional(side: &mut Relation, condition: &Lineage) {
    let mut deciding = side.deciding_rows();
    deciding.add_decider(condition);
    for column in &mut side.columns {
        column.lineage.add_decider(&deciding);
        column.clock = None;
        if let Some(moment) = &mut column.moment {
            moment.nullable = true;
        }
    }
    side.rows = deciding;
    side.pending.clear();
}

/// The positions that an equality of a left and a right column compares.
fn pair(reader: &Reader<'_, '_>, part: &Expr, width: usize) -> Result<Option<(usize, usize)>, ModelError> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = part else { return Ok(None) };
    let positions = reader.position(left)?.zip(reader.position(right)?);
    let ordered = positions.map(|(one, other)| (one.min(other), one.max(other)));
    Ok(ordered.filter(|(one, other)| *one < width && *other >= width))
}

/// Whether no two rows of a side have the same values in these columns.
fn unique(side: &Relation, compared: impl Iterator<Item = usize>) -> bool {
    let compared: Vec<usize> = compared.collect();
    side.key.as_ref().is_some_and(|key| key.iter().all(|position| compared.contains(position)))
}

fn shifted(key: Option<&Vec<usize>>, width: usize) -> Option<Vec<usize>> {
    key.map(|key| key.iter().map(|position| position + width).collect())
}

/// One reading of an event log may be joined to itself only where both sides are the same row.
fn one_reading_meets_itself_on_its_order(
    left: &Relation,
    right: &Relation,
    same_order: bool,
) -> Result<(), ModelError> {
    let has = |relation: &Relation, reading: &usize| {
        relation.pending.contains_key(reading) || relation.settled.contains_key(reading)
    };
    let settled = |relation: &Relation, reading: &usize| relation.settled.contains_key(reading);
    let shared = left.pending.keys().chain(left.settled.keys()).filter(|reading| has(right, reading));
    let mut wrong = shared.filter(|reading| !(same_order && settled(left, reading) && settled(right, reading)));
    match wrong.next() {
        Some(_) => Err(not_understood(
            "the join",
            "of a step with windows over an event log with itself",
            "keep only rows with their decision moment on both sides (where decided_at is not null), and join on order_id",
        )),
        None => Ok(()),
    }
}

fn operator(join: &Join) -> Result<(Kind, Option<&Expr>), ModelError> {
    let (kind, constraint) = match &join.join_operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) | JoinOperator::CrossJoin(constraint) => {
            (Kind::Inner, constraint)
        }
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (Kind::Left, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (Kind::Right, constraint),
        JoinOperator::FullOuter(constraint) => (Kind::Full, constraint),
        _ => return Err(unusual(join)),
    };
    match constraint {
        JoinConstraint::On(condition) => Ok((kind, Some(condition))),
        JoinConstraint::None => Ok((kind, None)),
        JoinConstraint::Using(_) | JoinConstraint::Natural => Err(unusual(join)),
    }
}

fn unusual(join: &Join) -> ModelError {
    not_understood("the join", &join.to_string(), "write inner, left, right, full or cross join, with on")
}
