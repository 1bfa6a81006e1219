//! Moments: values that are never earlier than the time at which they can be known.
//!
//! ```text
//!  order_delivered_customer_date                  a moment of {delivery}
//!  greatest(delivered, purchased)                 a moment of {purchase, delivery}: by then both have happened
//!  greatest(promised_day, purchased)              a moment of {purchase}: the promise is known at the purchase
//!  delivered - 1, promised_day alone              none: it may lie before the time at which it can be known
//! ```
//!
//! The proof of each rule is the same question: at the time that the value says, can the value be told? A column that
//! may be NULL is the trap. `greatest` and `least` skip NULLs, so `greatest(delivered, purchased)` of an order that is
//! never delivered is its purchase, and whoever sees that at the purchase knows too much. So a moment inside
//! `greatest` must not be NULL, which `case when delivered is not null then … end` sees to.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator, CaseWhen, DataType, Expr};

use super::{
    expression::{Reader, literal, plain},
    functions::{arguments, function_name},
};
use crate::{ModelError, known::Known};

/// That a value is a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The events that have surely happened by then.
    pub(crate) events: BTreeSet<Known>,
    /// Two values of one formula are the same moment.
    pub(crate) formula: String,
    /// Whether it may be NULL, because the event may never happen.
    pub(crate) nullable: bool,
}

impl Moment {
    /// The moment of one event, as a source tells it.
    pub(crate) fn of_event(source: String, event: Known, required: bool) -> Self {
        Self { events: [event].into(), formula: source, nullable: !required }
    }
}

/// The formula of the latest of some moments.
pub(crate) fn latest_of(mut formulas: Vec<String>) -> String {
    formulas.sort();
    formulas.dedup();
    if formulas.len() == 1 { formulas.remove(0) } else { format!("greatest({})", formulas.join(", ")) }
}

impl Reader<'_, '_> {
    /// Whether an expression is a moment.
    pub(crate) fn moment(&self, expression: &Expr) -> Result<Option<Moment>, ModelError> {
        let expression = plain(expression);
        if let Some(position) = self.position(expression)? {
            return Ok(self.column(position).moment);
        }
        match expression {
            Expr::Cast { expr, data_type, .. } if keeps_seconds(data_type) => self.moment(expr),
            Expr::BinaryOp { left, op: BinaryOperator::Plus, right } => {
                let later = |moment: Option<Moment>, by: i64| {
                    moment.map(|moment| Moment { formula: format!("{} + {by}", moment.formula), ..moment })
                };
                match (literal(left), literal(right)) {
                    (None, Some(by)) if by >= 0 => Ok(later(self.moment(left)?, by)),
                    (Some(by), None) if by >= 0 => Ok(later(self.moment(right)?, by)),
                    _ => Ok(None),
                }
            }
            Expr::Case { operand: None, conditions, else_result, .. } => {
                let otherwise = else_result.as_deref().is_none_or(super::expression::is_null);
                match conditions.as_slice() {
                    [CaseWhen { condition, result }] if otherwise => self.conditional(condition, result),
                    _ => Ok(None),
                }
            }
            Expr::Function(function) if function.over.is_none() => {
                let arguments = arguments(function)?;
                match (function_name(function).as_str(), arguments.as_slice()) {
                    ("unix_timestamp", [argument]) => self.moment(argument),
                    ("greatest", arguments) => self.greatest(arguments),
                    ("least", arguments) => self.least(arguments),
                    ("coalesce", arguments) => self.coalesce(arguments),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// `case when x is not null then <moment> end`: the condition must be told at the moment, too.
    fn conditional(&self, condition: &Expr, result: &Expr) -> Result<Option<Moment>, ModelError> {
        let moment = self.knowing(condition)?.moment(result)?;
        let told = self.lineage(condition)?;
        Ok(moment.filter(|moment| told.told_by(&moment.events)).map(|moment| Moment { nullable: true, ..moment }))
    }

    fn greatest(&self, arguments: &[&Expr]) -> Result<Option<Moment>, ModelError> {
        let mut events = BTreeSet::new();
        let (mut formulas, mut others) = (Vec::new(), Vec::new());
        for argument in arguments {
            match self.moment(argument)? {
                Some(moment) if !moment.nullable => {
                    events.extend(moment.events);
                    formulas.push(moment.formula);
                }
                moment => {
                    formulas.push(moment.map_or_else(|| self.walker.unique(), |moment| moment.formula));
                    others.push(self.lineage(argument)?);
                }
            }
        }
        let told = others.iter().all(|lineage| lineage.told_by(&events));
        let moment = Moment { events, formula: latest_of(formulas), nullable: false };
        Ok((told && others.len() < arguments.len()).then_some(moment))
    }

    /// At the earliest of some moments, the others have not happened yet: that is known, too.
    fn least(&self, arguments: &[&Expr]) -> Result<Option<Moment>, ModelError> {
        let mut moments = Vec::new();
        for argument in arguments {
            match self.moment(argument)? {
                Some(moment) => moments.push(moment),
                None => return Ok(None),
            }
        }
        Ok(common(&moments, "least"))
    }

    /// Whether the first is missing must be known when the second is.
    fn coalesce(&self, arguments: &[&Expr]) -> Result<Option<Moment>, ModelError> {
        let mut moments = Vec::new();
        for argument in arguments {
            match self.moment(argument)? {
                Some(moment) => moments.push(moment),
                None => return Ok(None),
            }
        }
        let Some(moment) = common(&moments, "coalesce") else { return Ok(None) };
        for argument in arguments.split_last().map_or(&[][..], |(_, before)| before) {
            if !self.lineage(argument)?.told_by(&moment.events) {
                return Ok(None);
            }
        }
        Ok(Some(moment))
    }
}

/// What holds of all of some moments, under a function of them that gives one of them.
fn common(moments: &[Moment], function: &str) -> Option<Moment> {
    let (first, others) = moments.split_first()?;
    let mut events = first.events.clone();
    for other in others {
        events.retain(|event| other.events.contains(event));
    }
    let formulas: Vec<&str> = moments.iter().map(|moment| moment.formula.as_str()).collect();
    Some(Moment {
        events,
        formula: format!("{function}({})", formulas.join(", ")),
        nullable: moments.iter().all(|moment| moment.nullable),
    })
}

/// A cast to a day would give its midnight, which is before the moment.
fn keeps_seconds(kind: &DataType) -> bool {
    matches!(kind, DataType::BigInt(_) | DataType::Timestamp(..))
}
