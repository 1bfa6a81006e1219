//! Metrics: every figure that Entrega shows, defined once, as data.
//!
//! A metric is a [`Formula`] over the additive measures of a daily table, so the same definition gives the figure of a
//! day, of a week, of a state or of a seller: sum the measures over whatever rows are asked for, divide last. Report,
//! dashboard, checks and alerts take it from [`METRICS`]; none of them writes a formula of its own.
//!
//! ```text
//!  Formula ── expression() ──▶ SQL over a daily table's measures   (sum(delivered_late) …)
//!          ── statement()  ──▶ a whole query for some days, to run or to show beside a figure
//!          ── value()      ──▶ the same, from measures that were already summed
//! ```
//!
//! Three relations carry them:
//!
//! * **Daily measures**: `summary.delivery_daily`, `route_daily` and `seller_daily` alike.
//! * **Delivery days**: `summary.delivery_days_daily`, orders delivered by whole days taken, for percentiles.
//! * **Open orders**: `clean.deliveries` as it stood at the end of a day, see [`open_orders_statement`].

use std::collections::BTreeMap;

use chrono::NaiveDate;

/// What a metric counts in; decides how a figure is written and how two are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of orders, items or reviews.
    Count,
    /// Brazilian reais.
    Reais,
    /// A share between 0 and 1, shown in percent, compared in percentage points.
    Share,
    /// Days, as a decimal number.
    Days,
    /// A review score between 1 and 5.
    Score,
}

/// Which way a metric should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// Higher is better.
    Up,
    /// Lower is better.
    Down,
    /// Neither; a change is only a change.
    Neither,
}

/// How long after its promise an undelivered order counts as overdue, in days; later it is stale.
pub const OVERDUE_DAYS: i64 = 60;

/// Where an undelivered order stands at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenState {
    /// Not delivered, and its promise lies ahead or at most [`OVERDUE_DAYS`] back.
    Open,
    /// Not delivered, and its promise passed at most [`OVERDUE_DAYS`] ago.
    Overdue,
    /// Not delivered, and its promise passed longer ago: most likely lost or never recorded.
    Stale,
}

/// How a metric follows from what the tables hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Formula {
    /// The sum of some measures. Over several days it adds up; its mean is that sum per day.
    Sum(&'static [&'static str]),
    /// One summed measure per another one: `of / per / divide_by`, or 1 less that.
    Ratio {
        /// The measure above the line.
        of: &'static str,
        /// The measure below the line; the number that the figure rests on.
        per: &'static str,
        /// What turns the stored unit into the metric's, for example 86,400 for seconds into days.
        divide_by: f64,
        /// Whether the metric is 1 less the ratio.
        complement: bool,
    },
    /// The `level` quantile of delivery days, spread evenly inside each whole day.
    DeliveryDaysQuantile {
        /// Between 0 and 1.
        level: f64,
    },
    /// A number of orders as it stood at the end of a day. It never adds up over days; its mean does.
    Standing(OpenState),
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The name in SQL and JSON, `snake_case`, unique.
    pub name: &'static str,
    /// The name for people.
    pub label: &'static str,
    /// How it is computed.
    pub formula: Formula,
    /// What it counts in.
    pub unit: Unit,
    /// Which way it should go.
    pub good: Good,
    /// What the base of a ratio or quantile counts, in the plural (`deliveries`); empty for sums and standings.
    pub base: &'static str,
    /// The definition in words, with the day that an event counts on.
    pub description: &'static str,
}

const fn ratio(of: &'static str, per: &'static str) -> Formula {
    Formula::Ratio { of, per, divide_by: 1.0, complement: false }
}

const fn mean_days(seconds: &'static str, count: &'static str) -> Formula {
    Formula::Ratio { of: seconds, per: count, divide_by: 86_400.0, complement: false }
}

