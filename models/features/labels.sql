/*---
description = "What became of each order, told only when its promise has passed: one row per order. Labels are to be learnt from rows with matured_at up to the training day and no others: who takes whatever is delivered by then learns from the fast ones."
grain = ["order_id"]
write = "replace_months"
partition = "purchase_month"
columns = [
  ["order_id", "STRING", "The order."],
  ["matured_at", "TIMESTAMP", "When the label can be known: the end of the promised day. Known from the purchase on."],
  ["label_is_late", "BOOLEAN", "Delivered after the promised day, or not yet when it ended. NULL before matured_at, and for canceled and unavailable orders."],
  ["label_delivery_days", "DOUBLE", "Days from purchase to delivery, a day being 86,400 seconds. NULL before matured_at and until delivered."],
  ["label_delay_days", "INT", "Days from the promised to the delivered date, negative = early. NULL before matured_at and until delivered."],
  ["purchase_month", "DATE", "First day of the purchase month; the partition."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "matured_at", "purchase_month"] },
]
---*/
with deliveries as (
  select * from clean.deliveries
),

as_of as (
  select as_of from ops.as_of
),

promised as (
  select
    deliveries.*,
    to_date(deliveries.order_delivered_customer_date) as delivered_date,
    to_date(deliveries.order_estimated_delivery_date) as promised_date,
    deliveries.order_status in ('canceled', 'unavailable') as is_closed,
    as_of.as_of >= cast(date_add(to_date(deliveries.order_estimated_delivery_date), cast(1 as int)) as timestamp) as has_matured
  from deliveries
  cross join as_of
)

select
  order_id,
  cast(date_add(promised_date, cast(1 as int)) as timestamp) as matured_at,
  case
    when has_matured and not is_closed then not coalesce(delivered_date <= promised_date, false)
  end as label_is_late,
  case when has_matured and not is_closed then delivery_days end as label_delivery_days,
  case when has_matured and not is_closed then delay_days end as label_delay_days,
  purchase_month
from promised
