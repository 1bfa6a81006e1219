//! Queries: steps (`with`), `union all`, and one `select`.
//!
//! ```text
//!  from ─▶ where ─▶ group by ─▶ the selected expressions ─▶ distinct
//!    │       │         │                 │
//!    └───────┴─────────┴── rows ◀────────┘    what decides which rows there are
//! ```

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, Statement,
};

use super::{
    Column, Problem, Relation, Traced,
    expression::{Reader, conjuncts, parts, plain},
    functions::{Kind, kind},
    join::{Body, Joined},
    rows::{distinct, group, union},
    table::imported,
    unfold::unfold,
    window::Reading,
};
use crate::{ModelError, model::Model, tables::TableName};

/// What does not change while a model is walked.
pub(crate) struct Walker<'a> {
    tables: &'a BTreeMap<TableName, Relation>,
    /// Whether windows over event logs are proofs; only a model with a decision is looked at closely enough for that.
    pub(crate) proves: bool,
    pub(crate) problems: RefCell<BTreeSet<Problem>>,
    counter: Cell<usize>,
}

/// The steps before a query, the nearest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps<'a>(Option<Rc<Step<'a>>>);

#[derive(Debug)]
struct Step<'a> {
    name: String,
    relation: Relation,
    query: &'a Query,
    before: Steps<'a>,
}

/// Something in a model's SQL whose lineage cannot be told; [`trace_model`] adds the file.
pub(crate) fn not_understood(what: &str, text: &str, hint: &str) -> ModelError {
    ModelError::file(String::new(), format!("cannot tell the lineage of {what} `{text}`"), hint)
}

/// Walks a model's SQL.
///
/// # Errors
/// When something in it is not understood.
pub(crate) fn trace_model(model: &Model, tables: &BTreeMap<TableName, Relation>) -> Result<Traced, ModelError> {
    let file = format!("{}.sql", model.table.path());
    let walked = || {
        let mut statement =
            crate::model::parse(&model.sql).map_err(|problem| ModelError::file(&file, problem, "one query"))?;
        unfold(&mut statement);
        let Statement::Query(query) = &statement else {
            return Err(not_understood("the statement", &statement.to_string(), "a model is a query"));
        };
        let walker =
            Walker { tables, proves: model.decision.is_some(), problems: RefCell::default(), counter: Cell::default() };
        let relation = walker.query(query, Steps::default())?;
        Ok(Traced { relation, problems: walker.problems.into_inner() })
    };
    walked().map_err(|error| match error {
        ModelError::File { file: empty, problem, hint } if empty.is_empty() => {
            ModelError::File { file: file.clone(), problem, hint }
        }
        other => other,
    })
}

/// One column of a result, before it is computed.
pub(crate) struct Item<'a> {
    name: String,
    what: What<'a>,
}

enum What<'a> {
    /// Taken over by a wildcard.
    Position(usize),
    Expression(&'a Expr),
}

