/*---
description = "Deliveries by day and seller: one row per day and seller on which anything happened. An order counts once for each of its sellers; items, price, freight and shipping limit are that seller's own. Additive measures, each on the day of its own event."
grain = ["date", "seller_id"]
write = "replace_days"
partition = "month"
columns = [
  ["date", "DATE", "The day of the events counted."],
  ["seller_id", "STRING", "The seller."],
  ["purchased", "BIGINT", "Orders bought on the day."],
  ["items", "BIGINT", "Items bought on the day."],
  ["price", "DECIMAL(22,2)", "Prices of the orders bought on the day, in reais, canceled ones included."],
  ["freight_value", "DECIMAL(22,2)", "Freight of the orders bought on the day, in reais."],
  ["canceled", "BIGINT", "Orders bought on the day that are now canceled."],
  ["unavailable", "BIGINT", "Orders bought on the day that are now unavailable."],
  ["approved", "BIGINT", "Orders whose payment was approved on the day."],
  ["handed_over", "BIGINT", "Orders handed to the carrier on the day."],
  ["handover_missed", "BIGINT", "Of handed_over: after the shipping limit."],
  ["handling_seconds", "BIGINT", "Seconds from approval to hand-over, summed over handling_count."],
  ["handling_count", "BIGINT", "Of handed_over: those with a handling time."],
  ["delivered", "BIGINT", "Orders delivered on the day."],
  ["delivered_late", "BIGINT", "Of delivered: after the promised day."],
  ["delivery_seconds", "BIGINT", "Seconds from purchase to delivery, summed over delivery_count."],
  ["delivery_count", "BIGINT", "Of delivered: those with a delivery time."],
  ["delay_days", "BIGINT", "Days from the promised to the delivered date, summed over delivered; early ones are negative."],
  ["transit_seconds", "BIGINT", "Seconds from hand-over to delivery, summed over transit_count."],
  ["transit_count", "BIGINT", "Of delivered: those with a transit time."],
  ["due", "BIGINT", "Orders promised for the day, canceled and unavailable ones excluded; 0 until the day has ended."],
  ["due_missed", "BIGINT", "Of due: not delivered by the end of the day."],
  ["reviews", "BIGINT", "Reviews created on the day; every review counts."],
  ["review_score", "BIGINT", "Sum of the scores of reviews."],
  ["month", "DATE", "First day of the month of date; the partition."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["date", "seller_id", "month"] },
]
---*/
with deliveries as (
  select
    order_id,
    order_status,
    order_delivered_carrier_date,
    purchase_date,
    to_date(order_approved_at) as approved_date,
    to_date(order_delivered_carrier_date) as handed_over_date,
    to_date(order_delivered_customer_date) as delivered_date,
    to_date(order_estimated_delivery_date) as promised_date,
    handling_seconds,
    transit_seconds,
    delivery_seconds,
    delay_days,
    is_late
  from clean.deliveries
),

shipments as (
  select * from clean.shipments
),

order_reviews as (
  select order_id, review_score, to_date(review_creation_date) as creation_date
  from clean.order_reviews
),

as_of as (
  select as_of from ops.as_of
),

-- An order counts once for each of its sellers, with that seller's own items.
seller_items as (
  select
    order_id,
    seller_id,
    count(*) as n_items,
    sum(price) as price,
    sum(freight_value) as freight_value,
    max(shipping_limit_date) as shipping_limit_date
  from shipments
  group by order_id, seller_id
),

seller_orders as (
  select
    deliveries.*,
    seller_items.seller_id,
    seller_items.n_items,
    seller_items.price,
    seller_items.freight_value,
    deliveries.order_delivered_carrier_date > seller_items.shipping_limit_date as handover_missed
  from seller_items
  inner join deliveries on seller_items.order_id = deliveries.order_id
),

reviews as (
  select
    order_reviews.creation_date,
    order_reviews.review_score,
    seller_items.seller_id
  from order_reviews
  inner join seller_items on order_reviews.order_id = seller_items.order_id
),

-- Each kind of event is summed on its own day first, so that only small results meet below.
purchases as (
  select
    purchase_date as date,
    seller_id,
    count(*) as purchased,
    sum(n_items) as items,
    sum(price) as price,
    sum(freight_value) as freight_value,
    count(case when order_status = 'canceled' then 1 end) as canceled,
    count(case when order_status = 'unavailable' then 1 end) as unavailable
  from seller_orders
  group by purchase_date, seller_id
),

approvals as (
  select
    approved_date as date,
    seller_id,
    count(*) as approved
  from seller_orders
  where approved_date is not null
  group by approved_date, seller_id
),

handovers as (
  select
    handed_over_date as date,
    seller_id,
    count(*) as handed_over,
    count(case when handover_missed then 1 end) as handover_missed,
    sum(handling_seconds) as handling_seconds,
    count(handling_seconds) as handling_count
  from seller_orders
  where handed_over_date is not null
  group by handed_over_date, seller_id
),

