//! The functions that lineage knows: which give a value of one row, which put rows together.
//!
//! A function that stands in neither list is an error, because an aggregate that is taken for a function of one row
//! would hide that it reads other rows. Functions of the clock and of chance stand in none.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, WindowType};

use super::query::not_understood;
use crate::ModelError;

/// Functions that put rows together; all of them keep to the frame of a window.
const AGGREGATES: &str = "any any_value approx_count_distinct approx_percentile avg bool_and bool_or collect_list collect_set corr count \
    count_if every first first_value kurtosis last last_value max max_by mean median min min_by percentile \
    percentile_approx skewness some stddev stddev_pop stddev_samp sum variance";

/// Window functions that do not keep to a frame.
const RANKS: &str = "cume_dist dense_rank lag lead ntile percent_rank rank row_number";

/// Functions of one row.
const SCALARS: &str = "abs acos add_months array asin atan atan2 bround cbrt ceil ceiling char_length character_length coalesce \
    concat concat_ws cos date date_add date_diff date_part date_sub date_trunc datediff day dayofmonth dayofweek \
    dayofyear degrees exp floor from_unixtime greatest hash hour if ifnull initcap instr isnan isnotnull isnull \
    last_day lcase least left length ln log log10 log2 lower lpad ltrim make_date md5 minute mod month \
    months_between named_struct next_day nullif nvl nvl2 octet_length pmod pow power quarter radians \
    regexp_extract replace right round rpad rtrim second sha2 sign sin split sqrt struct substr substring tan \
    to_date translate trim trunc unix_timestamp upper weekday weekofyear year";

/// How a function reads rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Aggregate,
    Rank,
}

/// A function's name in lower case.
pub(crate) fn function_name(function: &Function) -> String {
    function.name.to_string().to_lowercase()
}

/// How a function reads rows.
///
/// # Errors
/// When it is in no list.
pub(crate) fn kind(function: &Function) -> Result<Kind, ModelError> {
    let name = function_name(function);
    let lists = [(SCALARS, Kind::Scalar), (AGGREGATES, Kind::Aggregate), (RANKS, Kind::Rank)];
    let found = lists.into_iter().find(|(list, _)| list.split(' ').any(|known| known == name));
    found.map(|(_, kind)| kind).ok_or_else(|| {
        not_understood(
            "the function",
            &name,
            "its lineage is not declared: add it to crates/entrega-model/src/lineage/functions.rs, or use another one",
        )
    })
}

/// A function's arguments; `*` is none.
///
/// # Errors
/// When an argument is no expression.
pub(crate) fn arguments(function: &Function) -> Result<Vec<&Expr>, ModelError> {
    let list = match &function.args {
        FunctionArguments::None => return Ok(Vec::new()),
        FunctionArguments::List(list) if list.clauses.is_empty() => list,
        _ => return Err(strange(function)),
    };
    let mut found = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => found.push(expression),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
            _ => return Err(strange(function)),
        }
    }
    Ok(found)
}

/// Everything that a function reads besides its window: arguments, filter, order inside a group.
///
/// # Errors
/// When an argument is no expression.
pub(crate) fn reads(function: &Function) -> Result<Vec<&Expr>, ModelError> {
    let mut found = arguments(function)?;
    found.extend(function.filter.as_deref());
    found.extend(function.within_group.iter().map(|order| &order.expr));
    Ok(found)
}

/// All expressions inside a call, those of an inline window too.
///
/// # Errors
/// When an argument is no expression.
pub(crate) fn inside(function: &Function) -> Result<Vec<&Expr>, ModelError> {
    let mut found = reads(function)?;
    if let Some(WindowType::WindowSpec(window)) = &function.over {
        found.extend(&window.partition_by);
        found.extend(window.order_by.iter().map(|order| &order.expr));
    }
    Ok(found)
}

fn strange(function: &Function) -> ModelError {
    not_understood("the call", &function.to_string(), "write its arguments as plain expressions")
}
