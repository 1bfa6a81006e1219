//! What an expression reads.
//!
//! Inside a branch of an event log a comparison with the event's own moment reads nothing that is not known by then,
//! whatever it is compared with:
//!
//! ```text
//!  where delivered_at <= at                    true: it has happened; not true: not yet, or never. Known either way
//!  coalesce(delivered_at > at, true)           false: it has happened. Known
//!  delivered_at > at                           NULL or true: tells whether it ever will happen. Not known!
//!  case when handed_over_at <= at then x end   by then x may read what the hand-over tells
//! ```

use std::{collections::BTreeSet, rc::Rc};

use sqlparser::ast::{BinaryOperator, Expr, Function, Value};

use super::{
    Column, Constant, Lineage,
    functions::{Kind, arguments, function_name, inside, kind, reads},
    join::Joined,
    moment::Moment,
    query::{Walker, not_understood},
    window::Reading,
};
use crate::{ModelError, known::Known};

/// Reads expressions over the rows of one `from`.
#[derive(Clone)]
pub(crate) struct Reader<'r, 'a> {
    pub(crate) walker: &'r Walker<'a>,
    pub(crate) from: &'r Joined<'a>,
    /// Windows, and what they read.
    pub(crate) reading: &'r Reading<'a>,
    /// The column that holds the event's moment, in a branch of an event log.
    pub(crate) at: Option<usize>,
    /// Events that have surely happened by that moment, because a condition says so.
    pub(crate) known: BTreeSet<Known>,
    /// What decides which rows it reads.
    pub(crate) rows: Rc<Lineage>,
    /// Columns that are surely not NULL, because a condition says so.
    pub(crate) present: BTreeSet<usize>,
}

/// A comparison with the event's moment.
struct Beside<'e> {
    other: &'e Expr,
    moment: Moment,
    /// Whether it asks for what lies before the moment, not after.
    before: bool,
}

impl<'r, 'a> Reader<'r, 'a> {
    pub(crate) fn new(walker: &'r Walker<'a>, from: &'r Joined<'a>, reading: &'r Reading<'a>) -> Self {
        let rows = Rc::new(from.relation.deciding_rows());
        Self { walker, from, reading, rows, at: None, known: BTreeSet::new(), present: BTreeSet::new() }
    }