arrivals as (
  select
    delivered_date as date,
    seller_id,
    count(*) as delivered,
    count(case when is_late then 1 end) as delivered_late,
    sum(delivery_seconds) as delivery_seconds,
    count(delivery_seconds) as delivery_count,
    sum(delay_days) as delay_days,
    sum(transit_seconds) as transit_seconds,
    count(transit_seconds) as transit_count
  from seller_orders
  where delivered_date is not null
  group by delivered_date, seller_id
),

-- Closed orders owe nothing.
promises as (
  select
    promised_date as date,
    seller_id,
    count(*) as due,
    count(case when delivered_date is null or delivered_date > promised_date then 1 end) as due_missed
  from seller_orders
  where order_status not in ('canceled', 'unavailable')
  group by promised_date, seller_id
),

reviews_written as (
  select
    creation_date as date,
    seller_id,
    count(*) as reviews,
    sum(review_score) as review_score
  from reviews
  where creation_date is not null
  group by creation_date, seller_id
),

-- One column for each measure; a stream that does not know it adds nothing.
events as (
  select
    date, seller_id,
    purchased, items, price, freight_value, canceled, unavailable,
    0 as approved,
    0 as handed_over, 0 as handover_missed, 0 as handling_seconds, 0 as handling_count,
    0 as delivered, 0 as delivered_late, 0 as delivery_seconds, 0 as delivery_count, 0 as delay_days, 0 as transit_seconds, 0 as transit_count,
    0 as due, 0 as due_missed,
    0 as reviews, 0 as review_score
  from purchases
  union all
  select
    date, seller_id,
    0, 0, cast(0 as decimal(22, 2)), cast(0 as decimal(22, 2)), 0, 0,
    approved,
    0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
    0, 0,
    0, 0
  from approvals
  union all
  select
    date, seller_id,
    0, 0, cast(0 as decimal(22, 2)), cast(0 as decimal(22, 2)), 0, 0,
    0,
    handed_over, handover_missed, handling_seconds, handling_count,
    0, 0, 0, 0, 0, 0, 0,
    0, 0,
    0, 0
  from handovers
  union all
  select
    date, seller_id,
    0, 0, cast(0 as decimal(22, 2)), cast(0 as decimal(22, 2)), 0, 0,
    0,
    0, 0, 0, 0,
    delivered, delivered_late, delivery_seconds, delivery_count, delay_days, transit_seconds, transit_count,
    0, 0,
    0, 0
  from arrivals
  union all
  select
    date, seller_id,
    0, 0, cast(0 as decimal(22, 2)), cast(0 as decimal(22, 2)), 0, 0,
    0,
    0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
    due, due_missed,
    0, 0
  from promises
  -- A promise is due once its day has ended.
  cross join as_of
  where promises.date < to_date(as_of.as_of)
  union all
  select
    date, seller_id,
    0, 0, cast(0 as decimal(22, 2)), cast(0 as decimal(22, 2)), 0, 0,
    0,
    0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
    0, 0,
    reviews, review_score
  from reviews_written
)

select
  date,
  seller_id,
  cast(coalesce(sum(purchased), 0) as bigint) as purchased,
  cast(coalesce(sum(items), 0) as bigint) as items,
  cast(coalesce(sum(price), 0) as decimal(22, 2)) as price,
  cast(coalesce(sum(freight_value), 0) as decimal(22, 2)) as freight_value,
  cast(coalesce(sum(canceled), 0) as bigint) as canceled,
  cast(coalesce(sum(unavailable), 0) as bigint) as unavailable,
  cast(coalesce(sum(approved), 0) as bigint) as approved,
  cast(coalesce(sum(handed_over), 0) as bigint) as handed_over,
  cast(coalesce(sum(handover_missed), 0) as bigint) as handover_missed,
  cast(coalesce(sum(handling_seconds), 0) as bigint) as handling_seconds,
  cast(coalesce(sum(handling_count), 0) as bigint) as handling_count,
  cast(coalesce(sum(delivered), 0) as bigint) as delivered,
  cast(coalesce(sum(delivered_late), 0) as bigint) as delivered_late,
  cast(coalesce(sum(delivery_seconds), 0) as bigint) as delivery_seconds,
  cast(coalesce(sum(delivery_count), 0) as bigint) as delivery_count,
  cast(coalesce(sum(delay_days), 0) as bigint) as delay_days,
  cast(coalesce(sum(transit_seconds), 0) as bigint) as transit_seconds,
  cast(coalesce(sum(transit_count), 0) as bigint) as transit_count,
  cast(coalesce(sum(due), 0) as bigint) as due,
  cast(coalesce(sum(due_missed), 0) as bigint) as due_missed,
  cast(coalesce(sum(reviews), 0) as bigint) as reviews,
  cast(coalesce(sum(review_score), 0) as bigint) as review_score,
  trunc(date, 'MM') as month
from events
group by date, seller_id