impl<'a> Walker<'a> {
    /// A number that was not given before.
    pub(crate) fn next(&self) -> usize {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    /// A formula that equals no other.
    pub(crate) fn unique(&self) -> String {
        format!("?{}", self.next())
    }

    /// A table, or a step before.
    pub(crate) fn relation(&self, name: &str, own: &str, scope: &Steps<'a>) -> Result<Joined<'a>, ModelError> {
        if name.contains('.') {
            let table: TableName = name.to_lowercase().parse()?;
            let stored = self.tables.get(&table);
            return match stored {
                Some(stored) => Ok(Joined::new(own, imported(&table, stored), None)),
                None => Err(not_understood("the table", name, "no contract and no model makes it")),
            };
        }
        let lower = name.to_lowercase();
        let mut nearest = scope.0.as_ref();
        while let Some(step) = nearest {
            if step.name == lower {
                let body = Body { name: lower, query: step.query, scope: step.before.clone() };
                return Ok(Joined::new(own, step.relation.clone(), Some(body)));
            }
            nearest = step.before.0.as_ref();
        }
        Err(not_understood("the relation", name, "no step before has this name"))
    }

    /// A query with its steps.
    pub(crate) fn query(&self, query: &'a Query, scope: Steps<'a>) -> Result<Relation, ModelError> {
        let mut scope = scope;
        if query.limit_clause.is_some() || query.fetch.is_some() || !query.pipe_operators.is_empty() {
            return Err(not_understood("the query", &query.to_string(), "limit, fetch and pipes are not for models"));
        }
        if let Some(with) = &query.with {
            for step in &with.cte_tables {
                let name = step.alias.name.value.to_lowercase();
                if with.recursive || !step.alias.columns.is_empty() {
                    return Err(not_understood("the step", &name, "no recursion; name columns inside the step"));
                }
                let relation = self.query(&step.query, scope.clone())?;
                scope = Steps(Some(Rc::new(Step { name, relation, query: &step.query, before: scope })));
            }
        }
        self.set(&query.body, &scope)
    }

    fn set(&self, set: &'a SetExpr, scope: &Steps<'a>) -> Result<Relation, ModelError> {
        match set {
            SetExpr::Select(select) => self.select(select, scope, None),
            SetExpr::Query(query) => self.query(query, scope.clone()),
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right } => {
                union(self.set(left, scope)?, self.set(right, scope)?, self)
            }
            other => Err(not_understood("the query", &other.to_string(), "write select, or union all of selects")),
        }
    }

    /// One select; `at` is the place among its results of an event's moment.
    pub(crate) fn select(
        &self,
        select: &'a Select,
        scope: &Steps<'a>,
        at: Option<usize>,
    ) -> Result<Relation, ModelError> {
        refuse_unusual(select)?;
        let from = self.from(&select.from, scope)?;
        let items = items(select, &from)?;
        let GroupByExpr::Expressions(keys, _) = &select.group_by else {
            return Err(not_understood("the grouping", &select.group_by.to_string(), "name the columns"));
        };
        let mut grouped = !keys.is_empty() || select.having.is_some();
        for item in &items {
            if let What::Expression(expression) = item.what {
                grouped = grouped || aggregates(expression)?;
            }
        }
        let plain_from = select.selection.is_none() && !grouped && at.is_none();
        let reading = Reading::new(&select.named_window, plain_from);
        let mut reader = Reader::new(self, &from, &reading);
        reader.at = match at.and_then(|at| items.get(at)).map(|item| &item.what) {
            Some(What::Position(position)) => Some(*position),
            Some(What::Expression(expression)) => reader.position(expression)?,
            None => None,
        };
        let mut relation = Relation {
            rows: from.relation.rows.clone(),
            pending: from.relation.pending.clone(),
            settled: from.relation.settled.clone(),
            ..Relation::default()
        };
        if let Some(condition) = &select.selection {
            relation.rows.add_decider(&reader.condition(condition)?);
            for clock in reader.clocks_present(condition)? {
                relation.settle(&clock);
            }
            reader = reader.knowing(condition)?;
            reader.prove(&mut relation.rows);
            reader.rows = Rc::new(relation.deciding_rows());
        }
        for item in &items {
            let name = item.name.clone();
            relation.columns.push(match item.what {
                What::Position(position) => Column { name, ..reader.column(position) },
                What::Expression(expression) => reader.output(name, expression)?,
            });
        }
        let positions = positions(&reader, &items)?;
        let place = |key: &usize| positions.iter().position(|position| *position == Some(*key));
        if grouped {
            group(&reader, keys, select.having.as_ref(), &mut relation)?;
            let keys: Result<Option<Vec<usize>>, _> = keys.iter().map(|key| reader.position(key)).collect();
            relation.key = keys?.and_then(|keys| keys.iter().map(place).collect());
        } else {
            relation.key = from.relation.key.as_ref().and_then(|keys| keys.iter().map(place).collect());
            reading.finish(&positions, &mut relation);
        }
        if select.distinct.is_some() {
            distinct(&mut relation);
        }
        Ok(relation)
    }
}

/// The place in `from` of each column that is only taken over.
fn positions(reader: &Reader<'_, '_>, items: &[Item<'_>]) -> Result<Vec<Option<usize>>, ModelError> {
    let position = |item: &Item<'_>| match item.what {
        What::Position(position) => Ok(Some(position)),
        What::Expression(expression) => reader.position(expression),
    };
    items.iter().map(position).collect()
}

/// The results of a select, wildcards spelt out.
fn items<'a>(select: &'a Select, from: &Joined<'a>) -> Result<Vec<Item<'a>>, ModelError> {
    let mut items = Vec::new();
    let all = |owner: Option<&str>| {
        let taken = from.relation.columns.iter().zip(&from.names).enumerate();
        taken
            .filter(|(_, (_, name))| owner.is_none_or(|owner| owner == *name))
            .map(|(position, (column, _))| Item { name: column.name.clone(), what: What::Position(position) })
            .collect::<Vec<_>>()
    };
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(options) if options.to_string().is_empty() => items.extend(all(None)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(owner), options)
                if options.to_string().is_empty() =>
            {
                let found = all(Some(&owner.to_string().to_lowercase()));
                if found.is_empty() {
                    return Err(not_understood("the columns", &item.to_string(), "no relation has this name"));
                }
                items.extend(found);
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                items.push(Item { name: alias.value.to_lowercase(), what: What::Expression(expr) });
            }
            SelectItem::UnnamedExpr(expression) => {
                let name = match plain(expression) {
                    Expr::Identifier(name) => name.value.to_lowercase(),
                    Expr::CompoundIdentifier(parts) => {
                        parts.last().map(|part| part.value.to_lowercase()).unwrap_or_default()
                    }
                    other => other.to_string().to_lowercase(),
                };
                items.push(Item { name, what: What::Expression(expression) });
            }
            other => return Err(not_understood("the column", &other.to_string(), "write expression as name")),
        }
    }
    Ok(items)
}

/// Whether an expression puts rows together without a window.
fn aggregates(expression: &Expr) -> Result<bool, ModelError> {
    if let Expr::Function(function) = expression
        && function.over.is_none()
        && kind(function)? == Kind::Aggregate
    {
        return Ok(true);
    }
    for part in parts(expression)? {
        if aggregates(part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refuse_unusual(select: &Select) -> Result<(), ModelError> {
    let unusual = select.top.is_some()
        || select.into.is_some()
        || !select.lateral_views.is_empty()
        || select.qualify.is_some()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || select.exclude.is_some()
        || matches!(&select.distinct, Some(Distinct::On(_)))
        || matches!(&select.group_by, GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty());
    if unusual {
        return Err(not_understood(
            "the select",
            &select.to_string(),
            "write from, where, group by and having only, see docs/reference/models.md#dialect",
        ));
    }
    Ok(())
}

impl Reader<'_, '_> {
    /// The clocks that a condition wants to be there.
    pub(crate) fn clocks_present(&self, condition: &Expr) -> Result<Vec<Rc<super::Clock>>, ModelError> {
        let mut clocks = Vec::new();
        for part in conjuncts(condition) {
            if let Expr::IsNotNull(column) = part {
                let position = self.position(column)?;
                clocks.extend(position.and_then(|position| self.from.relation.columns[position].clock.clone()));
            }
        }
        Ok(clocks)
    }
}
