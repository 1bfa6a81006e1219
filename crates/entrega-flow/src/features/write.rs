//! Replacing what was computed: the rows of some days, and the labels of the rows that stay.

use std::collections::{BTreeSet, HashMap};

use arrow::{
    array::{ArrayRef, AsArray as _, BooleanArray, RecordBatch, UInt32Array},
    compute::{concat_batches, filter_record_batch, take},
    datatypes::TimestampMicrosecondType,
    error::ArrowError,
};
use entrega_lake::{DataFile, Rewrite, TableState, read::days_since_epoch};
use entrega_operators::{
    keys::{ids, text},
    months::{date, split_by_column},
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{Spans, reach::DAY};
use crate::{Context, FlowError, Result, source::PURCHASE_MONTH};

/// The column that says when a decision was made.
const DECIDED_AT: &str = "decided_at";

/// What of a table is no longer as it was.
pub(super) struct Changed<'a> {
    /// Days whose decisions were computed again; `None` means all.
    pub spans: Option<&'a Spans>,
    /// Purchase months whose labels were computed again; `None` means all.
    pub months: Option<&'a BTreeSet<i32>>,
    /// The labels.
    pub labels: Option<&'a TableState>,
}

impl Changed<'_> {
    fn holds_day(&self, day: i32) -> bool {
        self.spans.is_none_or(|spans| spans.iter().any(|(first, last)| (*first..=*last).contains(&day)))
    }

    /// Whether a file may hold a decision that was computed again.
    fn may_be_in(&self, file: &DataFile) -> bool {
        let (Some(spans), Some((first, last))) = (self.spans, file.days.get(DECIDED_AT)) else { return true };
        let (first, last) = (days_since_epoch(*first), days_since_epoch(*last));
        spans.iter().any(|(begin, end)| *begin <= last && first <= *end)
    }
}

/// Replaces whole months of a table.
pub(super) async fn replace_months(
    context: &Context,
    base: &TableState,
    rows: Vec<RecordBatch>,
    wanted: impl Fn(i32) -> bool,
) -> Result<Rewrite> {
    let mut rewrite = Rewrite::default();
    for file in base.files.iter().filter(|file| file.month.is_none_or(|month| wanted(days_since_epoch(month)))) {
        rewrite.remove(file);
    }
    let parts = split_by_column(&rows, PURCHASE_MONTH).map_err(FlowError::rows(base.name()))?;
    let writing = parts.into_iter().map(|(month, rows)| context.lake.write(&base.definition, Some(date(month)), rows));
    let writing = futures::stream::iter(writing.collect::<Vec<_>>()).buffer_unordered(context.threads);
    rewrite.added = writing.try_collect().await?;
    Ok(rewrite)
}

/// Replaces the decisions that were computed again and lays new labels over the others.
pub(super) async fn replace_decisions(
    context: &Context,
    base: &TableState,
    rows: Vec<RecordBatch>,
    changed: &Changed<'_>,
) -> Result<Rewrite> {
    let mut parts = split_by_column(&rows, PURCHASE_MONTH).map_err(FlowError::rows(base.name()))?;
    let months: BTreeSet<i32> =
        base.files.iter().filter_map(|file| file.month.map(days_since_epoch)).chain(parts.keys().copied()).collect();
    let writing = months.into_iter().map(|month| {
        let new = parts.remove(&month).unwrap_or_default();
        replace_month(context, base, month, new, changed)
    });
    let mut writing = futures::stream::iter(writing.collect::<Vec<_>>()).buffer_unordered(context.threads);
    let mut rewrite = Rewrite::default();
    while let Some(part) = writing.try_next().await? {
        rewrite.merge(part);
    }
    Ok(rewrite)
}

async fn replace_month(
    context: &Context,
    base: &TableState,
    month: i32,
    new: Vec<RecordBatch>,
    changed: &Changed<'_>,
) -> Result<Rewrite> {
    let error = || FlowError::rows(base.name());
    let mut rewrite = Rewrite::default();
    let mut labels = None;
    let relabelled = changed.months.is_none_or(|months| months.contains(&month));
    let mut rows: Vec<RecordBatch> = Vec::new();
    for file in base.files_of(Some(date(month))) {
        if changed.spans.is_none() {
            rewrite.remove(file);
            continue;
        }
        // A month has one file: what arrives joins it.
        let touched = !new.is_empty() || changed.may_be_in(file);
        if !touched && !relabelled {
            continue;
        }
        let mut differs = touched;
        let mut kept = Vec::new();
        for existing in context.lake.read(base, &[file], None).await? {
            let stays = without_days(&existing, |day| changed.holds_day(day)).map_err(error())?;
            let (true, Some(state)) = (relabelled, changed.labels) else {
                kept.push(stays);
                continue;
            };
            if labels.is_none() {
                labels = Some(Labels::read(context, state, month).await?);
            }
            let Some(labels) = &labels else { continue };
            let (row, is_new) = labels.lay_over(&stays).map_err(error())?;
            differs |= is_new;
            kept.push(row);
        }
        if differs {
            rewrite.remove(file);
            rows.extend(kept);
        }
    }
    rows.extend(new);
    rows.retain(|rows| rows.num_rows() > 0);
    if !rows.is_empty() {
        rewrite.added.push(context.lake.write(&base.definition, Some(date(month)), rows).await?);
    }
    Ok(rewrite)
}

fn without_days(rows: &RecordBatch, leaves: impl Fn(i32) -> bool) -> Result<RecordBatch, ArrowError> {
    let column = rows.column_by_name(DECIDED_AT).and_then(|found| found.as_primitive_opt::<TimestampMicrosecondType>());
    let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no TIMESTAMP column {DECIDED_AT}")))?;
    let day = |moment: i64| i32::try_from(moment.div_euclid(DAY)).unwrap_or(i32::MAX);
    let keep: BooleanArray =
        column.iter().map(|moment| Some(moment.is_none_or(|moment| !leaves(day(moment))))).collect();
    filter_record_batch(rows, &keep)
}

/// The labels of one month.
struct Labels {
    rows: RecordBatch,
    places: HashMap<[u8; 16], u32>,
}

impl Labels {
    async fn read(context: &Context, state: &TableState, month: i32) -> Result<Self> {
        let error = || FlowError::rows(state.name());
        let files: Vec<_> = state.files_of(Some(date(month))).collect();
        let rows = context.lake.read(state, &files, None).await?;
        let rows = concat_batches(&state.definition.schema()?, &rows).map_err(error())?;
        let orders = ids(text(&rows, "order_id").map_err(error())?).zip(0..);
        let places = orders.filter_map(|(order, row)| Some((order?, row))).collect();
        Ok(Self { rows, places })
    }

    /// Rows with these labels in the place of theirs, and whether any differs.
    fn lay_over(&self, rows: &RecordBatch) -> Result<(RecordBatch, bool), ArrowError> {
        let places = ids(text(rows, "order_id")?).map(|order| order.and_then(|order| self.places.get(&order).copied()));
        let places: UInt32Array = places.collect();
        let mut differs = false;
        let schema = rows.schema();
        let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
            let is_label = field.name() != "order_id" && field.name() != PURCHASE_MONTH;
            let Some(labels) = self.rows.column_by_name(field.name()).filter(|_| is_label) else {
                return Ok(ArrayRef::clone(column));
            };
            let labels = take(labels, &places, None)?;
            differs |= labels.as_ref() != column.as_ref();
            Ok(labels)
        });
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        Ok((RecordBatch::try_new(schema, columns)?, differs))
    }
}
