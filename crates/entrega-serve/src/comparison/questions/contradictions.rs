//! How orders end, and how often the books contradict themselves.

use super::{Axis, Chapter, Unit, rates, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "contradictions",
    title: "How orders end, and what contradicts itself",
    questions: &[
        shares(
            "statuses",
            "Statuses of orders",
            "orders",
            Axis::Names(8),
            "select order_status as bin, count(*) as weight from orders group by order_status",
        ),
        rates(
            "undelivered_by_month",
            "Orders not delivered by month of purchase",
            "orders",
            Axis::Months,
            Unit::Share,
            "
select
  purchase_month as bin,
  avg(case when order_status = 'delivered' then 0.0 else 1.0 end) as value,
  count(*) as weight
from orders
group by purchase_month",
        ),
        rates(
            "quirks",
            "Contradictions",
            "rows",
            Axis::Names(12),
            Unit::Share,
            "
select 'handed over before approved' as bin, avg(case when order_delivered_carrier_date < order_approved_at then 1.0 else 0.0 end) as value, 1 as weight from orders
union all
select 'handed over before bought', avg(case when order_delivered_carrier_date < order_purchase_timestamp then 1.0 else 0.0 end), 1 from orders
union all
select 'received before handed over', avg(case when order_delivered_customer_date < order_delivered_carrier_date then 1.0 else 0.0 end), 1 from orders
union all
select 'delivered, never approved', avg(case when order_approved_at is null then 1.0 else 0.0 end), 1 from orders where order_status = 'delivered'
union all
select 'delivered, no date', avg(case when order_delivered_customer_date is null then 1.0 else 0.0 end), 1 from orders where order_status = 'delivered'
union all
select 'canceled, yet received', avg(case when order_delivered_customer_date is not null then 1.0 else 0.0 end), 1 from orders where order_status = 'canceled'
union all
select 'reviewed before bought', avg(case when review_creation_date < order_purchase_timestamp then 1.0 else 0.0 end), 1 from order_reviews inner join orders on order_reviews.order_id = orders.order_id
union all
select 'review of several orders', 1 - count(distinct review_id) / cast(count(*) as double), 1 from order_reviews
union all
select 'order without items', avg(case when n_items = 0 then 1.0 else 0.0 end), 1 from deliveries
union all
select 'paid more or less than asked', avg(case when abs(payment_value - price - freight_value) > 0.05 then 1.0 else 0.0 end), 1 from deliveries where price is not null
union all
select 'place unknown', avg(case when distance_km is null then 1.0 else 0.0 end), 1 from deliveries where n_items > 0
union all
select 'product of no category', avg(case when category = 'unknown' then 1.0 else 0.0 end), 1 from shipments",
        ),
    ],
};
