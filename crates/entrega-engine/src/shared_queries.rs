//! Common table expressions that a query uses more than once are computed once.
//!
//! `DataFusion` writes such an expression out at every place that names it, so a join that five branches of a union
//! read would run five times. Here it becomes a step of its own whose rows the others read.
//!
//! ```text
//!  with a as (…), b as (… join …), c as (… a, b …), d as (… b …) select … c, d
//!                  └─ used twice, and worth keeping ─▶ step "b", then the query without it
//! ```
//!
//! Expressions that only rename, filter or compute are left alone: writing them out is cheaper than keeping their rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use datafusion::sql::sqlparser::ast::{
    Cte, GroupByExpr, Ident, ObjectName, Query, SetExpr, Statement, Visit as _, Visitor, visit_relations,
};

/// A query in steps.
pub(crate) struct Steps {
    /// Queries to be computed first, in order; later ones name them.
    pub shared: Vec<(String, Statement)>,
    /// The query itself.
    pub query: Statement,
}

/// Divides a query; any statement that is not a query with common table expressions stays as it is.
pub(crate) fn divide(statement: Statement) -> Steps {
    let Statement::Query(query) = &statement else { return Steps { shared: Vec::new(), query: statement } };
    let Some(with) = query.with.as_ref().filter(|with| !with.recursive && !nests(query)) else {
        return Steps { shared: Vec::new(), query: statement };
    };
    let expressions = &with.cte_tables;
    let names: Vec<String> = expressions.iter().map(name_of).collect();
    let mut body = query.clone();
    body.with = None;
    let reads: Vec<BTreeMap<usize, usize>> = expressions.iter().map(|cte| references(&cte.query, &names)).collect();
    let read_by_body = references(&body, &names);
    // From the last to the first: how often each would be written out, given which later ones are kept.
    let mut uses = vec![0; names.len()];
    let mut kept = vec![false; names.len()];
    for (cte, times) in &read_by_body {
        uses[*cte] += times;
    }
    for cte in (0..names.len()).rev() {
        kept[cte] = uses[cte] > 1 && is_worth_keeping(&expressions[cte]);
        let times = if kept[cte] { 1 } else { uses[cte] };
        for (read, references) in &reads[cte] {
            uses[*read] += references * times;
        }
    }
    let with_what_it_reads = |mut query: Box<Query>, direct: &BTreeMap<usize, usize>| {
        let mut wanted: BTreeSet<usize> = BTreeSet::new();
        let mut open: Vec<usize> = direct.keys().copied().collect();
        while let Some(cte) = open.pop() {
            if !kept[cte] && wanted.insert(cte) {
                open.extend(reads[cte].keys());
            }
        }
        let tables: Vec<Cte> = wanted.into_iter().map(|cte| expressions[cte].clone()).collect();
        query.with = (!tables.is_empty()).then(|| {
            let mut with = with.clone();
            with.cte_tables = tables;
            with
        });
        Statement::Query(query)
    };
    let shared = (0..names.len())
        .filter(|cte| kept[*cte])
        .map(|cte| (names[cte].clone(), with_what_it_reads(expressions[cte].query.clone(), &reads[cte])))
        .collect();
    Steps { shared, query: with_what_it_reads(body, &read_by_body) }
}

fn name_of(cte: &Cte) -> String {
    normal(&cte.alias.name)
}

/// A name as the planner understands it: in lower case unless it is quoted.
fn normal(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// Whether an expression joins, groups or unites. One that renames its columns in its head is left alone: its rows would
/// be kept under their own names.
fn is_worth_keeping(cte: &Cte) -> bool {
    if !cte.alias.columns.is_empty() {
        return false;
    }
    match cte.query.body.as_ref() {
        SetExpr::Select(select) => {
            let groups = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
            groups || select.from.len() > 1 || select.from.iter().any(|table| !table.joins.is_empty())
        }
        SetExpr::SetOperation { .. } => true,
        _ => false,
    }
}

/// How often a query names each expression.
fn references(query: &Query, names: &[String]) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    let _: ControlFlow<()> = visit_relations(query, |relation: &ObjectName| {
        if let [part] = relation.0.as_slice()
            && let Some(name) = part.as_ident()
            && let Some(cte) = names.iter().position(|known| *known == normal(name))
        {
            *found.entry(cte).or_default() += 1;
        }
        ControlFlow::Continue(())
    });
    found
}

/// Whether a query holds another `with` inside: names could then mean two things.
fn nests(query: &Query) -> bool {
    struct Withs(usize);
    impl Visitor for Withs {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0 += usize::from(query.with.is_some());
            ControlFlow::Continue(())
        }
    }
    let mut withs = Withs(0);
    let _ = query.visit(&mut withs);
    withs.0 > 1
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::{dialect::SparkSqlDialect, parser::Parser};

    use super::*;

    fn steps(sql: &str) -> (Vec<String>, String) {
        let statement = Parser::parse_sql(&SparkSqlDialect {}, sql).unwrap().remove(0);
        let steps = divide(statement);
        let shared = steps.shared.iter().map(|(name, query)| format!("{name}: {query}")).collect();
        (shared, steps.query.to_string())
    }

    #[test]
    fn a_join_that_is_read_twice_is_a_step() {
        let (shared, query) = steps(
            "WITH a AS (SELECT * FROM clean.a), b AS (SELECT * FROM a JOIN clean.b ON a.k = b.k) \
             SELECT k FROM b UNION ALL SELECT l FROM b",
        );
        assert_eq!(shared, ["b: WITH a AS (SELECT * FROM clean.a) SELECT * FROM a JOIN clean.b ON a.k = b.k"]);
        assert_eq!(query, "SELECT k FROM b UNION ALL SELECT l FROM b");
    }

    #[test]
    fn what_is_read_once_or_only_renames_stays() {
        let sql = "WITH a AS (SELECT k FROM clean.a), b AS (SELECT k FROM a GROUP BY k) SELECT * FROM b JOIN a ON true";
        assert_eq!(steps(sql), (Vec::new(), sql.to_owned()));
    }

    #[test]
    fn reading_through_a_renaming_counts_as_often_as_that_is_read() {
        let (shared, query) = steps(
            "WITH a AS (SELECT k FROM clean.a GROUP BY k), b AS (SELECT k FROM a) \
             SELECT * FROM b UNION ALL SELECT * FROM b",
        );
        assert_eq!(shared, ["a: SELECT k FROM clean.a GROUP BY k"]);
        assert_eq!(query, "WITH b AS (SELECT k FROM a) SELECT * FROM b UNION ALL SELECT * FROM b");
    }

    #[test]
    fn names_are_the_same_in_any_case() {
        let (shared, query) = steps(
            "WITH A AS (SELECT k FROM clean.a GROUP BY k), b AS (SELECT k FROM a) SELECT * FROM B JOIN a ON true",
        );
        assert_eq!(shared, ["a: SELECT k FROM clean.a GROUP BY k"]);
        assert_eq!(query, "WITH b AS (SELECT k FROM a) SELECT * FROM B JOIN a ON true");
    }

    #[test]
    fn an_expression_that_names_its_columns_stays() {
        let sql = "WITH a (l) AS (SELECT k FROM clean.a GROUP BY k) SELECT l FROM a UNION ALL SELECT l FROM a";
        assert_eq!(steps(sql), (Vec::new(), sql.to_owned()));
    }

    #[test]
    fn a_table_of_the_lake_is_no_expression() {
        let sql = "WITH a AS (SELECT k FROM clean.a GROUP BY k) SELECT * FROM a JOIN clean.a ON true";
        assert_eq!(steps(sql).0, Vec::<String>::new());
    }
}
