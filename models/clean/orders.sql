/*---
description = "The orders as last delivered by the order system: one row per order, with its purchase day and month and a flag for timelines that contradict themselves."
grain = ["order_id"]
write = "upsert"
partition = "purchase_month"
source = "orders"
columns = [
  ["order_id", "STRING", "The order: 32 lower-case hex digits. Source: orders."],
  ["customer_id", "STRING", "The customer record of this one order; see clean.customers for the person behind it. Source: orders."],
  ["order_status", "STRING", "Stage reached: created, approved, invoiced, processing, shipped, delivered, unavailable or canceled. Source: orders."],
  ["order_purchase_timestamp", "TIMESTAMP", "When the customer bought, Brazilian wall clock. Source: orders."],
  ["order_approved_at", "TIMESTAMP", "When the payment was approved; NULL until then. Source: orders."],
  ["order_delivered_carrier_date", "TIMESTAMP", "When the parcel was handed to the carrier; NULL until then. Source: orders."],
  ["order_delivered_customer_date", "TIMESTAMP", "When the customer received the parcel; NULL until then. Source: orders."],
  ["order_estimated_delivery_date", "TIMESTAMP", "The promise given at the purchase: the midnight that begins the promised day. Source: orders."],
  ["purchase_date", "DATE", "Day of the purchase."],
  ["timeline_ok", "BOOLEAN", "False where the events contradict each other: carrier before approval, carrier before purchase, delivered before carrier, or status delivered without a delivery date."],
  ["purchase_month", "DATE", "First day of the month of the purchase; the partition of everything keyed by order."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence: interval end, time of production, digest."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "customer_id", "order_status", "order_purchase_timestamp", "order_estimated_delivery_date", "purchase_date", "timeline_ok", "purchase_month"] },
  { kind = "accepted_values", column = "order_status", values = ["created", "approved", "invoiced", "processing", "shipped", "delivered", "unavailable", "canceled"] },
]
---*/
with orders as (
  select * from landing.orders
),

-- A comparison with a missing timestamp is NULL, hence no contradiction.
contradictions as (
  select
    *,
    coalesce(order_delivered_carrier_date < order_approved_at, false) as carrier_before_approval,
    coalesce(order_delivered_carrier_date < order_purchase_timestamp, false) as carrier_before_purchase,
    coalesce(order_delivered_customer_date < order_delivered_carrier_date, false) as delivered_before_carrier,
    order_status = 'delivered' and order_delivered_customer_date is null as delivered_without_date
  from orders
)

select
  order_id,
  customer_id,
  order_status,
  order_purchase_timestamp,
  order_approved_at,
  order_delivered_carrier_date,
  order_delivered_customer_date,
  order_estimated_delivery_date,
  to_date(order_purchase_timestamp) as purchase_date,
  not (
    carrier_before_approval
    or carrier_before_purchase
    or delivered_before_carrier
    or delivered_without_date
  ) as timeline_ok,
  trunc(to_date(order_purchase_timestamp), 'MM') as purchase_month,
  _drop
from contradictions