/// Every metric, in the order in which people should read them.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "on_time_rate",
        label: "On-time rate",
        formula: Formula::Ratio { of: "delivered_late", per: "delivered", divide_by: 1.0, complement: true },
        unit: Unit::Share,
        good: Good::Up,
        base: "deliveries",
        description: "Of the orders delivered on the day, the share that arrived on or before the promised day.",
    },
    Metric {
        name: "late_rate",
        label: "Late rate",
        formula: ratio("delivered_late", "delivered"),
        unit: Unit::Share,
        good: Good::Down,
        base: "deliveries",
        description: "Of the orders delivered on the day, the share that arrived after the promised day.",
    },
    Metric {
        name: "late_deliveries",
        label: "Late deliveries",
        formula: Formula::Sum(&["delivered_late"]),
        unit: Unit::Count,
        good: Good::Down,
        base: "",
        description: "Orders delivered on the day, after the day they were promised for.",
    },
    Metric {
        name: "deliveries",
        label: "Deliveries",
        formula: Formula::Sum(&["delivered"]),
        unit: Unit::Count,
        good: Good::Neither,
        base: "",
        description: "Orders that reached their customer on the day.",
    },
    Metric {
        name: "mean_delivery_days",
        label: "Delivery time, mean",
        formula: mean_days("delivery_seconds", "delivery_count"),
        unit: Unit::Days,
        good: Good::Down,
        base: "deliveries",
        description: "Days from purchase to delivery, mean over the orders delivered on the day.",
    },
    Metric {
        name: "p90_delivery_days",
        label: "Delivery time, p90",
        formula: Formula::DeliveryDaysQuantile { level: 0.9 },
        unit: Unit::Days,
        good: Good::Down,
        base: "deliveries",
        description: "Days from purchase within which nine of ten orders delivered on the day arrived; from counts by whole \
                      days, spread evenly inside a day.",
    },
    Metric {
        name: "mean_handling_days",
        label: "Mean handling time",
        formula: mean_days("handling_seconds", "handling_count"),
        unit: Unit::Days,
        good: Good::Down,
        base: "hand-overs",
        description: "Days from payment approval to hand-over to the carrier, mean over the orders handed over on the day.",
    },
    Metric {
        name: "mean_transit_days",
        label: "Mean transit time",
        formula: mean_days("transit_seconds", "transit_count"),
        unit: Unit::Days,
        good: Good::Down,
        base: "deliveries",
        description: "Days from hand-over to the carrier to delivery, mean over the orders delivered on the day.",
    },
    Metric {
        name: "mean_delay_days",
        label: "Mean delay",
        formula: ratio("delay_days", "delivered"),
        unit: Unit::Days,
        good: Good::Down,
        base: "deliveries",
        description: "Days by which orders delivered on the day came after the promised day; negative means early.",
    },
    Metric {
        name: "handovers",
        label: "Hand-overs",
        formula: Formula::Sum(&["handed_over"]),
        unit: Unit::Count,
        good: Good::Neither,
        base: "",
        description: "Orders handed to the carrier on the day.",
    },
    Metric {
        name: "missed_handovers",
        label: "Missed hand-overs",
        formula: Formula::Sum(&["handover_missed"]),
        unit: Unit::Count,
        good: Good::Down,
        base: "",
        description: "Orders handed to the carrier on the day, after the shipping limit their seller had agreed to.",
    },
    Metric {
        name: "missed_handover_share",
        label: "Missed hand-over share",
        formula: ratio("handover_missed", "handed_over"),
        unit: Unit::Share,
        good: Good::Down,
        base: "hand-overs",
        description: "Of the orders handed to the carrier on the day, the share handed over after the shipping limit.",
    },
    Metric {
        name: "due_orders",
        label: "Orders due",
        formula: Formula::Sum(&["due"]),
        unit: Unit::Count,
        good: Good::Neither,
        base: "",
        description: "Orders promised for the day, neither canceled nor unavailable; only days that have ended.",
    },
    Metric {
        name: "due_missed_share",
        label: "Missed promises",
        formula: ratio("due_missed", "due"),
        unit: Unit::Share,
        good: Good::Down,
        base: "orders due",
        description: "Of the orders promised for the day, the share not delivered by its end.",
    },
    Metric {
        name: "open_orders",
        label: "Open orders",
        formula: Formula::Standing(OpenState::Open),
        unit: Unit::Count,
        good: Good::Neither,
        base: "",
        description: "Orders bought but not delivered at the end of the day, overdue ones included, stale ones not. The source \
                      does not say when an order was canceled: a canceled order counts as closed from its last known event.",
    },
    Metric {
        name: "overdue_orders",
        label: "Overdue orders",
        formula: Formula::Standing(OpenState::Overdue),
        unit: Unit::Count,
        good: Good::Down,
        base: "",
        description: "Open orders whose promised day had ended, at most 60 days before.",
    },
    Metric {
        name: "stale_orders",
        label: "Stale orders",
        formula: Formula::Standing(OpenState::Stale),
        unit: Unit::Count,
        good: Good::Down,
        base: "",
        description: "Undelivered orders whose promised day ended more than 60 days before: lost, or never recorded.",
    },
    Metric {
        name: "orders",
        label: "Orders",
        formula: Formula::Sum(&["purchased"]),
        unit: Unit::Count,
        good: Good::Up,
        base: "",
        description: "Orders bought on the day.",
    },
    Metric {
        name: "revenue",
        label: "Revenue",
        formula: Formula::Sum(&["price", "freight_value"]),
        unit: Unit::Reais,
        good: Good::Up,
        base: "",
        description: "Price and freight of the orders bought on the day.",
    },
    Metric {
        name: "canceled_share",
        label: "Canceled orders",
        formula: ratio("canceled", "purchased"),
        unit: Unit::Share,
        good: Good::Down,
        base: "orders",
        description: "Of the orders bought on the day, the share canceled since.",
    },
    Metric {
        name: "review_score",
        label: "Review score",
        formula: ratio("review_score", "reviews"),
        unit: Unit::Score,
        good: Good::Up,
        base: "reviews",
        description: "Mean score, 1 to 5, of the reviews created on the day.",
    },
];

