//! When people buy.

use super::{Axis, Chapter, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "demand",
    title: "When people buy",
    questions: &[
        shares(
            "orders_by_month",
            "Orders by month",
            "orders",
            Axis::Months,
            "select purchase_month as bin, count(*) as weight from orders group by purchase_month",
        ),
        shares(
            "orders_by_day",
            "Orders by day",
            "orders",
            Axis::Days,
            "select purchase_date as bin, count(*) as weight from orders group by purchase_date",
        ),
        // Seconds since 1970 began on a Thursday: 72 hours after a Monday.
        shares(
            "purchase_hour",
            "Hour of purchase",
            "orders",
            Axis::HourOfWeek,
            "
select
  cast(floor(unix_timestamp(order_purchase_timestamp) / 3600.0) + 72 as bigint) % 168 as bin,
  count(*) as weight
from orders
group by cast(floor(unix_timestamp(order_purchase_timestamp) / 3600.0) + 72 as bigint) % 168",
        ),
    ],
};
