/*---
description = "What can be known of an order at the purchase."
grain = ["order_id"]
write = "snapshot"
decision = "purchase"
columns = [
  ["order_id", "STRING", "The order."],
  ["decided_at", "TIMESTAMP", "The moment of the decision."],
  ["promised_days", "INT", "Days promised.", "days", "promised_days"],
  ["seller_open", "BIGINT", "Open orders of the seller.", "orders", "seller_id"],
  ["seller_late_share_30d", "DOUBLE", "Late ones of the delivered.", "share", "is_late, seller_id"],
  ["route_transit", "DOUBLE", "Mean transit.", "seconds", "transit_seconds, seller_state, customer_state"],
  ["working_days_until", "BIGINT", "Working days.", "days", "is_working_day"],
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
  select order_id, order_purchase_timestamp as decided_at, purchased_at as at, seller_id, route, cast(1 as bigint) as open, cast(0 as bigint) as delivered, cast(0 as bigint) as late, cast(0 as bigint) as transit_seconds
  from timed -- purchases
  union all
  select order_id, cast(null as timestamp), handed_over_at, seller_id, route, 0, 0, 0, 0 from timed where handed_over_at <= given_up_at and coalesce(delivered_at > handed_over_at, true)
  union all
  select order_id, cast(null as timestamp), delivered_at, seller_id, route, -1, 1, cast(is_late as bigint), case when handed_over_at <= delivered_at then transit_seconds else 0 end from timed where delivered_at <= given_up_at
  union all
  select order_id, cast(null as timestamp), given_up_at, seller_id, route, -1, 0, 0, 0 from timed where coalesce(delivered_at > given_up_at, true)
),

past as (
  select
    order_id, decided_at,
    sum(late) over seller_30 as late,
    sum(delivered) over seller_30 as delivered,
    sum(open) over seller_ever as seller_open,
    avg(transit_seconds) over (partition by route order by at range between 7776000 preceding and 1 preceding) as route_transit
  from events window
    seller_30 as (partition by seller_id order by at range between 2592000 preceding and 1 preceding),
    seller_ever as (partition by seller_id order by at range between unbounded preceding and 1 preceding)
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
  orders.promised_days,
  coalesce(past.seller_open, 0) as seller_open,
  cast(past.late as double) / nullif(past.delivered, 0) as seller_late_share_30d,
  past.route_transit,
  days.working_days_until,
  labels.label_is_late,
  labels.matured_at,
  orders.purchase_month
from past
inner join timed as orders on past.order_id = orders.order_id
left join days on days.date = to_date(orders.promised_at)
left join features.labels as labels on labels.order_id = past.order_id
  where past.decided_at is not null
