//! How long an order can matter to decisions, as expressions of SQL.
//!
//! ```text
//!  bought ── handed over ── delivered ── promise over ────── settled_days ──────▶ out of every window
//!  bought ───────────────── history_days ───────────────────────────────────────▶ given up, and out of every window
//! ```
//!
//! Decisions see orders in windows of days. Of a delivered order nothing happens any more, so it leaves the last window
//! a known time after its last event; any other is given up, and leaves it a known time after its purchase.

use entrega_model::model::Model;

/// The purchase of an order.
pub(super) const PURCHASE: &str = "order_purchase_timestamp";
/// Its delivery.
pub(super) const DELIVERY: &str = "order_delivered_customer_date";
/// The moments of an order; no event that a model derives from them comes later than `settled_days` allow.
pub(super) const MOMENTS: [&str; 5] =
    [PURCHASE, "order_approved_at", "order_delivered_carrier_date", DELIVERY, "order_estimated_delivery_date"];

/// The longest times that some models declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    history: i32,
    /// None if some model does not declare it: then only time since the purchase counts.
    settled: Option<i32>,
}

impl Reach {
    /// The reach of orders in some models.
    pub fn new<'a>(models: impl Iterator<Item = &'a Model> + Clone) -> Self {
        let history = models.clone().filter_map(|model| model.history_days).max().unwrap_or(0);
        let settled = models.map(|model| model.settled_days).collect::<Option<Vec<_>>>();
        Self { history, settled: settled.and_then(|settled| settled.into_iter().max()) }
    }

    /// The first month of purchase of which an order can matter on a day (an expression).
    pub fn earliest_month(self, day: &str) -> String {
        format!("trunc(date_sub({day}, {}), 'MM')", self.history)
    }

    /// The last day on which an order of a relation can matter; an order without a purchase matters always.
    pub fn last_day(self, relation: &str) -> String {
        let dot = if relation.is_empty() { "" } else { "." };
        let day = |column: &str| format!("to_date({relation}{dot}{column})");
        let given_up = format!("date_add({}, {})", day(PURCHASE), self.history);
        let last = match self.settled {
            None => given_up,
            // The greatest passes over what has not happened.
            Some(settled) => format!(
                "CASE WHEN {relation}{dot}{DELIVERY} IS NULL THEN {given_up}\n    ELSE least({given_up}, date_add(greatest({}), {settled})) END",
                MOMENTS.map(day).join(", ")
            ),
        };
        format!("CASE WHEN {relation}{dot}{PURCHASE} IS NULL THEN DATE '9999-12-31'\n    ELSE {last} END")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::batch;

    #[test]
    fn the_longest_times_count_and_one_unsaid_counts_for_all() {
        let project = batch("features").project;
        let decisions = project.models().iter().filter(|model| model.decision.is_some());
        let reach = Reach::new(decisions);
        assert_eq!(reach, Reach { history: 210, settled: Some(98) });
        assert!(reach.last_day("old").contains("date_add(to_date(old.order_purchase_timestamp), 210)"));
        let mut unsaid = project.models().iter().find(|model| model.decision.is_some()).cloned().unwrap();
        unsaid.settled_days = None;
        assert_eq!(Reach::new([&unsaid].into_iter()).settled, None);
    }
}
