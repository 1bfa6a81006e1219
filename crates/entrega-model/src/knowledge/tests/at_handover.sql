/*---
description = "What can be known of an order at the hand-over."
grain = ["order_id"]
write = "snapshot"
decision = "handover"
columns = [
  ["order_id", "STRING", "The order."],
  ["decided_at", "TIMESTAMP", "The moment of the decision."],
  ["handover_missed", "BOOLEAN", "Missed.", "yes or no", "deliveries.handover_missed"],
  ["seller_handed_over_7d", "BIGINT", "Handed over.", "orders", "seller_id"],
  ["working_days_until", "BIGINT", "Working days.", "days", "is_working_day, order_estimated_delivery_date"],
  ["label_is_late", "BOOLEAN", "Late."],
  ["matured_at", "TIMESTAMP", "When the label is known."],
  ["purchase_month", "DATE", "Month."],
]
---*/
with orders as (
  select
    order_id, seller_id, concat(seller_state, '>', customer_state) as route, promised_days, is_late, delay_days,
    transit_seconds, handover_missed, purchase_month, order_purchase_timestamp,
    order_estimated_delivery_date as promised_at,
    unix_timestamp(order_purchase_timestamp) as purchased_at,
    case
      when order_delivered_carrier_date is not null then greatest(order_delivered_carrier_date, order_purchase_timestamp)
    end as handover_time,
    case
      when order_delivered_carrier_date is not null
        then unix_timestamp(greatest(order_delivered_carrier_date, order_purchase_timestamp))
    end as handed_over_at,
    case
      when order_delivered_customer_date is not null
        then unix_timestamp(greatest(order_delivered_customer_date, order_purchase_timestamp))
    end as delivered_at,
    greatest(
      unix_timestamp(order_estimated_delivery_date) + 86400, unix_timestamp(order_purchase_timestamp)
    ) as promise_ends_at
  from clean.deliveries
),

timed as (
  select *, least(promise_ends_at + 60 * 86400, purchased_at + 180 * 86400) as given_up_at from orders
),

events as (
  select order_id, cast(null as timestamp) as decided_at, purchased_at as at, seller_id, 0 as handed_over from timed
  union all
  select order_id, handover_time, handed_over_at, seller_id, 1
  from timed
  where handed_over_at is not null and (delivered_at is null or delivered_at >= handed_over_at)
),

past as (
  select
    order_id, decided_at,
    sum(handed_over) over (
      partition by seller_id order by at range between 7 * 86400 preceding and 1 preceding
    ) as seller_handed_over_7d
  from events
),

days as (
  select
    date,
    sum(case when is_working_day then 1 else 0 end) over (
      order by date rows between unbounded preceding and current row
    ) as working_days_until
  from clean.calendar
)

select
  past.order_id,
  past.decided_at,
  orders.handover_missed,
  past.seller_handed_over_7d,
  days.working_days_until,
  labels.label_is_late,
  labels.matured_at,
  orders.purchase_month
from past
inner join timed as orders on past.order_id = orders.order_id
left join days on days.date = to_date(orders.promised_at)
left join features.labels as labels on labels.order_id = past.order_id
  where past.decided_at is not null
