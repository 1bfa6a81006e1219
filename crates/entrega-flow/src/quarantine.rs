//! Quarantine as people work with it: what lies there and why, and taking rows out that nobody will mend.
//!
//! ```text
//!  list ─▶ how many, of which source and rule    show ─▶ the rows as they were delivered
//!                                                  │
//!                              replay ─▶ tried again in a batch of their own; those that pass leave
//!                              drop   ─▶ given up; the books say so
//! ```

use std::collections::{BTreeMap, BTreeSet};

use entrega_lake::CommitNote;
use entrega_operators::quarantine::{QuarantineRow, QuarantineState};
use serde::Serialize;
use serde_json::json;

use crate::{Context, FlowError, Result, ledger::Ledger, ops, tables};

/// Which rows of the quarantine are meant; what is not given does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// The source.
    pub source: Option<String>,
    /// The rule that they broke.
    pub rule: Option<String>,
    /// The drop's folder.
    pub drop: Option<String>,
    /// The line in the file.
    pub line: Option<i64>,
}

impl QuarantineFilter {
    /// Whether a row of a source is meant.
    #[must_use]
    pub fn means(&self, source: &str, row: &QuarantineRow) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source)
            && self.rule.as_deref().is_none_or(|wanted| wanted == row.rule)
            && self.drop.as_deref().is_none_or(|wanted| crate::ingest::normal_folder(wanted) == row.drop)
            && self.line.is_none_or(|wanted| wanted == row.line)
    }
}

/// Rows of one source that broke the same rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantineGroup {
    /// The source.
    pub source: String,
    /// Rejected or waiting.
    pub state: QuarantineState,
    /// The rule.
    pub rule: String,
    /// How many.
    pub rows: u64,
    /// Of how many drops.
    pub drops: u64,
    /// One of the reasons.
    pub example: String,
}

/// A row and its source.
pub type Found = (String, QuarantineRow);

/// The rows that are meant, by source, drop and line.
///
/// # Errors
/// [`FlowError::Request`] for a source that does not exist, else from the lake.
pub async fn rows(context: &Context, filter: &QuarantineFilter) -> Result<Vec<Found>> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let mut found = Vec::new();
    for source in sources(context, filter)? {
        let table = ledger.state(&context.lake, &tables::quarantine_of(&source)).await?;
        let rows: Vec<QuarantineRow> = ops::read(&context.lake, &table).await?;
        found.extend(rows.into_iter().filter(|row| filter.means(&source, row)).map(|row| (source.clone(), row)));
    }
    Ok(found)
}

/// The sources that a filter leaves.
fn sources(context: &Context, filter: &QuarantineFilter) -> Result<Vec<String>> {
    if let Some(source) = &filter.source {
        return Ok(vec![context.project.contract(source)?.source.clone()]);
    }
    Ok(context.project.contracts().iter().map(|contract| contract.source.clone()).collect())
}

/// Rows by source, state and rule.
#[must_use]
pub fn groups(rows: &[Found]) -> Vec<QuarantineGroup> {
    let mut groups: BTreeMap<(&str, bool, &str), Vec<&QuarantineRow>> = BTreeMap::new();
    for (source, row) in rows {
        let waits = row.state == QuarantineState::Waiting;
        groups.entry((source, waits, &row.rule)).or_default().push(row);
    }
    let told = groups.into_iter().filter_map(|((source, _, rule), rows)| {
        let drops: BTreeSet<&str> = rows.iter().map(|row| row.drop.as_str()).collect();
        let first = rows.first()?;
        Some(QuarantineGroup {
            source: source.to_owned(),
            state: first.state,
            rule: rule.to_owned(),
            rows: rows.len() as u64,
            drops: drops.len() as u64,
            example: first.reason.clone(),
        })
    });
    told.collect()
}

/// Gives rows up: they leave the quarantine in a batch that says so. Gives how many.
///
/// # Errors
/// When the lake fails, or another run was faster.
pub async fn give_up(context: &Context, filter: &QuarantineFilter) -> Result<u64> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let begun = ledger.begin("quarantine", "quarantine-drop", context.now());
    let (mut gone, mut committed) = (0, Vec::new());
    for source in sources(context, filter)? {
        let table = ledger.state(&context.lake, &tables::quarantine_of(&source)).await?;
        let rows: Vec<QuarantineRow> = ops::read(&context.lake, &table).await?;
        let (out, kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| filter.means(&source, row));
        if out.is_empty() {
            continue;
        }
        gone += out.len() as u64;
        let lines: Vec<String> =
            out.iter().take(100).map(|row| format!("{}/{}:{}", row.drop, row.file, row.line)).collect();
        let facts = json!({ "given_up": out.len(), "rows": lines });
        let note = CommitNote { batch: begun.batch_id.clone(), operator: "quarantine-drop", facts };
        committed.push(ops::replace(&context.lake, table, &kept, &note).await?);
    }
    if gone > 0 {
        let publication = begun.publication(committed, BTreeMap::new(), context.now());
        ledger.publish(&context.lake, publication).await?;
    }
    Ok(gone)
}

/// Nothing matches: what is there instead.
#[must_use]
pub fn nothing_matches(filter: &QuarantineFilter) -> FlowError {
    let mut asked = Vec::new();
    for (name, value) in [("source", &filter.source), ("rule", &filter.rule), ("drop", &filter.drop)] {
        asked.extend(value.as_ref().map(|value| format!("{name} {value}")));
    }
    asked.extend(filter.line.map(|line| format!("line {line}")));
    FlowError::Request {
        problem: format!(
            "no row in quarantine matches {}",
            if asked.is_empty() { "anything".to_owned() } else { asked.join(", ") }
        ),
        hint: "`entrega quarantine list` shows sources, rules and drops".to_owned(),
    }
}
