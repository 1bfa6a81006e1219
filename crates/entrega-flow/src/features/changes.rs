//! What has changed in the deliveries since the last features, and which decisions could see it.
//!
//! ```text
//!  order   then: bought 1 May, handed over 3 May            ─┐  knowledge of the delivery differs:
//!          now:  bought 1 May, handed over 3 May, came 9 May ─┘  decisions from 9 May on could see it, none before
//! ```
//!
//! Both versions of a table share most files, and most rows of the files that they do not share. Of the rest, columns
//! are compared by the event at which they are known: a difference reaches back to that event and no further, and
//! forward until the order is out of every window.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::TimestampMicrosecondType,
    row::{RowConverter, Rows, SortField},
};
use entrega_lake::{LakeError, TableState};
use entrega_model::{knowledge, known::Known, model::Model};
use entrega_operators::{
    keys::{Id, ids, text},
    months::month_of_day,
};

use super::{
    Spans,
    reach::{DAY, Reach},
};
use crate::{Context, FlowError, Result, restate::used_columns};

/// What changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Days whose decisions could see a change.
    pub spans: Spans,
    /// Purchase months with an order that changed in any way.
    pub months: BTreeSet<i32>,
}

/// The moments of the events whose knowledge reaches decisions.
const MOMENTS: [(Known, &str); 4] = [
    (Known::Purchase, "order_purchase_timestamp"),
    (Known::Approval, "order_approved_at"),
    (Known::Handover, "order_delivered_carrier_date"),
    (Known::Delivery, "order_delivered_customer_date"),
];

/// Compares two versions of the deliveries in what some models read; `None` when the older one's files are gone.
pub(super) async fn between(
    context: &Context,
    then: &TableState,
    now: &TableState,
    models: &[Model],
) -> Result<Option<Changes>> {
    let mut columns = used_columns(now, models.iter());
    let always = ["order_id", "order_status", "order_estimated_delivery_date", "shipping_limit_date"]
        .into_iter()
        .chain(MOMENTS.map(|(_, column)| column));
    columns.extend(always.map(str::to_owned));
    let columns: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    let names: Vec<&str> = columns.iter().copied().collect();
    let paths = |state: &TableState| state.files.iter().map(|file| file.add.path.clone()).collect::<HashSet<_>>();
    let (old_paths, new_paths) = (paths(then), paths(now));
    let gone: Vec<_> = then.files.iter().filter(|file| !new_paths.contains(&file.add.path)).collect();
    let come: Vec<_> = now.files.iter().filter(|file| !old_paths.contains(&file.add.path)).collect();
    let old = match context.lake.read(then, &gone, Some(&names)).await {
        Err(LakeError::Storage { source: object_store::Error::NotFound { .. }, .. }) => return Ok(None),
        other => other?,
    };
    let new = context.lake.read(now, &come, Some(&names)).await?;
    let mut groups: BTreeMap<Known, Vec<&str>> = BTreeMap::new();
    let lineage = knowledge::dictionary(&context.project, now.name())?;
    for column in columns.iter().filter(|column| **column != "order_id") {
        let sources = lineage.iter().find(|known| known.name == *column).map_or(&[][..], |known| &known.own);
        let mut known: BTreeSet<Known> = sources.iter().map(|(_, known)| *known).collect();
        known.retain(|event| !matches!(event, Known::Always | Known::Purchase));
        // A column that several events make up differs only if a column of one of them does.
        if known.len() < 2 {
            groups.entry(known.pop_first().unwrap_or(Known::Purchase)).or_default().push(column);
        }
    }
    compare(&old, &new, &groups, Reach::new(models.iter())).map(Some)
}

/// One version of the changed files' rows, ready to be compared.
struct Side {
    /// Batch and row of each order.
    places: HashMap<Id, (usize, usize)>,
    /// For each batch: the encoded columns of each group, the moments, and the last day on which each order matters.
    batches: Vec<(Vec<Rows>, Vec<ArrayRef>, Vec<i32>)>,
}

impl Side {
    fn new(
        rows: &[RecordBatch],
        groups: &BTreeMap<Known, Vec<&str>>,
        reach: Reach,
    ) -> Result<Self, arrow::error::ArrowError> {
        let mut side = Self { places: HashMap::new(), batches: Vec::new() };
        for (number, batch) in rows.iter().enumerate() {
            let orders = ids(text(batch, "order_id")?).enumerate();
            side.places.extend(orders.filter_map(|(row, id)| Some((id?, (number, row)))));
            let encoded = groups.values().map(|columns| {
                let columns: Vec<ArrayRef> =
                    columns.iter().filter_map(|column| batch.column_by_name(column).cloned()).collect();
                let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
                RowConverter::new(fields)?.convert_columns(&columns)
            });
            let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
            let moments = MOMENTS.iter().filter_map(|(_, column)| batch.column_by_name(column).cloned()).collect();
            side.batches.push((encoded, moments, reach.last_days(batch)));
        }
        Ok(side)
    }

    /// The day of an order's event, never before its purchase; `None` if it did not happen.
    fn day(&self, (batch, row): (usize, usize), event: usize) -> Option<i32> {
        let moment = |event: usize| {
            let column = self.batches[batch].1[event].as_primitive::<TimestampMicrosecondType>();
            column.is_valid(row).then(|| column.value(row))
        };
        let day = moment(event)?.max(moment(0)?).div_euclid(DAY);
        i32::try_from(day).ok()
    }
}

fn compare(
    old: &[RecordBatch],
    new: &[RecordBatch],
    groups: &BTreeMap<Known, Vec<&str>>,
    reach: Reach,
) -> Result<Changes> {
    let error = || FlowError::rows("clean.deliveries");
    let (old, new) = (Side::new(old, groups, reach).map_err(error())?, Side::new(new, groups, reach).map_err(error())?);
    let mut changes = Changes::default();
    let mut reached = Vec::new();
    for order in old.places.keys().chain(new.places.keys().filter(|order| !old.places.contains_key(*order))) {
        let sides = [(&old, old.places.get(order)), (&new, new.places.get(order))];
        let sides: Vec<(&Side, (usize, usize))> =
            sides.into_iter().filter_map(|(side, place)| Some((side, *place?))).collect();
        let differs = |group: usize| match sides.as_slice() {
            [(old, (old_batch, old_row)), (new, (new_batch, new_row))] => {
                old.batches[*old_batch].0[group].row(*old_row) != new.batches[*new_batch].0[group].row(*new_row)
            }
            _ => true,
        };
        let different: Vec<Known> =
            groups.keys().enumerate().filter(|(group, _)| differs(*group)).map(|(_, known)| *known).collect();
        if different.is_empty() {
            continue;
        }
        changes.months.extend(sides.iter().filter_map(|(side, place)| side.day(*place, 0)).map(month_of_day));
        let events = different.iter().filter_map(|known| MOMENTS.iter().position(|(event, _)| event == known));
        let days = events.flat_map(|event| sides.iter().filter_map(move |(side, place)| side.day(*place, event)));
        let last = sides.iter().map(|(side, (batch, row))| side.batches[*batch].2[*row]).max();
        reached.extend(days.min().zip(last));
    }
    changes.spans = merged(reached);
    Ok(changes)
}

/// Spans in order, those that touch or overlap as one.
fn merged(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut merged: Spans = Vec::new();
    for (first, last) in spans {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}