/// The metric called `name`.
#[must_use]
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

impl Formula {
    /// The measures of a daily table that the formula sums; none for the other relations.
    #[must_use]
    pub fn measures(&self) -> Vec<&'static str> {
        match self {
            Self::Sum(measures) => measures.to_vec(),
            Self::Ratio { of, per, .. } => vec![of, per],
            Self::DeliveryDaysQuantile { .. } | Self::Standing(_) => Vec::new(),
        }
    }

    /// The metric as an SQL aggregate: over the measures of a daily table, or for a [`Formula::Standing`] over the
    /// relation of [`open_orders_statement`]. A quantile is no single aggregate, see [`Formula::statement`].
    ///
    /// ```
    /// use entrega_model::metrics::metric;
    /// let on_time = metric("on_time_rate").unwrap();
    /// assert_eq!(
    ///     on_time.formula.expression().unwrap(),
    ///     "1 - cast(sum(delivered_late) as double) / nullif(sum(delivered), 0)"
    /// );
    /// ```
    #[must_use]
    pub fn expression(&self) -> Option<String> {
        match self {
            Self::Sum(measures) => {
                Some(measures.iter().map(|measure| format!("sum({measure})")).collect::<Vec<_>>().join(" + "))
            }
            Self::Ratio { of, per, divide_by, complement } => {
                let scale =
                    if (*divide_by - 1.0).abs() < f64::EPSILON { String::new() } else { format!(" / {divide_by:.0}") };
                let complement = if *complement { "1 - " } else { "" };
                Some(format!("{complement}cast(sum({of}) as double) / nullif(sum({per}), 0){scale}"))
            }
            Self::DeliveryDaysQuantile { .. } => None,
            Self::Standing(state) => {
                let condition = match state {
                    OpenState::Open => format!("promise_date >= day - interval '{OVERDUE_DAYS}' day"),
                    OpenState::Overdue => {
                        format!("promise_date <= day and promise_date >= day - interval '{OVERDUE_DAYS}' day")
                    }
                    OpenState::Stale => format!("promise_date < day - interval '{OVERDUE_DAYS}' day"),
                };
                Some(format!("sum(case when {condition} then orders else 0 end)"))
            }
        }
    }

    /// A whole query that gives the metric of the days `first..=last` as one value named `value`, over the network.
    /// A standing is as of the end of `last`.
    #[must_use]
    pub fn statement(&self, first: NaiveDate, last: NaiveDate) -> String {
        let days = days_between(first, last);
        match self {
            Self::Sum(_) | Self::Ratio { .. } => {
                let expression = self.expression().unwrap_or_default();
                format!("select {expression} as value\nfrom summary.delivery_daily\nwhere {days}")
            }
            Self::DeliveryDaysQuantile { level } => format!(
                "with by_days as (
  select delivery_days, sum(delivered) as delivered
  from summary.delivery_days_daily
  where {days}
  group by delivery_days
), running as (
  select delivery_days, delivered,
    sum(delivered) over (order by delivery_days rows between unbounded preceding and current row) as so_far,
    {level} * sum(delivered) over () as wanted
  from by_days
)
select delivery_days + 1 - (so_far - wanted) / delivered as value
from running
where so_far >= wanted and so_far - delivered < wanted"
            ),
            Self::Standing(_) => {
                let expression = self.expression().unwrap_or_default();
                open_orders_statement(&[last], &[("value", expression)])
            }
        }
    }

    /// The metric from measures that were summed before; `None` where it has no base.
    #[must_use]
    pub fn value(&self, sums: &BTreeMap<String, f64>) -> Option<f64> {
        let sum = |measure: &str| sums.get(measure).copied().unwrap_or(0.0);
        match self {
            Self::Sum(measures) => Some(measures.iter().map(|measure| sum(measure)).sum()),
            Self::Ratio { of, per, divide_by, complement } => {
                let base = sum(per);
                let value = sum(of) / base / divide_by;
                (base > 0.0).then_some(if *complement { 1.0 - value } else { value })
            }
            Self::DeliveryDaysQuantile { .. } | Self::Standing(_) => None,
        }
    }
}

