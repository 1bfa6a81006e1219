//! How long it takes, and whether promises are kept.

use super::{Axis, Chapter, Scale, Unit, numbers, rates, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "delivery",
    title: "How it arrives",
    questions: &[
        numbers(
            "handling_days",
            "From approval to hand-over",
            "orders",
            Unit::Days,
            Scale::Log,
            "select handling_seconds / 86400.0 as value from deliveries where handling_seconds > 0",
        ),
        numbers(
            "transit_days",
            "From hand-over to receipt",
            "orders",
            Unit::Days,
            Scale::Log,
            "select transit_seconds / 86400.0 as value from deliveries where transit_seconds > 0",
        ),
        numbers(
            "delivery_days",
            "From purchase to receipt",
            "orders",
            Unit::Days,
            Scale::Linear,
            "select delivery_days as value from deliveries",
        ),
        numbers(
            "promised_days",
            "Promised days",
            "orders",
            Unit::Days,
            Scale::Linear,
            "select promised_days as value from deliveries",
        ),
        numbers(
            "delay_days",
            "Days after the promised day",
            "deliveries",
            Unit::Days,
            Scale::Linear,
            "select delay_days as value from deliveries",
        ),
        numbers(
            "limit_days",
            "Time allowed for hand-over",
            "orders",
            Unit::Days,
            Scale::Linear,
            "
select (unix_timestamp(shipping_limit_date) - unix_timestamp(order_approved_at)) / 86400.0 as value
from deliveries
where shipping_limit_date >= order_approved_at",
        ),
        shares(
            "handover_hour",
            "Hour of hand-over",
            "orders",
            Axis::HourOfWeek,
            "
select
  cast(floor(unix_timestamp(order_delivered_carrier_date) / 3600.0) + 72 as bigint) % 168 as bin,
  count(*) as weight
from orders
where order_delivered_carrier_date is not null
group by cast(floor(unix_timestamp(order_delivered_carrier_date) / 3600.0) + 72 as bigint) % 168",
        ),
        shares(
            "receipt_hour",
            "Hour of receipt",
            "orders",
            Axis::HourOfWeek,
            "
select
  cast(floor(unix_timestamp(order_delivered_customer_date) / 3600.0) + 72 as bigint) % 168 as bin,
  count(*) as weight
from orders
where order_delivered_customer_date is not null
group by cast(floor(unix_timestamp(order_delivered_customer_date) / 3600.0) + 72 as bigint) % 168",
        ),
        rates(
            "late_by_month",
            "Late deliveries by month of purchase",
            "deliveries",
            Axis::Months,
            Unit::Share,
            "
select
  purchase_month as bin,
  avg(case when is_late then 1.0 else 0.0 end) as value,
  count(*) as weight
from deliveries
where is_late is not null
group by purchase_month",
        ),
        rates(
            "late_by_state",
            "Late deliveries by state of the customer",
            "deliveries",
            Axis::Names(12),
            Unit::Share,
            "
select
  customer_state as bin,
  avg(case when is_late then 1.0 else 0.0 end) as value,
  count(*) as weight
from deliveries
where is_late is not null
group by customer_state",
        ),
        rates(
            "missed_by_month",
            "Missed hand-overs by month of purchase",
            "hand-overs",
            Axis::Months,
            Unit::Share,
            "
select
  purchase_month as bin,
  avg(case when handover_missed then 1.0 else 0.0 end) as value,
  count(*) as weight
from deliveries
where handover_missed is not null
group by purchase_month",
        ),
        rates(
            "transit_by_state",
            "Mean transit by state of the customer",
            "deliveries",
            Axis::Names(12),
            Unit::Days,
            "
select
  customer_state as bin,
  avg(transit_seconds) / 86400.0 as value,
  count(*) as weight
from deliveries
where transit_seconds is not null
group by customer_state",
        ),
        rates(
            "transit_by_month",
            "Mean transit by month of purchase",
            "deliveries",
            Axis::Months,
            Unit::Days,
            "
select
  purchase_month as bin,
  avg(transit_seconds) / 86400.0 as value,
  count(*) as weight
from deliveries
where transit_seconds is not null
group by purchase_month",
        ),
        rates(
            "handling_by_month",
            "Mean handling by month of purchase",
            "hand-overs",
            Axis::Months,
            Unit::Days,
            "
select
  purchase_month as bin,
  avg(handling_seconds) / 86400.0 as value,
  count(*) as weight
from deliveries
where handling_seconds is not null
group by purchase_month",
        ),
    ],
};
