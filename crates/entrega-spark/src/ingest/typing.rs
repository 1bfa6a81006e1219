//! A contract as SQL: for each column its value, and the first rule that a row breaks.
//!
//! The rules, their order and the words of the reasons are those of the embedded engine
//! (`entrega-operators/src/load/typing.rs`), so that both fill the quarantine alike.

use std::fmt::Write as _;

use entrega_model::contract::{Contract, ContractColumn, ContractType, OnViolation, STATES};

use crate::{Result, quote};

/// Unicode's white space, which is trimmed around every value.
const BLANKS: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// What a row that breaks no rule has as its fault.
const NO_FAULT: &str = "CAST(NULL AS STRUCT<rule: STRING, reason: STRING>)";

/// A field without the blanks around it; NULL if nothing is left.
#[must_use]
pub fn trimmed(field: &str) -> String {
    format!("nullif(trim(BOTH {} FROM {field}), '')", quote::text(BLANKS))
}

/// The value of a trimmed field in the type of its column; NULL if it is none.
pub fn value(column: &ContractColumn) -> Result<String> {
    let field = quote::name(&column.name)?;
    let typed = match column.kind {
        ContractType::Id | ContractType::Text | ContractType::State => field,
        ContractType::Zip => format!("lpad({field}, 5, '0')"),
        ContractType::Timestamp => format!("try_cast({field} AS TIMESTAMP_NTZ)"),
        ContractType::Money => format!("try_cast({field} AS DECIMAL(12,2))"),
        ContractType::Integer => format!("try_cast(regexp_replace({field}, '[.]0$', '') AS INT)"),
        ContractType::Number => format!("try_cast({field} AS DOUBLE)"),
    };
    Ok(match (column.on_violation, broken(column)?) {
        (OnViolation::Warn, Some(fault)) => format!("CASE WHEN {fault} IS NULL THEN {typed} END"),
        _ => typed,
    })
}

/// The first fault of a column as a struct of rule and reason, NULL if there is none; `None` if it cannot break a rule.
pub fn broken(column: &ContractColumn) -> Result<Option<String>> {
    let field = quote::name(&column.name)?;
    let mut cases = String::new();
    let mut rule = |condition: String, rule: &str, problem: &str, with_value: bool| {
        let reason = quote::text(&format!("{} {problem}{}", column.header(), if with_value { ": '" } else { "" }));
        let reason = if with_value { format!("concat({reason}, left({field}, 60), '''')") } else { reason };
        let _ = write!(
            cases,
            "\n    WHEN {condition} THEN named_struct('rule', {}, 'reason', {reason})",
            quote::text(rule)
        );
    };
    if column.required {
        rule(format!("{field} IS NULL"), "required", "is missing", false);
    }
    if !column.accepted.is_empty() {
        let accepted = quote::list(column.accepted.iter().map(|value| quote::text(value)));
        rule(format!("{field} NOT IN ({accepted})"), "accepted", "is not an accepted value", true);
    }
    let shaped = |shape: &str| format!("{field} NOT RLIKE {}", quote::text(shape));
    let number = match column.kind {
        ContractType::Text => None,
        ContractType::Id => {
            rule(shaped("^[0-9a-f]{32}$"), "type", "is not 32 lower-case hex digits", true);
            None
        }
        ContractType::State => {
            let states = quote::list(STATES.map(quote::text));
            rule(format!("{field} NOT IN ({states})"), "accepted", "is none of the 27 states", true);
            None
        }
        ContractType::Zip => {
            rule(shaped("^[0-9]{1,5}$"), "type", "is not a zip prefix of five digits", true);
            None
        }
        ContractType::Timestamp => {
            let shape = shaped("^[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?$");
            let wrong = format!("{shape} OR ({field} IS NOT NULL AND try_cast({field} AS TIMESTAMP_NTZ) IS NULL)");
            rule(wrong, "type", "is not a time YYYY-MM-DD HH:MM:SS", true);
            None
        }
        ContractType::Money => {
            let shape = shaped("^-?([0-9]{1,10}([.][0-9]{0,2}0*)?|[.][0-9]{1,2}0*)$");
            rule(shape, "type", "is not an amount with at most two decimals", true);
            Some(format!("try_cast({field} AS DECIMAL(12,2))"))
        }
        ContractType::Integer => {
            let number = format!("try_cast(regexp_replace({field}, '[.]0$', '') AS INT)");
            rule(format!("{field} IS NOT NULL AND {number} IS NULL"), "type", "is not a whole number", true);
            Some(number)
        }
        ContractType::Number => {
            let number = format!("try_cast({field} AS DOUBLE)");
            let finite = format!("coalesce(abs({number}) < double('Infinity'), false)");
            rule(format!("{field} IS NOT NULL AND NOT {finite}"), "type", "is not a number", true);
            Some(number)
        }
    };
    if let Some(number) = number {
        let low = column.min.or((column.kind == ContractType::Money).then_some(0.0));
        let below = low.map(|low| format!("{number} < {low:?}D"));
        let above = column.max.map(|high| format!("{number} > {high:?}D"));
        let outside: Vec<String> = below.into_iter().chain(above).collect();
        if !outside.is_empty() {
            rule(outside.join(" OR "), column.drop_rule.as_deref().unwrap_or("range"), "is out of range", true);
        }
    }
    Ok((!cases.is_empty()).then(|| format!("CASE{cases} END")))
}

/// The first fault of a row that sends it to quarantine, as a struct of rule and reason.
pub fn first_fault(contract: &Contract) -> Result<String> {
    let quarantines = |column: &&ContractColumn| column.on_violation != OnViolation::Warn;
    let faults = contract.columns.iter().filter(quarantines).map(broken).collect::<Result<Vec<_>>>()?;
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    Ok(if faults.is_empty() { NO_FAULT.to_owned() } else { format!("coalesce(\n    {})", faults.join(",\n    ")) })
}
