//! How long an order can matter to decisions.
//!
//! ```text
//!  bought ── handed over ── delivered ── promise over ────── settled_days ──────▶ out of every window
//!  bought ───────────────── history_days ───────────────────────────────────────▶ given up, and out of every window
//! ```
//!
//! Decisions see orders in windows of days. Of a delivered order nothing happens any more, so it leaves the last window
//! a known time after its last event; any other is given up, and leaves it a known time after its purchase.

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::TimestampMicrosecondType,
    error::ArrowError,
};
use entrega_model::model::Model;

/// Microseconds of a day.
pub(super) const DAY: i64 = 86_400_000_000;

/// The moments of an order; no event that a model derives from them comes later than the contract's `settled_days` allow.
const MOMENTS: [&str; 5] = [
    "order_purchase_timestamp",
    "order_approved_at",
    "order_delivered_carrier_date",
    "order_delivered_customer_date",
    "order_estimated_delivery_date",
];
const PURCHASE: usize = 0;
const DELIVERY: usize = 3;

/// The longest times that some models declare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    history: i32,
    settled: i32,
}

impl Reach {
    /// The reach of orders in some models.
    pub fn new<'a>(models: impl Iterator<Item = &'a Model> + Clone) -> Self {
        let history = models.clone().filter_map(|model| model.history_days).max().unwrap_or(0);
        let settled = models.map(|model| model.settled_days.unwrap_or(i32::MAX)).max().unwrap_or(i32::MAX);
        Self { history, settled }
    }

    /// The first day of purchase of which an order can matter on a day.
    pub fn earliest(self, day: i32) -> i32 {
        day.saturating_sub(self.history)
    }

    /// The last day on which each order can matter; an order without a purchase matters always.
    pub fn last_days(self, orders: &RecordBatch) -> Vec<i32> {
        let columns = MOMENTS.map(|column| orders.column_by_name(column));
        let day = |column: Option<&ArrayRef>, row: usize| {
            let column = column?.as_primitive_opt::<TimestampMicrosecondType>()?;
            let moment = column.is_valid(row).then(|| column.value(row))?;
            i32::try_from(moment.div_euclid(DAY)).ok()
        };
        let last = |row| {
            let days = columns.map(|column| day(column, row));
            let Some(bought) = days[PURCHASE] else { return i32::MAX };
            let given_up = bought.saturating_add(self.history);
            let settled = days[DELIVERY].and(days.into_iter().flatten().max());
            settled.map_or(given_up, |last| last.saturating_add(self.settled).min(given_up))
        };
        (0..orders.num_rows()).map(last).collect()
    }

    /// The orders that can matter on a day or after it.
    ///
    /// # Errors
    /// When the rows cannot be filtered.
    pub fn mattering(self, orders: Vec<RecordBatch>, day: i32) -> Result<Vec<RecordBatch>, ArrowError> {
        let mattering = |orders: RecordBatch| {
            let kept = self.last_days(&orders).into_iter().map(|last| Some(last >= day));
            filter_record_batch(&orders, &kept.collect::<BooleanArray>())
        };
        orders.into_iter().map(mattering).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;

    use super::*;

    fn orders(rows: &[[Option<i64>; 5]]) -> RecordBatch {
        let column = |place: usize| {
            let moments = rows.iter().map(|row| row[place].map(|day| day * DAY + DAY / 2));
            Arc::new(moments.collect::<TimestampMicrosecondArray>()) as ArrayRef
        };
        RecordBatch::try_from_iter(MOMENTS.iter().enumerate().map(|(place, name)| (*name, column(place)))).unwrap()
    }

    #[test]
    fn delivered_orders_matter_for_a_while_after_their_last_event_and_others_until_they_are_given_up() {
        let reach = Reach { history: 210, settled: 98 };
        let orders = orders(&[
            [Some(0), Some(0), Some(2), Some(9), Some(20)],
            [Some(0), Some(0), Some(2), Some(30), Some(20)],
            [Some(0), Some(0), Some(2), None, Some(20)],
            [Some(0), None, None, Some(170), Some(20)],
            [None, None, None, None, None],
        ]);
        assert_eq!(reach.last_days(&orders), [118, 128, 210, 210, i32::MAX]);
        let kept = |day| reach.mattering(vec![orders.clone()], day).unwrap()[0].num_rows();
        assert_eq!([118, 119, 128, 129, 210, 211].map(kept), [5, 4, 4, 3, 3, 1]);
    }
}
