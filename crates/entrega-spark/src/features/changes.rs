//! What has changed in the deliveries since the last features, and which decisions could see it.
//!
//! ```text
//!  order   then: bought 1 May, handed over 3 May            ─┐  knowledge of the delivery differs:
//!          now:  bought 1 May, handed over 3 May, came 9 May ─┘  decisions from 9 May on could see it, none before
//! ```
//!
//! Columns are compared by the event at which they are known: a difference reaches back to that event and no further,
//! and forward until the order is out of every window. Both versions are read in the touched months only: the ledger
//! knows them, and no other row differs.
//!
//! The embedded engine computes the spans of all changes apart from each other. Here it is one span, from the first day
//! to the last. That gives the same rows: a decision between two spans sees nothing that differs, so computed again it
//! is what it was. It costs more only where old and new orders change at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use entrega_model::{knowledge, known::Known, model::Model, tables::TableName};

use super::{
    Since,
    reach::{DELIVERY, PURCHASE, Reach},
};
use crate::{Batch, Result, Script, extent, quote};

/// The first day whose decisions could see a change (a variable); NULL if there is none.
pub(super) const FIRST_DAY: &str = "features_first_day";
/// The last one.
pub(super) const LAST_DAY: &str = "features_last_day";

const VIEW: &str = "changed_decisions";

/// The moments of the events whose knowledge reaches decisions.
const EVENTS: [(Known, &str); 4] = [
    (Known::Purchase, PURCHASE),
    (Known::Approval, "order_approved_at"),
    (Known::Handover, "order_delivered_carrier_date"),
    (Known::Delivery, DELIVERY),
];

/// Finds the span of decisions that could see a change.
pub(super) fn find(
    script: &mut Script,
    batch: &Batch,
    deliveries: &TableName,
    models: &[&Model],
    since: &Since,
) -> Result<()> {
    let stored = batch.tables.get(deliveries)?;
    let columns = stored.columns.iter().map(|column| column.name.as_str());
    let groups = by_knowledge(batch, deliveries, &used(columns, models))?;
    let month = stored.partition.as_deref().map(quote::name).transpose()?;
    let touched = month.map_or_else(|| "true".to_owned(), |month| extent::is_one_of(&month, &since.touched));
    let place = batch.place.table(deliveries);
    let then = format!("(SELECT * FROM {place} VERSION AS OF {} WHERE {touched})", since.deliveries);
    let now = format!("(SELECT * FROM {} WHERE {touched})", stored.unwritten(&batch.place)?);
    script.staged(VIEW, &query(&groups, &then, &now, Reach::new(models.iter().copied()))?);
    script.variable(FIRST_DAY, "DATE", &format!("SELECT first_day FROM {VIEW}"));
    script.variable(LAST_DAY, "DATE", &format!("SELECT last_day FROM {VIEW}"));
    Ok(())
}

/// The columns whose names occur in some model, and those that every model depends on.
fn used<'a>(columns: impl Iterator<Item = &'a str>, models: &[&Model]) -> BTreeSet<&'a str> {
    let words = models.iter().flat_map(|model| model.sql.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let always = ["order_status", "order_estimated_delivery_date", "shipping_limit_date"];
    let words: HashSet<&str> = words.chain(always).chain(EVENTS.map(|(_, column)| column)).collect();
    columns.filter(|column| *column != "order_id" && words.contains(column)).collect()
}

/// Columns by the event at which they are known.
fn by_knowledge<'a>(
    batch: &Batch,
    deliveries: &TableName,
    columns: &BTreeSet<&'a str>,
) -> Result<BTreeMap<Known, Vec<&'a str>>> {
    let lineage = knowledge::dictionary(&batch.project, deliveries)?;
    let mut groups: BTreeMap<Known, Vec<&str>> = BTreeMap::new();
    for column in columns {
        let sources = lineage.iter().find(|known| known.name == *column).map_or(&[][..], |known| &known.own);
        let mut known: BTreeSet<Known> = sources.iter().map(|(_, known)| *known).collect();
        known.retain(|event| !matches!(event, Known::Always | Known::Purchase));
        // A column that several events make up differs only if a column of one of them does.
        if known.len() < 2 {
            groups.entry(known.pop_first().unwrap_or(Known::Purchase)).or_default().push(column);
        }
    }
    Ok(groups)
}

/// One row: the first and the last day whose decisions could see a change. What is known at no event of [`EVENTS`]
/// (a review, a status) reaches none.
fn query(groups: &BTreeMap<Known, Vec<&str>>, then: &str, now: &str, reach: Reach) -> Result<String> {
    let events: Vec<(Known, &str, &Vec<&str>)> =
        EVENTS.iter().filter_map(|(known, moment)| Some((*known, *moment, groups.get(known)?))).collect();
    let mut differences = Vec::new();
    let mut firsts = Vec::new();
    for (known, moment, columns) in &events {
        let side = |side: &str| -> Result<String> {
            let columns = columns.iter().map(|column| Ok(format!("{side}.{}", quote::name(column)?)));
            Ok(format!("struct({})", quote::list(columns.collect::<Result<Vec<_>>>()?)))
        };
        differences.push(format!(
            "    old.order_id IS NULL OR new.order_id IS NULL\n      OR NOT ({}\n        <=> {}) AS {known}_differs",
            side("old")?,
            side("new")?
        ));
        // An event counts from the purchase on, whatever its own time.
        let day = |side: &str| match *moment {
            PURCHASE => format!("to_date({side}.{PURCHASE})"),
            _ => format!(
                "CASE WHEN {side}.{moment} IS NOT NULL AND {side}.{PURCHASE} IS NOT NULL\n      THEN to_date(greatest({side}.{moment}, {side}.{PURCHASE})) END"
            ),
        };
        differences.push(format!("    least({},\n      {}) AS {known}_day", day("old"), day("new")));
        firsts.push(format!("CASE WHEN {known}_differs THEN {known}_day END"));
    }
    differences.push(format!(
        "    -- The last day on which the order can matter.\n    greatest(CASE WHEN old.order_id IS NOT NULL THEN {} END,\n    CASE WHEN new.order_id IS NOT NULL THEN {} END) AS last_day",
        reach.last_day("old"),
        reach.last_day("new")
    ));
    // Spark knows no least of a single value.
    while firsts.len() < 2 {
        firsts.push("CAST(NULL AS DATE)".to_owned());
    }
    Ok(format!(
        "WITH compared AS (\n  SELECT\n{}\n  FROM {then} AS old\n  FULL OUTER JOIN {now} AS new ON old.order_id = new.order_id\n),\n\n\
         reached AS (\n  SELECT\n    least({}) AS first_day,\n    last_day\n  FROM compared\n)\n\n\
         SELECT min(first_day) AS first_day, max(last_day) AS last_day, count(*) AS orders\nFROM reached\nWHERE first_day IS NOT NULL",
        differences.join(",\n"),
        firsts.join(",\n      "),
    ))
}
