//! Steps over a union of named events are spread over its branches, where each event can be looked at alone.
//!
//! ```text
//!  happened as (select *, 'bought' as event, purchased_at as moment from timed union all
//!               select *, 'delivered' as event, delivered_at as moment from timed where …)
//!  counted  as (select moment, case when event = 'delivered' and is_late then 1 else 0 end as late from happened)
//!        │
//!        ▼ the same rows
//!  counted  as (select purchased_at as moment, 0 as late from timed union all
//!               select delivered_at as moment, case when is_late then 1 else 0 end as late from timed where …)
//! ```
//!
//! Written once for each count instead of once for each event, such a log is short and can be read; spread out, it can be
//! proven branch by branch. Only steps over a union whose every branch names its event by a text are touched.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Statement, TableFactor, UnaryOperator, Value, visit_expressions, visit_expressions_mut,
};

use super::expression::plain;

/// Spreads what can be spread.
pub(crate) fn unfold(statement: &mut Statement) {
    let Statement::Query(query) = statement else { return };
    let Some(with) = &mut query.with else { return };
    let mut unions: Vec<(String, Vec<Select>)> = Vec::new();
    for step in &mut with.cte_tables {
        let name = step.alias.name.value.to_lowercase();
        let branches = if let Some(branches) = branches(&step.query) {
            branches.iter().all(|branch| branch.projection.iter().any(names_an_event)).then_some(branches)
        } else {
            spread(&step.query, &unions).inspect(|branches| *step.query.body = union(branches.clone()))
        };
        unions.extend(branches.map(|branches| (name, branches)));
    }
}

/// The selects of a union of at least two.
fn branches(query: &Query) -> Option<Vec<Select>> {
    fn collect(set: &SetExpr, found: &mut Vec<Select>) -> Option<()> {
        match set {
            SetExpr::Select(select) => found.push((**select).clone()),
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right } => {
                collect(left, found)?;
                collect(right, found)?;
            }
            _ => return None,
        }
        Some(())
    }
    let mut found = Vec::new();
    collect(&query.body, &mut found)?;
    (found.len() > 1).then_some(found)
}

fn names_an_event(item: &SelectItem) -> bool {
    matches!(item, SelectItem::ExprWithAlias { expr, .. } if text(expr).is_some())
}

fn text(expression: &Expr) -> Option<&str> {
    match plain(expression) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// A plain select over one of the unions, once for each of its branches.
fn spread(query: &Query, unions: &[(String, Vec<Select>)]) -> Option<Vec<Select>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias: None, .. } = &from.relation else { return None };
    let read = name.to_string().to_lowercase();
    let (_, branches) = unions.iter().rev().find(|(name, _)| *name == read)?;
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let looks_at_many = visit_expressions(select, |expression| match expression {
        Expr::Function(function) if function.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if !from.joins.is_empty() || grouped || select.distinct.is_some() || looks_at_many.is_break() {
        return None;
    }
    branches.iter().map(|branch| merge(select, &read, branch)).collect()
}

/// A select over a branch as one select; `None` if a name cannot be followed.
fn merge(select: &Select, read: &str, branch: &Select) -> Option<Select> {
    let mut merged = branch.clone();
    merged.projection.clear();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) => merged.projection.extend(branch.projection.iter().cloned()),
            SelectItem::ExprWithAlias { expr, alias } => {
                let expr = followed(expr.clone(), read, branch);
                merged.projection.push(SelectItem::ExprWithAlias { expr, alias: alias.clone() });
            }
            SelectItem::UnnamedExpr(expr) => {
                let alias = name_of(expr, read)?.clone();
                let expr = followed(expr.clone(), read, branch);
                merged.projection.push(SelectItem::ExprWithAlias { expr, alias });
            }
            _ => return None,
        }
    }
    let own = select.selection.clone().map(|condition| followed(condition, read, branch));
    merged.selection = match (merged.selection.take(), own) {
        (Some(left), Some(right)) => Some(Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(left))),
            op: BinaryOperator::And,
            right: Box::new(Expr::Nested(Box::new(right))),
        }),
        (left, right) => left.or(right),
    };
    Some(merged)
}

/// The name of a column of the relation that is read.
fn name_of<'e>(expression: &'e Expr, read: &str) -> Option<&'e Ident> {
    match expression {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [owner, name] if owner.value.eq_ignore_ascii_case(read) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// An expression with the branch's own in the place of their names, as far as it can be told what it is.
fn followed(mut expression: Expr, read: &str, branch: &Select) -> Expr {
    let _: ControlFlow<()> = visit_expressions_mut(&mut expression, |node| {
        let found = name_of(node, read).map(|name| {
            let named = branch.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if alias.value.eq_ignore_ascii_case(&name.value) => {
                    Some(Expr::Nested(Box::new(expr.clone())))
                }
                _ => None,
            });
            named.unwrap_or_else(|| Expr::Identifier(name.clone()))
        });
        if let Some(found) = found {
            *node = found;
        }
        simplify(node);
        ControlFlow::Continue(())
    });
    expression
}

