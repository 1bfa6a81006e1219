//! How things go together.

use super::{Chapter, Question, relation};

pub(super) const CHAPTER: Chapter =
    Chapter { name: "relations", title: "How things go together", questions: &RELATIONS };

const RELATIONS: [Question; 26] = [
    relation(
        "price_weight",
        "price – weight",
        "items",
        "
select price as x, product_weight_g as y
from shipments
inner join clean.products on shipments.product_id = products.product_id
where product_weight_g > 0",
    ),
    relation(
        "weight_freight",
        "weight – freight",
        "items",
        "
select product_weight_g as x, freight_value as y
from shipments
inner join clean.products on shipments.product_id = products.product_id
where product_weight_g > 0 and freight_value > 0",
    ),
    relation(
        "weight_volume",
        "weight – volume",
        "items",
        "
select product_weight_g as x, cast(product_length_cm as double) * product_height_cm * product_width_cm as y
from shipments
inner join clean.products on shipments.product_id = products.product_id
where product_weight_g > 0",
    ),
    relation(
        "price_freight",
        "price – freight",
        "items",
        "select price as x, freight_value as y from shipments where freight_value > 0",
    ),
    relation(
        "distance_freight",
        "distance – freight",
        "orders of one item",
        "select distance_km as x, freight_value as y from deliveries where n_items = 1 and freight_value > 0",
    ),
    relation(
        "price_payment",
        "price – amount paid",
        "orders",
        "select price as x, payment_value as y from deliveries",
    ),
    relation(
        "payment_installments",
        "amount – instalments",
        "credit card payments",
        "
select payment_value as x, payment_installments as y
from order_payments
where payment_type = 'credit_card' and payment_installments > 0",
    ),
    relation(
        "distance_transit",
        "distance – transit",
        "deliveries",
        "select distance_km as x, transit_seconds as y from deliveries",
    ),
    relation(
        "distance_promise",
        "distance – promised days",
        "orders",
        "select distance_km as x, promised_days as y from deliveries",
    ),
    relation(
        "distance_delay",
        "distance – delay",
        "deliveries",
        "select distance_km as x, delay_days as y from deliveries",
    ),
    relation(
        "promise_transit",
        "promised days – transit",
        "deliveries",
        "select promised_days as x, transit_seconds as y from deliveries",
    ),
    relation(
        "handling_transit",
        "handling – transit",
        "deliveries",
        "select handling_seconds as x, transit_seconds as y from deliveries",
    ),
    relation(
        "handling_limit",
        "handling – time allowed for it",
        "hand-overs",
        "
select handling_seconds as x, unix_timestamp(shipping_limit_date) - unix_timestamp(order_approved_at) as y
from deliveries",
    ),
    relation(
        "handling_delay",
        "handling – delay",
        "deliveries",
        "select handling_seconds as x, delay_days as y from deliveries",
    ),
    relation(
        "transit_delay",
        "transit – delay",
        "deliveries",
        "select transit_seconds as x, delay_days as y from deliveries",
    ),
    relation(
        "weight_transit",
        "weight – transit",
        "deliveries of one item",
        "
select product_weight_g as x, transit_seconds as y
from deliveries
inner join shipments on deliveries.order_id = shipments.order_id
inner join clean.products on shipments.product_id = products.product_id
where n_items = 1 and product_weight_g > 0",
    ),
    relation(
        "delay_score",
        "delay – score",
        "deliveries",
        "select delay_days as x, review_score as y from deliveries",
    ),
    relation(
        "delivery_score",
        "delivery days – score",
        "deliveries",
        "select delivery_days as x, review_score as y from deliveries",
    ),
    relation(
        "items_score",
        "items – score",
        "orders",
        "select n_items as x, review_score as y from deliveries where n_items > 0",
    ),
    relation(
        "score_answer",
        "score – time until the answer",
        "reviews",
        "
select review_score as x, unix_timestamp(review_answer_timestamp) - unix_timestamp(review_creation_date) as y
from order_reviews",
    ),
    // Days on which enough is handed over that their mean says something.
    relation(
        "load_transit",
        "orders of the last week – transit",
        "days",
        "
select orders_last_week / cast(days_last_week as double) / (orders_last_weeks / cast(days_last_weeks as double)) as x, transit as y
from (
  select
    purchase_date,
    sum(n_orders) over (order by purchase_date rows between 6 preceding and current row) as orders_last_week,
    count(*) over (order by purchase_date rows between 6 preceding and current row) as days_last_week,
    sum(n_orders) over (order by purchase_date rows between 55 preceding and current row) as orders_last_weeks,
    count(*) over (order by purchase_date rows between 55 preceding and current row) as days_last_weeks
  from (select purchase_date, count(*) as n_orders from orders group by purchase_date) as by_day
) as loads
inner join (
  select to_date(order_delivered_carrier_date) as handed_over, avg(ln(transit_seconds)) as transit
  from deliveries
  where transit_seconds > 0
  group by to_date(order_delivered_carrier_date)
  having count(*) >= 20
) as transits on loads.purchase_date = transits.handed_over",
    ),
    relation(
        "late_day_after",
        "late share of a day – of the day after",
        "days of purchase",
        "
select late_share as x, lag(late_share) over (order by purchase_date) as y
from (
  select purchase_date, avg(case when is_late then 1.0 else 0.0 end) as late_share
  from deliveries
  where is_late is not null
  group by purchase_date
  having count(*) >= 20
) as days",
    ),
    // A seller's own habit: every other order against the rest.
    relation(
        "handling_habit",
        "a seller’s handling – its other half",
        "sellers of twenty orders",
        "
select
  avg(case when half = 0 then amount end) as x,
  avg(case when half = 1 then amount end) as y
from (
  select
    seller_id,
    ln(handling_seconds) as amount,
    row_number() over (partition by seller_id order by order_purchase_timestamp, order_id) % 2 as half
  from deliveries
  where handling_seconds > 0
) as halves
group by seller_id
having count(*) >= 20",
    ),
    relation(
        "late_habit",
        "a seller’s late share – its other half",
        "sellers of twenty deliveries",
        "
select
  avg(case when half = 0 then amount end) as x,
  avg(case when half = 1 then amount end) as y
from (
  select
    seller_id,
    case when is_late then 1.0 else 0.0 end as amount,
    row_number() over (partition by seller_id order by order_purchase_timestamp, order_id) % 2 as half
  from deliveries
  where is_late is not null
) as halves
group by seller_id
having count(*) >= 20",
    ),
    relation(
        "price_habit",
        "a seller’s prices – their other half",
        "sellers of twenty items",
        "
select
  avg(case when half = 0 then amount end) as x,
  avg(case when half = 1 then amount end) as y
from (
  select
    seller_id,
    ln(price) as amount,
    row_number() over (partition by seller_id order by order_id, order_item_id) % 2 as half
  from shipments
  where price > 0
) as halves
group by seller_id
having count(*) >= 20",
    ),
    relation(
        "score_habit",
        "a seller’s scores – their other half",
        "sellers of twenty reviews",
        "
select
  avg(case when half = 0 then amount end) as x,
  avg(case when half = 1 then amount end) as y
from (
  select
    seller_id,
    cast(review_score as double) as amount,
    row_number() over (partition by seller_id order by order_purchase_timestamp, order_id) % 2 as half
  from deliveries
  where review_score is not null
) as halves
group by seller_id
having count(*) >= 20",
    ),
];