    /// The position of a column, if the expression is one.
    pub(crate) fn position(&self, expression: &Expr) -> Result<Option<usize>, ModelError> {
        match plain(expression) {
            Expr::Identifier(name) => self.from.find(None, &name.value).map(Some),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, name] => self.from.find(Some(&relation.value), &name.value).map(Some),
                _ => Err(not_understood("the name", &expression.to_string(), "write relation.column")),
            },
            _ => Ok(None),
        }
    }

    /// What a column reads, less what conditions prove.
    pub(crate) fn column(&self, position: usize) -> Column {
        let mut column = self.from.relation.columns[position].clone();
        if let Some(moment) = column.moment.as_mut().filter(|_| self.present.contains(&position)) {
            moment.nullable = false;
        }
        self.prove(&mut column.lineage);
        column
    }

    /// Takes away what conditions prove to be known.
    pub(crate) fn prove(&self, lineage: &mut Lineage) {
        lineage.unproven.retain(|source| !self.known.contains(&source.known));
    }

    /// An expression as a column of the result.
    pub(crate) fn output(&self, name: String, expression: &Expr) -> Result<Column, ModelError> {
        if let Some(position) = self.position(expression)? {
            return Ok(Column { name, ..self.column(position) });
        }
        Ok(Column {
            moment: self.moment(expression)?,
            constant: constant(expression),
            ..Column::new(name, self.lineage(expression)?)
        })
    }

    /// What an expression reads.
    pub(crate) fn lineage(&self, expression: &Expr) -> Result<Lineage, ModelError> {
        let expression = plain(expression);
        if let Some(position) = self.position(expression)? {
            return Ok(self.column(position).lineage);
        }
        if let Some(proven) = self.proven(expression, false)? {
            return Ok(proven);
        }
        match expression {
            Expr::Function(function) => self.function(function),
            Expr::Case { operand: None, conditions, else_result, .. } => {
                let mut lineage = Lineage::default();
                for when in conditions {
                    lineage.add(&self.condition(&when.condition)?);
                    lineage.add(&self.knowing(&when.condition)?.lineage(&when.result)?);
                }
                if let Some(otherwise) = else_result {
                    lineage.add(&self.lineage(otherwise)?);
                }
                Ok(lineage)
            }
            _ => self.together(&parts(expression)?),
        }
    }

    /// What several expressions read.
    pub(crate) fn together(&self, expressions: &[&Expr]) -> Result<Lineage, ModelError> {
        let mut lineage = Lineage::default();
        for expression in expressions {
            lineage.add(&self.lineage(expression)?);
        }
        Ok(lineage)
    }

    /// What an expression reads where only `true` counts, and NULL is as good as `false`.
    pub(crate) fn condition(&self, expression: &Expr) -> Result<Lineage, ModelError> {
        let expression = plain(expression);
        if let Some(proven) = self.proven(expression, true)? {
            return Ok(proven);
        }
        match expression {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                let reader = self.knowing(expression)?;
                let mut lineage = reader.condition(left)?;
                lineage.add(&reader.condition(right)?);
                Ok(lineage)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                let mut lineage = self.condition(left)?;
                lineage.add(&self.condition(right)?);
                Ok(lineage)
            }
            _ => self.lineage(expression),
        }
    }

    /// A reader of what is computed only where a condition holds.
    pub(crate) fn knowing(&self, condition: &Expr) -> Result<Self, ModelError> {
        let mut reader = self.clone();
        for part in conjuncts(condition) {
            if let Some(beside) = self.beside_at(part)?.filter(|beside| beside.before) {
                reader.known.extend(beside.moment.events);
            }
            match part {
                Expr::IsNotNull(column) => reader.present.extend(self.position(column)?),
                Expr::BinaryOp { left, op, right } if compares(op) => {
                    reader.present.extend(self.position(left)?);
                    reader.present.extend(self.position(right)?);
                }
                _ => {}
            }
        }
        Ok(reader)
    }

    fn function(&self, function: &Function) -> Result<Lineage, ModelError> {
        match (kind(function)?, &function.over) {
            (_, Some(window)) => self.window(function, window),
            (Kind::Rank, None) => {
                Err(not_understood("the call", &function.to_string(), "a rank needs a window: over (…)"))
            }
            (_, None) => self.together(&reads(function)?),
        }
    }

    /// What a comparison with the event's moment reads, if the answer is known at that moment.
    fn proven(&self, expression: &Expr, is_condition: bool) -> Result<Option<Lineage>, ModelError> {
        let Some(at) = self.at else { return Ok(None) };
        let beside = match expression {
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                let either = [(left, right), (right, left)];
                let mut found = None;
                for (missing, later) in either {
                    if let (Expr::IsNull(missing), Some(beside)) = (plain(missing), self.beside_at(plain(later))?) {
                        let same = self.position(missing)?.is_some()
                            && self.position(missing)? == self.position(beside.other)?;
                        found = Some(beside).filter(|beside| same && !beside.before);
                    }
                }
                found
            }
            Expr::Function(function) if function_name(function) == "coalesce" => {
                match arguments(function)?.as_slice() {
                    [comparison, default] => match (self.beside_at(plain(comparison))?, truth(default)) {
                        (Some(beside), Some(default)) => Some(beside).filter(|beside| beside.before != default),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => self.beside_at(expression)?.filter(|beside| is_condition && beside.before),
        };
        let Some(beside) = beside else { return Ok(None) };
        let mut lineage = Lineage::default();
        lineage.add_decider(&self.column(at).lineage);
        lineage.add_decider(&self.lineage(beside.other)?);
        lineage.unproven.clear();
        Ok(Some(lineage))
    }

    /// Whether an expression compares a moment with the event's.
    fn beside_at<'e>(&self, expression: &'e Expr) -> Result<Option<Beside<'e>>, ModelError> {
        let (Some(at), Expr::BinaryOp { left, op, right }) = (self.at, expression) else { return Ok(None) };
        let less = match op {
            BinaryOperator::Lt | BinaryOperator::LtEq => true,
            BinaryOperator::Gt | BinaryOperator::GtEq => false,
            _ => return Ok(None),
        };
        let (other, before) = match (self.position(left)? == Some(at), self.position(right)? == Some(at)) {
            (false, true) => (left, less),
            (true, false) => (right, !less),
            _ => return Ok(None),
        };
        Ok(self.moment(other)?.map(|moment| Beside { other, moment, before }))
    }
}