/// Replaces what is already decided; its parts have been simplified before.
fn simplify(node: &mut Expr) {
    let simpler = match node {
        Expr::Nested(inner) if matches!(**inner, Expr::Nested(_) | Expr::Identifier(_) | Expr::Value(_)) => {
            Some((**inner).clone())
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            text(left).zip(text(right)).map(|(left, right)| truth(left == right))
        }
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => match (decided(left), decided(right)) {
            (Some(false), _) | (_, Some(false)) => Some(truth(false)),
            (Some(true), _) => Some((**right).clone()),
            (_, Some(true)) => Some((**left).clone()),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => decided(expr).map(|holds| truth(!holds)),
        Expr::InList { expr, list, negated } => {
            let listed: Option<Vec<&str>> = list.iter().map(text).collect();
            text(expr).zip(listed).map(|(text, listed)| truth(listed.contains(&text) != *negated))
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            if let Some(named) = operand.as_deref().and_then(text).map(str::to_owned) {
                for when in conditions.iter_mut() {
                    let Some(other) = text(&when.condition) else { return };
                    when.condition = truth(other == named);
                }
                *operand = None;
            }
            if operand.is_some() {
                return;
            }
            conditions.retain(|when| decided(&when.condition) != Some(false));
            let certain = conditions.iter().position(|when| decided(&when.condition) == Some(true));
            if let Some(certain) = certain {
                let CaseWhen { result, .. } = conditions.swap_remove(certain);
                conditions.truncate(certain);
                *else_result = Some(Box::new(result));
            }
            let otherwise = || else_result.as_ref().map_or(Expr::value(Value::Null), |otherwise| (**otherwise).clone());
            conditions.is_empty().then(otherwise)
        }
        _ => None,
    };
    if let Some(simpler) = simpler {
        *node = simpler;
    }
}

fn truth(holds: bool) -> Expr {
    Expr::value(Value::Boolean(holds))
}

fn decided(expression: &Expr) -> Option<bool> {
    match plain(expression) {
        Expr::Value(value) => match value.value {
            Value::Boolean(holds) => Some(holds),
            _ => None,
        },
        _ => None,
    }
}

fn union(branches: Vec<Select>) -> SetExpr {
    let selects = branches.into_iter().map(|branch| SetExpr::Select(Box::new(branch)));
    selects
        .reduce(|left, right| SetExpr::SetOperation {
            left: Box::new(left),
            op: SetOperator::Union,
            set_quantifier: SetQuantifier::All,
            right: Box::new(right),
        })
        .unwrap_or_else(|| {
            SetExpr::Values(sqlparser::ast::Values { explicit_row: false, rows: Vec::new(), value_keyword: false })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(sql: &str, step: usize) -> String {
        let mut statement = crate::model::parse(sql).unwrap();
        unfold(&mut statement);
        let Statement::Query(query) = statement else { panic!("no query") };
        query.with.unwrap().cte_tables[step].query.to_string()
    }

    const LOG: &str = "with happened as (
          select *, 'bought' as event, purchased_at as moment from timed
          union all
          select *, 'delivered' as event, delivered_at as moment from timed where delivered_at <= given_up_at
        ), counted as (
          select order_id, moment,
            case when event = 'bought' then order_purchase_timestamp end as decided_at,
            cast(case event when 'bought' then 1 when 'delivered' then -1 else 0 end as bigint) as open,
            case when event in ('delivered', 'given up') and handed_over_at < moment then 1 else 0 end as carried
          from happened
        ), events as (select *, open * purchased_at as open_since from counted)
        select * from events";

    #[test]
    fn a_count_by_event_becomes_one_for_each_event() {
        assert_eq!(
            unfolded(LOG, 1),
            "SELECT order_id AS order_id, purchased_at AS moment, order_purchase_timestamp AS decided_at, \
             CAST(1 AS BIGINT) AS open, 0 AS carried FROM timed \
             UNION ALL \
             SELECT order_id AS order_id, delivered_at AS moment, NULL AS decided_at, CAST(-1 AS BIGINT) AS open, \
             CASE WHEN handed_over_at < delivered_at THEN 1 ELSE 0 END AS carried \
             FROM timed WHERE delivered_at <= given_up_at"
        );
    }

    #[test]
    fn a_step_over_such_a_step_follows_it() {
        let second = unfolded(LOG, 2);
        assert!(second.contains("(CAST(-1 AS BIGINT)) * purchased_at AS open_since"), "{second}");
        assert_eq!(second.matches("UNION ALL").count(), 1);
    }

    #[test]
    fn other_steps_stay_as_they_are() {
        for step in [
            "select a, 1 as kind from x union all select a, 2 as kind from y",
            "select count(*) as n from happened group by event",
            "select distinct order_id from happened",
            "select sum(a) over (partition by event) as n from happened",
        ] {
            let sql = format!(
                "with happened as (select *, 'a' as event from x union all select *, 'b' as event from y), s as ({step}) select * from s"
            );
            let before = crate::model::parse(&sql).unwrap().to_string();
            let mut after = crate::model::parse(&sql).unwrap();
            unfold(&mut after);
            assert_eq!(after.to_string(), before);
        }
    }
}
