/*---
description = "How long deliveries took: one row per delivered day, customer state and whole number of days, with the number of orders; percentiles of any period follow from the sums."
grain = ["date", "customer_state", "delivery_days"]
write = "replace_days"
partition = "month"
columns = [
  ["date", "DATE", "The day of the delivery."],
  ["customer_state", "STRING", "State of the delivery address; unknown while the customer record is missing."],
  ["delivery_days", "INT", "Whole days of 86,400 seconds from purchase to delivery, rounded down."],
  ["delivered", "BIGINT", "Orders delivered on the day that took this long; orders without a delivery time are left out."],
  ["month", "DATE", "First day of the month of date; the partition."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["date", "customer_state", "delivery_days", "delivered", "month"] },
]
---*/
with deliveries as (
  select
    to_date(order_delivered_customer_date) as date,
    customer_state,
    cast(floor(delivery_days) as int) as delivery_days
  from clean.deliveries
  where delivery_days is not null
)

select
  date,
  customer_state,
  delivery_days,
  count(*) as delivered,
  trunc(date, 'MM') as month
from deliveries
group by date, customer_state, delivery_days
