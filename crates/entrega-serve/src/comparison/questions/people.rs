//! Who buys and sells, and where.

use super::{Axis, Chapter, Scale, Unit, numbers, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "people",
    title: "Who buys and sells, and where",
    questions: &[
        shares(
            "customer_states",
            "States of customers",
            "orders",
            Axis::Names(12),
            "select customer_state as bin, count(*) as weight from deliveries group by customer_state",
        ),
        shares(
            "customer_cities",
            "Cities of customers",
            "orders",
            Axis::Names(12),
            "select customer_city as bin, count(*) as weight from deliveries group by customer_city",
        ),
        shares(
            "seller_states",
            "States of sellers",
            "items",
            Axis::Names(12),
            "select seller_state as bin, count(*) as weight from shipments group by seller_state",
        ),
        numbers(
            "distance",
            "Distance from seller to customer",
            "orders",
            Unit::Kilometres,
            Scale::Linear,
            "select distance_km as value from deliveries",
        ),
        shares(
            "orders_by_buyer",
            "Orders of a buyer",
            "buyers",
            Axis::Steps("orders, 4 or more together"),
            "
select
  least(n_orders, 4) as bin,
  count(*) as weight
from (
  select customer_unique_id, count(*) as n_orders from deliveries group by customer_unique_id
) as buyers
group by least(n_orders, 4)",
        ),
        numbers(
            "days_until_return",
            "Days until a buyer returns",
            "returns",
            Unit::Days,
            Scale::Linear,
            "
select
  (unix_timestamp(order_purchase_timestamp) - unix_timestamp(purchased_before)) / 86400.0 as value
from (
  select
    order_purchase_timestamp,
    lag(order_purchase_timestamp) over (
      partition by customer_unique_id order by order_purchase_timestamp
    ) as purchased_before
  from deliveries
) as purchases
where purchased_before is not null",
        ),
        shares(
            "new_sellers",
            "First sale of sellers",
            "sellers",
            Axis::Months,
            "
select
  first_month as bin,
  count(*) as weight
from (
  select seller_id, min(purchase_month) as first_month from shipments group by seller_id
) as sellers
group by first_month",
        ),
    ],
};