/// Whether an operator is a comparison that NULL does not pass.
fn compares(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Lt | LtEq | Gt | GtEq | Eq | NotEq)
}

/// An expression without the parentheses around it.
pub(crate) fn plain(expression: &Expr) -> &Expr {
    match expression {
        Expr::Nested(inner) => plain(inner),
        other => other,
    }
}

/// The parts that must all hold.
pub(crate) fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    match plain(condition) {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut found = conjuncts(left);
            found.extend(conjuncts(right));
            found
        }
        other => vec![other],
    }
}

/// A whole number that is written out, also as a sum or a product.
pub(crate) fn literal(expression: &Expr) -> Option<i64> {
    match plain(expression) {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            _ => None,
        },
        Expr::Cast { expr, .. } => literal(expr),
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => literal(left)?.checked_mul(literal(right)?),
        Expr::BinaryOp { left, op: BinaryOperator::Plus, right } => literal(left)?.checked_add(literal(right)?),
        _ => None,
    }
}

/// Whether an expression is NULL, perhaps with a type.
pub(crate) fn is_null(expression: &Expr) -> bool {
    match plain(expression) {
        Expr::Value(value) => value.value == Value::Null,
        Expr::Cast { expr, .. } => is_null(expr),
        _ => false,
    }
}

fn constant(expression: &Expr) -> Option<Constant> {
    if is_null(expression) {
        Some(Constant::Null)
    } else {
        literal(expression).filter(|value| *value == 0).map(|_| Constant::Zero)
    }
}

fn truth(expression: &Expr) -> Option<bool> {
    match plain(expression) {
        Expr::Value(value) => match value.value {
            Value::Boolean(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// The expressions that an expression is directly made of; a column has none.
///
/// # Errors
/// When it is of a kind that lineage does not know.
pub(crate) fn parts(expression: &Expr) -> Result<Vec<&Expr>, ModelError> {
    let parts: Vec<&Expr> = match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::TypedString(_) => Vec::new(),
        Expr::Nested(one)
        | Expr::IsFalse(one)
        | Expr::IsNotFalse(one)
        | Expr::IsTrue(one)
        | Expr::IsNotTrue(one)
        | Expr::IsNull(one)
        | Expr::IsNotNull(one) => vec![one],
        Expr::UnaryOp { expr, .. }
        | Expr::Cast { expr, .. }
        | Expr::Extract { expr, .. }
        | Expr::Ceil { expr, .. }
        | Expr::Floor { expr, .. } => vec![expr],
        Expr::Interval(interval) => vec![&interval.value],
        Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right)
        | Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::InList { expr, list, .. } => std::iter::once(expr.as_ref()).chain(list).collect(),
        Expr::Between { expr, low, high, .. } => vec![expr, low, high],
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } | Expr::RLike { expr, pattern, .. } => {
            vec![expr, pattern]
        }
        Expr::Position { expr, r#in } => vec![expr, r#in],
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            std::iter::once(expr).chain(substring_from).chain(substring_for).map(AsRef::as_ref).collect()
        }
        Expr::Trim { expr, trim_what, trim_characters, .. } => {
            std::iter::once(expr.as_ref()).chain(trim_what.as_deref()).chain(trim_characters.iter().flatten()).collect()
        }
        Expr::Case { operand, conditions, else_result, .. } => operand
            .as_deref()
            .into_iter()
            .chain(conditions.iter().flat_map(|when| [&when.condition, &when.result]))
            .chain(else_result.as_deref())
            .collect(),
        Expr::Function(function) => inside(function)?,
        other => {
            return Err(not_understood(
                "the expression",
                &other.to_string(),
                "its lineage is not known; write it with joins, case, functions and window functions",
            ));
        }
    };
    Ok(parts)
}