/// The quantile `level` of whole delivery days by number of orders, as [`Formula::DeliveryDaysQuantile`] defines it.
///
/// ```
/// use entrega_model::metrics::delivery_days_quantile;
/// let by_days = [(4, 50.0), (9, 50.0)].into_iter().collect();
/// assert_eq!(delivery_days_quantile(&by_days, 0.9), Some(9.8));
/// ```
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "delivery days are far below 2^53")]
pub fn delivery_days_quantile(by_days: &BTreeMap<i64, f64>, level: f64) -> Option<f64> {
    let wanted = level * by_days.values().sum::<f64>();
    let mut so_far = 0.0;
    for (days, delivered) in by_days.iter().filter(|(_, delivered)| **delivered > 0.0) {
        so_far += delivered;
        if so_far >= wanted {
            return Some(*days as f64 + 1.0 - (so_far - wanted) / delivered);
        }
    }
    None
}

/// A query over the orders that were open at the end of each of `days`: one row per day, `date` and the named
/// aggregates over (`day`, `promise_date`, `orders`).
///
/// Told by timestamps, not by today's status, so that a past day looks as it did: an order is open from its purchase
/// until its delivery, and one delivered after the day was open on it. What cannot be known: when an order was
/// canceled, became unavailable, or was delivered without a date; such an order closes at its last known event.
#[must_use]
pub fn open_orders_statement(days: &[NaiveDate], aggregates: &[(&str, String)]) -> String {
    let values = days.iter().map(|day| format!("(date '{day}')")).collect::<Vec<_>>().join(", ");
    let first = days.iter().min().copied().unwrap_or_default();
    let last = days.iter().max().copied().unwrap_or_default();
    let aggregates: Vec<_> = aggregates.iter().map(|(name, expression)| format!("{expression} as {name}")).collect();
    let aggregates = aggregates.join(",\n  ");
    format!(
        "with days as (
  select day from (values {values}) as wanted(day)
), closing as (
  select purchase_date, cast(order_estimated_delivery_date as date) as promise_date,
    cast(case
      when order_delivered_customer_date is not null
        then greatest(order_delivered_customer_date, order_purchase_timestamp)
      when order_status in ('delivered', 'canceled', 'unavailable')
        then greatest(order_purchase_timestamp, order_approved_at, order_delivered_carrier_date)
    end as date) as closed_date
  from clean.deliveries
  where purchase_date <= date '{last}'
), standing as (
  select purchase_date, promise_date, closed_date, count(*) as orders
  from closing
  where closed_date is null or closed_date > date '{first}'
  group by purchase_date, promise_date, closed_date
)
select cast(day as date) as date,
  {aggregates}
from days
join standing on purchase_date <= day and (closed_date is null or closed_date > day)
group by day"
    )
}

/// The predicate for the days `first..=last` of a daily table: by date, and by the month that it is partitioned by.
#[must_use]
pub fn days_between(first: NaiveDate, last: NaiveDate) -> String {
    let month = |day: NaiveDate| day.format("%Y-%m-01");
    let months = if first.format("%Y-%m").to_string() == last.format("%Y-%m").to_string() {
        format!("month = date '{}'", month(last))
    } else {
        format!("month between date '{}' and date '{}'", month(first), month(last))
    };
    if first == last {
        format!("date = date '{last}' and {months}")
    } else {
        format!("date between date '{first}' and date '{last}' and {months}")
    }
}

#[cfg(test)]
mod tests;
