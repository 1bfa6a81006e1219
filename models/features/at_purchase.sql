/*---
description = "What can be known of an order's delivery at the moment of its purchase: one row per order. Values of the order itself that are known by then, and what had happened to other orders before that second. Orders that are 60 days past their promise or 120 days old are given up and count no longer."
grain = ["order_id"]
write = "decisions"
partition = "purchase_month"
decision = "purchase"
history_days = 210
settled_days = 98
labels = "features.labels"
columns = [
  ["order_id", "STRING", "The order."],
  ["decided_at", "TIMESTAMP", "The moment of the decision: the purchase."],
  ["promise_days", "DOUBLE", "Days from the purchase to the end of the promised day.", "days", "order_estimated_delivery_date, order_purchase_timestamp"],
  ["days_off", "BIGINT", "Days on which carriers rest (weekends, national holidays) after the purchase date, up to the promised date.", "days", "purchase_date, order_estimated_delivery_date, calendar.date, calendar.is_working_day"],
  ["promise_weekday", "INT", "Weekday of the promised date, 1 = Monday to 7 = Sunday.", "weekday", "order_estimated_delivery_date, calendar.date, calendar.weekday"],
  ["purchase_weekday", "INT", "Weekday of the purchase, 1 = Monday to 7 = Sunday.", "weekday", "purchase_date, calendar.date, calendar.weekday"],
  ["purchase_hour", "INT", "Hour of the purchase, 0 to 23.", "hour", "order_purchase_timestamp"],
  ["is_peak_season", "BOOLEAN", "Bought in a retail peak season (Black Friday, Christmas and the like).", "yes or no", "purchase_date, calendar.date, calendar.is_peak_season"],
  ["distance_km", "DOUBLE", "Great-circle distance between the postal codes of customer and main seller.", "km", "distance_km"],
  ["km_per_promised_day", "DOUBLE", "Distance for each day of the promise.", "km per day", "distance_km, order_estimated_delivery_date, order_purchase_timestamp"],
  ["is_same_state", "BOOLEAN", "Whether the customer lives in the main seller's state.", "yes or no", "customer_state, seller_state"],
  ["customer_state", "STRING", "State of the delivery address.", "state", "customer_state"],
  ["seller_state", "STRING", "State of the main seller; none without items.", "state", "seller_state"],
  ["category", "STRING", "Category of the main item; none without items.", "category", "category"],
  ["n_items", "INT", "Number of items.", "items", "n_items"],
  ["n_sellers", "INT", "Number of different sellers.", "sellers", "n_sellers"],
  ["price", "DOUBLE", "Sum of the items' prices.", "reais", "price"],
  ["freight_value", "DOUBLE", "Sum of the items' freight.", "reais", "freight_value"],
  ["weight_g", "BIGINT", "Sum of the items' weights.", "grams", "weight_g"],
  ["volume_cm3", "BIGINT", "Sum of the items' volumes.", "cubic centimetres", "volume_cm3"],
  ["freight_per_km", "DOUBLE", "Freight for each kilometre, 50 added so that short ways do not explode.", "reais per km", "freight_value, distance_km"],
  ["freight_per_kg", "DOUBLE", "Freight for each kilogram, 200 g added.", "reais per kg", "freight_value, weight_g"],
  ["freight_per_price", "DOUBLE", "Freight as a share of the price, 5 reais added.", "share", "freight_value, price"],
  ["payment_type", "STRING", "Means of the largest payment.", "category", "payment_type"],
  ["payment_installments", "INT", "Most instalments among the payments.", "instalments", "payment_installments"],
  ["network_late_share_14d", "DOUBLE", "Of all orders delivered in the 14 days before, the share that came late.", "share", "is_late"],
  ["network_delivery_days_14d", "DOUBLE", "Of all orders delivered in the 14 days before, mean days from purchase to delivery.", "days", "order_delivered_customer_date, order_purchase_timestamp"],
  ["network_pace_14d", "DOUBLE", "Of all orders delivered in the 14 days before, the time that they took as a share of the time promised.", "share", "order_delivered_customer_date, order_estimated_delivery_date, order_purchase_timestamp"],
  ["network_due_missed_share_14d", "DOUBLE", "Of all orders whose promise ended in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_open_at_half_14d", "DOUBLE", "Of all orders for which half of the promised time ended in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_open_at_three_quarters_14d", "DOUBLE", "Of all orders for which three quarters of the promised time ended in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_slow_transit_share_14d", "DOUBLE", "Of all orders that had been a week in transit in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_handling_days_14d", "DOUBLE", "Of all orders handed over in the 14 days before, mean days from approval to hand-over.", "days", "handling_seconds"],
  ["network_slack_days", "DOUBLE", "Days that the promise leaves beyond what all orders lately took: promise_days - network_delivery_days_14d.", "days", "order_delivered_customer_date, order_purchase_timestamp, order_estimated_delivery_date"],
  ["network_open_days", "DOUBLE", "Of all orders that are open (bought, neither delivered nor given up), the mean age.", "days", "order_purchase_timestamp"],
  ["network_unshipped_days", "DOUBLE", "Of all orders that are open and not handed over yet, the mean age.", "days", "order_purchase_timestamp"],
  ["network_overdue_share", "DOUBLE", "Of all orders that are open, the share whose promise has passed.", "share", "order_delivered_customer_date"],
  ["network_growth", "DOUBLE", "Of all orders, how many were bought a day in the 7 days before, as a multiple of the 30 days before; 0.05 added to both.", "multiple", ""],
  ["network_flow", "DOUBLE", "Of all orders, how many were delivered in the 14 days before for each one bought; 3 added to both.", "multiple", ""],
  ["network_backlog", "DOUBLE", "Of all orders, how many are open for each one delivered in the 14 days before; 1 and 3 added.", "multiple", ""],
  ["state_pace_14d", "DOUBLE", "Of the orders to the customer's state delivered in the 14 days before, the time that they took as a share of the time promised; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, order_estimated_delivery_date, order_purchase_timestamp, customer_state"],
  ["state_due_missed_share_14d", "DOUBLE", "Of the orders to the customer's state whose promise ended in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_open_at_half_14d", "DOUBLE", "Of the orders to the customer's state for which half of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_open_at_three_quarters_14d", "DOUBLE", "Of the orders to the customer's state for which three quarters of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_slow_transit_share_14d", "DOUBLE", "Of the orders to the customer's state that had been a week in transit in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_late_share_30d", "DOUBLE", "Of the orders to the customer's state delivered in the 30 days before, the share that came late; where these are few, leaning on all orders.", "share", "is_late, customer_state"],
  ["state_delivery_days_30d", "DOUBLE", "Of the orders to the customer's state delivered in the 30 days before, mean days from purchase to delivery; where these are few, leaning on all orders.", "days", "order_delivered_customer_date, order_purchase_timestamp, customer_state"],
  ["state_transit_days_30d", "DOUBLE", "Of the orders to the customer's state delivered in the 30 days before, mean days from hand-over to delivery; where these are few, leaning on all orders.", "days", "transit_seconds, customer_state"],
  ["state_promise_days_30d", "DOUBLE", "Of the orders to the customer's state bought in the 30 days before, mean days promised; where these are few, leaning on all orders.", "days", "order_estimated_delivery_date, order_purchase_timestamp, customer_state"],
  ["state_slack_days", "DOUBLE", "Days that the promise leaves beyond what the orders to the customer's state lately took: promise_days - state_delivery_days_30d.", "days", "order_delivered_customer_date, order_purchase_timestamp, customer_state, order_estimated_delivery_date"],
  ["state_open_days", "DOUBLE", "Of the orders to the customer's state that are open (bought, neither delivered nor given up), the mean age.", "days", "order_purchase_timestamp, customer_state"],
  ["state_unshipped_days", "DOUBLE", "Of the orders to the customer's state that are open and not handed over yet, the mean age.", "days", "order_purchase_timestamp, customer_state"],
  ["state_overdue_share", "DOUBLE", "Of the orders to the customer's state that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, customer_state"],
  ["state_growth", "DOUBLE", "Of the orders to the customer's state, how many were bought a day in the 7 days before, as a multiple of the 30 days before; 0.05 added to both.", "multiple", "customer_state"],
  ["state_flow", "DOUBLE", "Of the orders to the customer's state, how many were delivered in the 14 days before for each one bought; 3 added to both.", "multiple", "customer_state"],
  ["state_backlog", "DOUBLE", "Of the orders to the customer's state, how many are open for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "customer_state"],
  ["route_pace_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) delivered in the 14 days before, the time that they took as a share of the time promised; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, order_estimated_delivery_date, order_purchase_timestamp, seller_state, customer_state"],
  ["route_due_missed_share_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) whose promise ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_open_at_half_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) for which half of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_open_at_three_quarters_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) for which three quarters of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_slow_transit_share_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that had been a week in transit in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_late_share_30d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) delivered in the 30 days before, the share that came late; where these are few, leaning on the orders to the customer's state.", "share", "is_late, seller_state, customer_state"],
  ["route_delivery_days_30d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) delivered in the 30 days before, mean days from purchase to delivery; where these are few, leaning on the orders to the customer's state.", "days", "order_delivered_customer_date, order_purchase_timestamp, seller_state, customer_state"],
  ["route_transit_days_30d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) delivered in the 30 days before, mean days from hand-over to delivery; where these are few, leaning on the orders to the customer's state.", "days", "transit_seconds, seller_state, customer_state"],
  ["route_promise_days_30d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) bought in the 30 days before, mean days promised; where these are few, leaning on the orders to the customer's state.", "days", "order_estimated_delivery_date, order_purchase_timestamp, seller_state, customer_state"],
  ["route_slack_days", "DOUBLE", "Days that the promise leaves beyond what the orders on the route (seller's state to customer's state) lately took: promise_days - route_delivery_days_30d.", "days", "order_delivered_customer_date, order_purchase_timestamp, seller_state, customer_state, order_estimated_delivery_date"],
  ["route_open_days", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that are open (bought, neither delivered nor given up), the mean age.", "days", "order_purchase_timestamp, seller_state, customer_state"],
  ["route_unshipped_days", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that are open and not handed over yet, the mean age.", "days", "order_purchase_timestamp, seller_state, customer_state"],
  ["route_overdue_share", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_growth", "DOUBLE", "Of the orders on the route (seller's state to customer's state), how many were bought a day in the 7 days before, as a multiple of the 30 days before; 0.05 added to both.", "multiple", "seller_state, customer_state"],
  ["route_flow", "DOUBLE", "Of the orders on the route (seller's state to customer's state), how many were delivered in the 14 days before for each one bought; 3 added to both.", "multiple", "seller_state, customer_state"],
  ["route_backlog", "DOUBLE", "Of the orders on the route (seller's state to customer's state), how many are open for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "seller_state, customer_state"],
  ["region_pace_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) delivered in the 14 days before, the time that they took as a share of the time promised; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, order_estimated_delivery_date, order_purchase_timestamp, customer_zip_code_prefix, customer_state"],
  ["region_due_missed_share_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) whose promise ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_open_at_half_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) for which half of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_open_at_three_quarters_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) for which three quarters of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_slow_transit_share_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that had been a week in transit in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_late_share_30d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) delivered in the 30 days before, the share that came late; where these are few, leaning on the orders to the customer's state.", "share", "is_late, customer_zip_code_prefix, customer_state"],
  ["region_delivery_days_30d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) delivered in the 30 days before, mean days from purchase to delivery; where these are few, leaning on the orders to the customer's state.", "days", "order_delivered_customer_date, order_purchase_timestamp, customer_zip_code_prefix, customer_state"],
  ["region_transit_days_30d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) delivered in the 30 days before, mean days from hand-over to delivery; where these are few, leaning on the orders to the customer's state.", "days", "transit_seconds, customer_zip_code_prefix, customer_state"],
  ["region_promise_days_30d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) bought in the 30 days before, mean days promised; where these are few, leaning on the orders to the customer's state.", "days", "order_estimated_delivery_date, order_purchase_timestamp, customer_zip_code_prefix, customer_state"],
  ["region_slack_days", "DOUBLE", "Days that the promise leaves beyond what the orders to the customer's zip region (first two digits) lately took: promise_days - region_delivery_days_30d.", "days", "order_delivered_customer_date, order_purchase_timestamp, customer_zip_code_prefix, customer_state, order_estimated_delivery_date"],
  ["region_open_days", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that are open (bought, neither delivered nor given up), the mean age.", "days", "order_purchase_timestamp, customer_zip_code_prefix"],
  ["region_unshipped_days", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that are open and not handed over yet, the mean age.", "days", "order_purchase_timestamp, customer_zip_code_prefix"],
  ["region_overdue_share", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, customer_zip_code_prefix"],
  ["region_growth", "DOUBLE", "Of the orders to the customer's zip region (first two digits), how many were bought a day in the 7 days before, as a multiple of the 30 days before; 0.05 added to both.", "multiple", "customer_zip_code_prefix"],
  ["region_flow", "DOUBLE", "Of the orders to the customer's zip region (first two digits), how many were delivered in the 14 days before for each one bought; 3 added to both.", "multiple", "customer_zip_code_prefix"],
  ["region_backlog", "DOUBLE", "Of the orders to the customer's zip region (first two digits), how many are open for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "customer_zip_code_prefix"],
  ["area_late_share_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) delivered in the 90 days before, the share that came late; where these are few, leaning on the orders to the customer's zip region.", "share", "is_late, customer_zip_code_prefix, customer_state"],
  ["area_delivery_days_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) delivered in the 90 days before, mean days from purchase to delivery; where these are few, leaning on the orders to the customer's zip region.", "days", "order_delivered_customer_date, order_purchase_timestamp, customer_zip_code_prefix, customer_state"],
  ["area_transit_days_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) delivered in the 90 days before, mean days from hand-over to delivery; where these are few, leaning on the orders to the customer's zip region.", "days", "transit_seconds, customer_zip_code_prefix, customer_state"],
  ["area_open_at_half_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) for which half of the promised time ended in the 90 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's zip region.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["area_slack_days", "DOUBLE", "Days that the promise leaves beyond what the orders to the customer's postal area (first three digits) lately took: promise_days - area_delivery_days_90d.", "days", "order_delivered_customer_date, order_purchase_timestamp, customer_zip_code_prefix, customer_state, order_estimated_delivery_date"],
  ["seller_handling_days_30d", "DOUBLE", "Of the seller's orders handed over in the 30 days before, mean days from approval to hand-over; where these are few, leaning on all orders.", "days", "handling_seconds, seller_id"],
  ["seller_handling_days_90d", "DOUBLE", "Of the seller's orders handed over in the 90 days before, mean days from approval to hand-over; where these are few, leaning on all orders.", "days", "handling_seconds, seller_id"],
  ["seller_missed_share_90d", "DOUBLE", "Of the seller's orders handed over in the 90 days before, the share handed over after the shipping limit; where these are few, leaning on all orders.", "share", "handover_missed, seller_id"],
  ["seller_slow_shipping_share_30d", "DOUBLE", "Of the seller's orders that were three days old in the 30 days before, the share not handed over by then; where these are few, leaning on all orders.", "share", "order_delivered_carrier_date, seller_id"],
  ["seller_pace_90d", "DOUBLE", "Of the seller's orders delivered in the 90 days before, the time that they took as a share of the time promised; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, order_estimated_delivery_date, order_purchase_timestamp, seller_id"],
  ["seller_late_share_90d", "DOUBLE", "Of the seller's orders delivered in the 90 days before, the share that came late; where these are few, leaning on all orders.", "share", "is_late, seller_id"],
  ["seller_open_days", "DOUBLE", "Of the seller's orders that are open (bought, neither delivered nor given up), the mean age.", "days", "order_purchase_timestamp, seller_id"],
  ["seller_unshipped_days", "DOUBLE", "Of the seller's orders that are open and not handed over yet, the mean age.", "days", "order_purchase_timestamp, seller_id"],
  ["seller_overdue_share", "DOUBLE", "Of the seller's orders that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, seller_id"],
  ["seller_growth", "DOUBLE", "Of the seller's orders, how many were bought a day in the 7 days before, as a multiple of the 30 days before; 0.05 added to both.", "multiple", "seller_id"],
  ["seller_flow", "DOUBLE", "Of the seller's orders, how many were delivered in the 14 days before for each one bought; 3 added to both.", "multiple", "seller_id"],
  ["seller_backlog", "DOUBLE", "Of the seller's orders, how many are open for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "seller_id"],
  ["buyer_purchased_90d", "BIGINT", "Orders that the buyer had bought in the 90 days before; NULL while the buyer is unknown.", "orders", "customer_unique_id"],
  ["buyer_late_90d", "BIGINT", "Of the buyer's orders delivered in the 90 days before, those that came late; NULL while the buyer is unknown.", "orders", "is_late, customer_unique_id"],
  ["label_is_late", "BOOLEAN", "Delivered after the promised day, or not yet when it ended. NULL before matured_at, and for canceled and unavailable orders."],
  ["label_delivery_days", "DOUBLE", "Days from purchase to delivery, a day being 86,400 seconds. NULL before matured_at and until delivered."],
  ["label_delay_days", "INT", "Days from the promised to the delivered date, negative = early. NULL before matured_at and until delivered."],
  ["matured_at", "TIMESTAMP", "When the labels can be known: the end of the promised day. Train on rows with matured_at up to the training day."],
  ["purchase_month", "DATE", "First day of the purchase month; the partition."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "decided_at", "matured_at", "purchase_month"] },
]
---*/
with deliveries as (
  select * from clean.deliveries
),

labels as (
  select * from features.labels
),

calendar as (
  select * from clean.calendar
),

-- Known time of an event = the later of it and the purchase. A day that was promised is over at its end.
moments as (
  select
    *,
    concat(seller_state, '>', customer_state) as route,
    substring(customer_zip_code_prefix, 1, 2) as zip_region,
    substring(customer_zip_code_prefix, 1, 3) as zip_area,
    unix_timestamp(order_purchase_timestamp) as purchased_at,
    case
      when order_approved_at is not null
        then unix_timestamp(greatest(order_approved_at, order_purchase_timestamp))
    end as approved_at,
    case
      when order_delivered_carrier_date is not null
        then unix_timestamp(greatest(order_delivered_carrier_date, order_purchase_timestamp))
    end as handed_over_at,
    case
      when order_delivered_customer_date is not null
        then unix_timestamp(greatest(order_delivered_customer_date, order_purchase_timestamp))
    end as delivered_at,
    greatest(
      unix_timestamp(order_estimated_delivery_date) + 86400,
      unix_timestamp(order_purchase_timestamp)
    ) as promise_ends_at
  from deliveries
),

-- An order that is 60 days past its promise, or 120 days old, is given up: whatever happens to it later is no news.
timed as (
  select
    *,
    least(promise_ends_at + 60 * 86400, purchased_at + 120 * 86400) as given_up_at,
    promise_ends_at - purchased_at as promise_seconds,
    purchased_at + 3 * 86400 as three_days_at,
    handed_over_at + 7 * 86400 as week_in_transit_at,
    greatest(purchased_at + cast((promise_ends_at - purchased_at) * 0.5e0 as bigint), purchased_at) as half_promise_at,
    greatest(purchased_at + cast((promise_ends_at - purchased_at) * 0.75e0 as bigint), purchased_at) as three_quarters_at
  from moments
),

-- What happens to an order, in the order of its knowledge: each at the moment from which it is known.
happened as (
  select *, 'bought' as event, purchased_at as moment from timed
  union all
  select *, 'handed over' as event, handed_over_at as moment from timed
  where handed_over_at < given_up_at and coalesce(delivered_at > handed_over_at, true)
  union all
  select *, 'delivered' as event, delivered_at as moment from timed
  where delivered_at <= given_up_at
  union all
  select *, 'given up' as event, given_up_at as moment from timed
  where coalesce(delivered_at > given_up_at, true)
  union all
  select *, 'promise over' as event, promise_ends_at as moment from timed
  where promise_ends_at <= given_up_at
  union all
  select *, 'half over' as event, half_promise_at as moment from timed
  where half_promise_at <= given_up_at
  union all
  select *, 'three quarters over' as event, three_quarters_at as moment from timed
  where three_quarters_at <= given_up_at
  union all
  select *, 'a week in transit' as event, week_in_transit_at as moment from timed
  where week_in_transit_at <= given_up_at
  union all
  select *, 'three days old' as event, three_days_at as moment from timed
  where three_days_at <= given_up_at
),

-- What each of it adds to the counts.
counted as (
  select
    order_id,
    case when event = 'bought' then order_purchase_timestamp end as decided_at,
    moment,
    purchased_at,
    customer_state, route, zip_region, zip_area, seller_id, customer_unique_id,
    cast(case when event = 'bought' then 1 else 0 end as bigint) as purchased,
    cast(case when event = 'bought' then promise_seconds else 0 end as bigint) as given_promise_seconds,
    cast(case event when 'bought' then 1 when 'delivered' then -1 when 'given up' then -1 else 0 end as bigint) as open,
    cast(case
      when event = 'bought' then 1
      when event = 'handed over' then -1
      when event in ('delivered', 'given up') and coalesce(handed_over_at >= moment, true) then -1
      else 0
    end as bigint) as unshipped,
    cast(case
      when event = 'promise over' and coalesce(delivered_at >= moment, true) then 1
      when event in ('delivered', 'given up') and promise_ends_at <= moment then -1
      else 0
    end as bigint) as overdue,
    cast(case when event = 'three days old' then 1 else 0 end as bigint) as three_days,
    cast(case when event = 'three days old' and coalesce(handed_over_at >= moment, true) then 1 else 0 end as bigint) as slow_shipping,
    cast(case when event = 'handed over' then 1 else 0 end as bigint) as handed_over,
    cast(case when event = 'handed over' and approved_at <= moment and handover_missed then 1 else 0 end as bigint) as missed,
    cast(case when event = 'handed over' and approved_at <= moment and handling_seconds is not null then 1 else 0 end as bigint) as handled,
    cast(case when event = 'handed over' and approved_at <= moment then coalesce(handling_seconds, 0) else 0 end as bigint) as handling_seconds,
    cast(case when event = 'a week in transit' then 1 else 0 end as bigint) as week_in_transit,
    cast(case when event = 'a week in transit' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as slow_transit,
    cast(case when event = 'half over' then 1 else 0 end as bigint) as half,
    cast(case when event = 'half over' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as half_open,
    cast(case when event = 'three quarters over' then 1 else 0 end as bigint) as three_quarters,
    cast(case when event = 'three quarters over' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as three_quarters_open,
    cast(case when event = 'promise over' then 1 else 0 end as bigint) as due,
    cast(case when event = 'promise over' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as due_missed,
    cast(case when event = 'delivered' then 1 else 0 end as bigint) as delivered,
    cast(case when event = 'delivered' and is_late then 1 else 0 end as bigint) as late,
    cast(case when event = 'delivered' then delivered_at - purchased_at else 0 end as bigint) as delivery_seconds,
    cast(case when event = 'delivered' then promise_seconds else 0 end as bigint) as promised_seconds,
    cast(case when event = 'delivered' and handed_over_at <= moment and transit_seconds is not null then 1 else 0 end as bigint) as transits,
    cast(case when event = 'delivered' and handed_over_at <= moment then coalesce(transit_seconds, 0) else 0 end as bigint) as transit_seconds
  from happened
),

-- Sums of moments give mean ages: now * count - sum of moments.
events as (
  select
    *,
    open * purchased_at as open_since,
    unshipped * purchased_at as unshipped_since
  from counted
),

past as (
  select
    order_id,
    decided_at,
    coalesce(sum(purchased) over network_7, 0) as network_purchased_7d,
    coalesce(sum(late) over network_14, 0) as network_late_14d,
    coalesce(sum(delivered) over network_14, 0) as network_delivered_14d,
    coalesce(sum(delivery_seconds) over network_14, 0) as network_delivery_seconds_14d,
    coalesce(sum(promised_seconds) over network_14, 0) as network_promised_seconds_14d,
    coalesce(sum(due_missed) over network_14, 0) as network_due_missed_14d,
    coalesce(sum(due) over network_14, 0) as network_due_14d,
    coalesce(sum(half_open) over network_14, 0) as network_half_open_14d,
    coalesce(sum(half) over network_14, 0) as network_half_14d,
    coalesce(sum(three_quarters_open) over network_14, 0) as network_three_quarters_open_14d,
    coalesce(sum(three_quarters) over network_14, 0) as network_three_quarters_14d,
    coalesce(sum(slow_transit) over network_14, 0) as network_slow_transit_14d,
    coalesce(sum(week_in_transit) over network_14, 0) as network_week_in_transit_14d,
    coalesce(sum(handling_seconds) over network_14, 0) as network_handling_seconds_14d,
    coalesce(sum(handled) over network_14, 0) as network_handled_14d,
    coalesce(sum(purchased) over network_14, 0) as network_purchased_14d,
    coalesce(sum(transit_seconds) over network_30, 0) as network_transit_seconds_30d,
    coalesce(sum(transits) over network_30, 0) as network_transits_30d,
    coalesce(sum(given_promise_seconds) over network_30, 0) as network_given_promise_seconds_30d,
    coalesce(sum(purchased) over network_30, 0) as network_purchased_30d,
    coalesce(sum(missed) over network_30, 0) as network_missed_30d,
    coalesce(sum(handed_over) over network_30, 0) as network_handed_over_30d,
    coalesce(sum(slow_shipping) over network_30, 0) as network_slow_shipping_30d,
    coalesce(sum(three_days) over network_30, 0) as network_three_days_30d,
    coalesce(sum(open) over network_ever, 0) as network_open,
    coalesce(sum(open_since) over network_ever, 0) as network_open_since,
    coalesce(sum(unshipped) over network_ever, 0) as network_unshipped,
    coalesce(sum(unshipped_since) over network_ever, 0) as network_unshipped_since,
    coalesce(sum(overdue) over network_ever, 0) as network_overdue,
    coalesce(sum(purchased) over state_7, 0) as state_purchased_7d,
    coalesce(sum(delivery_seconds) over state_14, 0) as state_delivery_seconds_14d,
    coalesce(sum(promised_seconds) over state_14, 0) as state_promised_seconds_14d,
    coalesce(sum(due_missed) over state_14, 0) as state_due_missed_14d,
    coalesce(sum(due) over state_14, 0) as state_due_14d,
    coalesce(sum(half_open) over state_14, 0) as state_half_open_14d,
    coalesce(sum(half) over state_14, 0) as state_half_14d,
    coalesce(sum(three_quarters_open) over state_14, 0) as state_three_quarters_open_14d,
    coalesce(sum(three_quarters) over state_14, 0) as state_three_quarters_14d,
    coalesce(sum(slow_transit) over state_14, 0) as state_slow_transit_14d,
    coalesce(sum(week_in_transit) over state_14, 0) as state_week_in_transit_14d,
    coalesce(sum(purchased) over state_14, 0) as state_purchased_14d,
    coalesce(sum(delivered) over state_14, 0) as state_delivered_14d,
    coalesce(sum(late) over state_30, 0) as state_late_30d,
    coalesce(sum(delivered) over state_30, 0) as state_delivered_30d,
    coalesce(sum(delivery_seconds) over state_30, 0) as state_delivery_seconds_30d,
    coalesce(sum(transit_seconds) over state_30, 0) as state_transit_seconds_30d,
    coalesce(sum(transits) over state_30, 0) as state_transits_30d,
    coalesce(sum(given_promise_seconds) over state_30, 0) as state_given_promise_seconds_30d,
    coalesce(sum(purchased) over state_30, 0) as state_purchased_30d,
    coalesce(sum(open) over state_ever, 0) as state_open,
    coalesce(sum(open_since) over state_ever, 0) as state_open_since,
    coalesce(sum(unshipped) over state_ever, 0) as state_unshipped,
    coalesce(sum(unshipped_since) over state_ever, 0) as state_unshipped_since,
    coalesce(sum(overdue) over state_ever, 0) as state_overdue,
    coalesce(sum(purchased) over route_7, 0) as route_purchased_7d,
    coalesce(sum(delivery_seconds) over route_14, 0) as route_delivery_seconds_14d,
    coalesce(sum(promised_seconds) over route_14, 0) as route_promised_seconds_14d,
    coalesce(sum(due_missed) over route_14, 0) as route_due_missed_14d,
    coalesce(sum(due) over route_14, 0) as route_due_14d,
    coalesce(sum(half_open) over route_14, 0) as route_half_open_14d,
    coalesce(sum(half) over route_14, 0) as route_half_14d,
    coalesce(sum(three_quarters_open) over route_14, 0) as route_three_quarters_open_14d,
    coalesce(sum(three_quarters) over route_14, 0) as route_three_quarters_14d,
    coalesce(sum(slow_transit) over route_14, 0) as route_slow_transit_14d,
    coalesce(sum(week_in_transit) over route_14, 0) as route_week_in_transit_14d,
    coalesce(sum(purchased) over route_14, 0) as route_purchased_14d,
    coalesce(sum(delivered) over route_14, 0) as route_delivered_14d,
    coalesce(sum(late) over route_30, 0) as route_late_30d,
    coalesce(sum(delivered) over route_30, 0) as route_delivered_30d,
    coalesce(sum(delivery_seconds) over route_30, 0) as route_delivery_seconds_30d,
    coalesce(sum(transit_seconds) over route_30, 0) as route_transit_seconds_30d,
    coalesce(sum(transits) over route_30, 0) as route_transits_30d,
    coalesce(sum(given_promise_seconds) over route_30, 0) as route_given_promise_seconds_30d,
    coalesce(sum(purchased) over route_30, 0) as route_purchased_30d,
    coalesce(sum(open) over route_ever, 0) as route_open,
    coalesce(sum(open_since) over route_ever, 0) as route_open_since,
    coalesce(sum(unshipped) over route_ever, 0) as route_unshipped,
    coalesce(sum(unshipped_since) over route_ever, 0) as route_unshipped_since,
    coalesce(sum(overdue) over route_ever, 0) as route_overdue,
    coalesce(sum(purchased) over region_7, 0) as region_purchased_7d,
    coalesce(sum(delivery_seconds) over region_14, 0) as region_delivery_seconds_14d,
    coalesce(sum(promised_seconds) over region_14, 0) as region_promised_seconds_14d,
    coalesce(sum(due_missed) over region_14, 0) as region_due_missed_14d,
    coalesce(sum(due) over region_14, 0) as region_due_14d,
    coalesce(sum(half_open) over region_14, 0) as region_half_open_14d,
    coalesce(sum(half) over region_14, 0) as region_half_14d,
    coalesce(sum(three_quarters_open) over region_14, 0) as region_three_quarters_open_14d,
    coalesce(sum(three_quarters) over region_14, 0) as region_three_quarters_14d,
    coalesce(sum(slow_transit) over region_14, 0) as region_slow_transit_14d,
    coalesce(sum(week_in_transit) over region_14, 0) as region_week_in_transit_14d,
    coalesce(sum(purchased) over region_14, 0) as region_purchased_14d,
    coalesce(sum(delivered) over region_14, 0) as region_delivered_14d,
    coalesce(sum(late) over region_30, 0) as region_late_30d,
    coalesce(sum(delivered) over region_30, 0) as region_delivered_30d,
    coalesce(sum(delivery_seconds) over region_30, 0) as region_delivery_seconds_30d,
    coalesce(sum(transit_seconds) over region_30, 0) as region_transit_seconds_30d,
    coalesce(sum(transits) over region_30, 0) as region_transits_30d,
    coalesce(sum(given_promise_seconds) over region_30, 0) as region_given_promise_seconds_30d,
    coalesce(sum(purchased) over region_30, 0) as region_purchased_30d,
    coalesce(sum(open) over region_ever, 0) as region_open,
    coalesce(sum(open_since) over region_ever, 0) as region_open_since,
    coalesce(sum(unshipped) over region_ever, 0) as region_unshipped,
    coalesce(sum(unshipped_since) over region_ever, 0) as region_unshipped_since,
    coalesce(sum(overdue) over region_ever, 0) as region_overdue,
    coalesce(sum(late) over area_90, 0) as area_late_90d,
    coalesce(sum(delivered) over area_90, 0) as area_delivered_90d,
    coalesce(sum(delivery_seconds) over area_90, 0) as area_delivery_seconds_90d,
    coalesce(sum(transit_seconds) over area_90, 0) as area_transit_seconds_90d,
    coalesce(sum(transits) over area_90, 0) as area_transits_90d,
    coalesce(sum(half_open) over area_90, 0) as area_half_open_90d,
    coalesce(sum(half) over area_90, 0) as area_half_90d,
    coalesce(sum(purchased) over seller_7, 0) as seller_purchased_7d,
    coalesce(sum(purchased) over seller_14, 0) as seller_purchased_14d,
    coalesce(sum(delivered) over seller_14, 0) as seller_delivered_14d,
    coalesce(sum(handling_seconds) over seller_30, 0) as seller_handling_seconds_30d,
    coalesce(sum(handled) over seller_30, 0) as seller_handled_30d,
    coalesce(sum(slow_shipping) over seller_30, 0) as seller_slow_shipping_30d,
    coalesce(sum(three_days) over seller_30, 0) as seller_three_days_30d,
    coalesce(sum(purchased) over seller_30, 0) as seller_purchased_30d,
    coalesce(sum(handling_seconds) over seller_90, 0) as seller_handling_seconds_90d,
    coalesce(sum(handled) over seller_90, 0) as seller_handled_90d,
    coalesce(sum(missed) over seller_90, 0) as seller_missed_90d,
    coalesce(sum(handed_over) over seller_90, 0) as seller_handed_over_90d,
    coalesce(sum(delivery_seconds) over seller_90, 0) as seller_delivery_seconds_90d,
    coalesce(sum(promised_seconds) over seller_90, 0) as seller_promised_seconds_90d,
    coalesce(sum(late) over seller_90, 0) as seller_late_90d,
    coalesce(sum(delivered) over seller_90, 0) as seller_delivered_90d,
    coalesce(sum(open) over seller_ever, 0) as seller_open,
    coalesce(sum(open_since) over seller_ever, 0) as seller_open_since,
    coalesce(sum(unshipped) over seller_ever, 0) as seller_unshipped,
    coalesce(sum(unshipped_since) over seller_ever, 0) as seller_unshipped_since,
    coalesce(sum(overdue) over seller_ever, 0) as seller_overdue,
    coalesce(sum(purchased) over buyer_90, 0) as buyer_purchased_90d,
    coalesce(sum(late) over buyer_90, 0) as buyer_late_90d
  from events
  window
    network_7 as (order by moment range between 604800 preceding and 1 preceding),
    network_14 as (order by moment range between 1209600 preceding and 1 preceding),
    network_30 as (order by moment range between 2592000 preceding and 1 preceding),
    network_ever as (order by moment range between unbounded preceding and 1 preceding),
    state_7 as (partition by customer_state order by moment range between 604800 preceding and 1 preceding),
    state_14 as (partition by customer_state order by moment range between 1209600 preceding and 1 preceding),
    state_30 as (partition by customer_state order by moment range between 2592000 preceding and 1 preceding),
    state_ever as (partition by customer_state order by moment range between unbounded preceding and 1 preceding),
    route_7 as (partition by route order by moment range between 604800 preceding and 1 preceding),
    route_14 as (partition by route order by moment range between 1209600 preceding and 1 preceding),
    route_30 as (partition by route order by moment range between 2592000 preceding and 1 preceding),
    route_ever as (partition by route order by moment range between unbounded preceding and 1 preceding),
    region_7 as (partition by zip_region order by moment range between 604800 preceding and 1 preceding),
    region_14 as (partition by zip_region order by moment range between 1209600 preceding and 1 preceding),
    region_30 as (partition by zip_region order by moment range between 2592000 preceding and 1 preceding),
    region_ever as (partition by zip_region order by moment range between unbounded preceding and 1 preceding),
    area_90 as (partition by zip_area order by moment range between 7776000 preceding and 1 preceding),
    seller_7 as (partition by seller_id order by moment range between 604800 preceding and 1 preceding),
    seller_14 as (partition by seller_id order by moment range between 1209600 preceding and 1 preceding),
    seller_30 as (partition by seller_id order by moment range between 2592000 preceding and 1 preceding),
    seller_90 as (partition by seller_id order by moment range between 7776000 preceding and 1 preceding),
    seller_ever as (partition by seller_id order by moment range between unbounded preceding and 1 preceding),
    buyer_90 as (partition by customer_unique_id order by moment range between 7776000 preceding and 1 preceding)
),

-- A rate of few is drawn towards that of the larger group to which they belong, as if some more of its orders had been
-- seen: (sum + weight * rate of the larger) / (count + weight).
network_rates as (
  select
    *,
    cast(network_late_14d as double) / nullif(network_delivered_14d, 0) as network_late_share_14d,
    cast(network_delivery_seconds_14d as double) / nullif(network_delivered_14d, 0) / 86400 as network_delivery_days_14d,
    cast(network_delivery_seconds_14d as double) / nullif(network_promised_seconds_14d, 0) as network_pace_14d,
    cast(network_due_missed_14d as double) / nullif(network_due_14d, 0) as network_due_missed_share_14d,
    cast(network_half_open_14d as double) / nullif(network_half_14d, 0) as network_open_at_half_14d,
    cast(network_three_quarters_open_14d as double) / nullif(network_three_quarters_14d, 0) as network_open_at_three_quarters_14d,
    cast(network_slow_transit_14d as double) / nullif(network_week_in_transit_14d, 0) as network_slow_transit_share_14d,
    cast(network_handling_seconds_14d as double) / nullif(network_handled_14d, 0) / 86400 as network_handling_days_14d,
    cast(network_transit_seconds_30d as double) / nullif(network_transits_30d, 0) / 86400 as network_transit_days_30d,
    cast(network_given_promise_seconds_30d as double) / nullif(network_purchased_30d, 0) / 86400 as network_promise_days_30d,
    cast(network_missed_30d as double) / nullif(network_handed_over_30d, 0) as network_missed_share_30d,
    cast(network_slow_shipping_30d as double) / nullif(network_three_days_30d, 0) as network_slow_shipping_share_30d
  from past
),

state_rates as (
  select
    *,
    (state_delivery_seconds_14d + 17280000 * network_pace_14d) / (state_promised_seconds_14d + 17280000) as state_pace_14d,
    (state_due_missed_14d + 20 * network_due_missed_share_14d) / (state_due_14d + 20) as state_due_missed_share_14d,
    (state_half_open_14d + 15 * network_open_at_half_14d) / (state_half_14d + 15) as state_open_at_half_14d,
    (state_three_quarters_open_14d + 15 * network_open_at_three_quarters_14d) / (state_three_quarters_14d + 15) as state_open_at_three_quarters_14d,
    (state_slow_transit_14d + 10 * network_slow_transit_share_14d) / (state_week_in_transit_14d + 10) as state_slow_transit_share_14d,
    (state_late_30d + 20 * network_late_share_14d) / (state_delivered_30d + 20) as state_late_share_30d,
    (cast(state_delivery_seconds_30d as double) / 86400 + 10 * network_delivery_days_14d) / (state_delivered_30d + 10) as state_delivery_days_30d,
    (cast(state_transit_seconds_30d as double) / 86400 + 10 * network_transit_days_30d) / (state_transits_30d + 10) as state_transit_days_30d,
    (cast(state_given_promise_seconds_30d as double) / 86400 + 10 * network_promise_days_30d) / (state_purchased_30d + 10) as state_promise_days_30d,
    (cast(seller_handling_seconds_30d as double) / 86400 + 5 * network_handling_days_14d) / (seller_handled_30d + 5) as seller_handling_days_30d,
    (cast(seller_handling_seconds_90d as double) / 86400 + 5 * network_handling_days_14d) / (seller_handled_90d + 5) as seller_handling_days_90d,
    (seller_missed_90d + 10 * network_missed_share_30d) / (seller_handed_over_90d + 10) as seller_missed_share_90d,
    (seller_slow_shipping_30d + 5 * network_slow_shipping_share_30d) / (seller_three_days_30d + 5) as seller_slow_shipping_share_30d,
    (seller_delivery_seconds_90d + 17280000 * network_pace_14d) / (seller_promised_seconds_90d + 17280000) as seller_pace_90d,
    (seller_late_90d + 20 * network_late_share_14d) / (seller_delivered_90d + 20) as seller_late_share_90d
  from network_rates
),

region_rates as (
  select
    *,
    (route_delivery_seconds_14d + 17280000 * state_pace_14d) / (route_promised_seconds_14d + 17280000) as route_pace_14d,
    (route_due_missed_14d + 20 * state_due_missed_share_14d) / (route_due_14d + 20) as route_due_missed_share_14d,
    (route_half_open_14d + 15 * state_open_at_half_14d) / (route_half_14d + 15) as route_open_at_half_14d,
    (route_three_quarters_open_14d + 15 * state_open_at_three_quarters_14d) / (route_three_quarters_14d + 15) as route_open_at_three_quarters_14d,
    (route_slow_transit_14d + 10 * state_slow_transit_share_14d) / (route_week_in_transit_14d + 10) as route_slow_transit_share_14d,
    (route_late_30d + 20 * state_late_share_30d) / (route_delivered_30d + 20) as route_late_share_30d,
    (cast(route_delivery_seconds_30d as double) / 86400 + 10 * state_delivery_days_30d) / (route_delivered_30d + 10) as route_delivery_days_30d,
    (cast(route_transit_seconds_30d as double) / 86400 + 10 * state_transit_days_30d) / (route_transits_30d + 10) as route_transit_days_30d,
    (cast(route_given_promise_seconds_30d as double) / 86400 + 10 * state_promise_days_30d) / (route_purchased_30d + 10) as route_promise_days_30d,
    (region_delivery_seconds_14d + 17280000 * state_pace_14d) / (region_promised_seconds_14d + 17280000) as region_pace_14d,
    (region_due_missed_14d + 20 * state_due_missed_share_14d) / (region_due_14d + 20) as region_due_missed_share_14d,
    (region_half_open_14d + 15 * state_open_at_half_14d) / (region_half_14d + 15) as region_open_at_half_14d,
    (region_three_quarters_open_14d + 15 * state_open_at_three_quarters_14d) / (region_three_quarters_14d + 15) as region_open_at_three_quarters_14d,
    (region_slow_transit_14d + 10 * state_slow_transit_share_14d) / (region_week_in_transit_14d + 10) as region_slow_transit_share_14d,
    (region_late_30d + 20 * state_late_share_30d) / (region_delivered_30d + 20) as region_late_share_30d,
    (cast(region_delivery_seconds_30d as double) / 86400 + 10 * state_delivery_days_30d) / (region_delivered_30d + 10) as region_delivery_days_30d,
    (cast(region_transit_seconds_30d as double) / 86400 + 10 * state_transit_days_30d) / (region_transits_30d + 10) as region_transit_days_30d,
    (cast(region_given_promise_seconds_30d as double) / 86400 + 10 * state_promise_days_30d) / (region_purchased_30d + 10) as region_promise_days_30d
  from state_rates
),

rates as (
  select
    *,
    (area_late_90d + 20 * region_late_share_30d) / (area_delivered_90d + 20) as area_late_share_90d,
    (cast(area_delivery_seconds_90d as double) / 86400 + 10 * region_delivery_days_30d) / (area_delivered_90d + 10) as area_delivery_days_90d,
    (cast(area_transit_seconds_90d as double) / 86400 + 10 * region_transit_days_30d) / (area_transits_90d + 10) as area_transit_days_90d,
    (area_half_open_90d + 15 * region_open_at_half_14d) / (area_half_90d + 15) as area_open_at_half_90d
  from region_rates
),

days as (
  select
    date,
    weekday,
    is_peak_season,
    sum(case when is_working_day then 0 else 1 end)
      over (order by date rows between unbounded preceding and current row) as days_off
  from calendar
)

select
  rates.order_id,
  rates.decided_at,
  cast(orders.promise_seconds as double) / 86400 as promise_days,
  promised.days_off - bought.days_off as days_off,
  promised.weekday as promise_weekday,
  bought.weekday as purchase_weekday,
  hour(orders.order_purchase_timestamp) as purchase_hour,
  bought.is_peak_season, orders.distance_km,
  orders.distance_km * 86400 / nullif(orders.promise_seconds, 0) as km_per_promised_day,
  orders.seller_state = orders.customer_state as is_same_state,
  orders.customer_state, orders.seller_state, orders.category, orders.n_items, orders.n_sellers,
  cast(orders.price as double) as price,
  cast(orders.freight_value as double) as freight_value,
  orders.weight_g, orders.volume_cm3,
  cast(orders.freight_value as double) / (orders.distance_km + 50) as freight_per_km,
  cast(orders.freight_value as double) * 1000 / (orders.weight_g + 200) as freight_per_kg,
  cast(orders.freight_value as double) / (cast(orders.price as double) + 5) as freight_per_price,
  orders.payment_type, orders.payment_installments, rates.network_late_share_14d,
  rates.network_delivery_days_14d, rates.network_pace_14d, rates.network_due_missed_share_14d,
  rates.network_open_at_half_14d, rates.network_open_at_three_quarters_14d,
  rates.network_slow_transit_share_14d, rates.network_handling_days_14d,
  cast(orders.promise_seconds as double) / 86400 - rates.network_delivery_days_14d as network_slack_days,
  (cast(rates.network_open as double) * orders.purchased_at - rates.network_open_since) / nullif(rates.network_open, 0) / 86400 as network_open_days,
  (cast(rates.network_unshipped as double) * orders.purchased_at - rates.network_unshipped_since) / nullif(rates.network_unshipped, 0) / 86400 as network_unshipped_days,
  cast(rates.network_overdue as double) / nullif(rates.network_open, 0) as network_overdue_share,
  (rates.network_purchased_7d / cast(7 as double) + 0.05e0) / (rates.network_purchased_30d / cast(30 as double) + 0.05e0) as network_growth,
  cast(rates.network_delivered_14d + 3 as double) / (rates.network_purchased_14d + 3) as network_flow,
  cast(rates.network_open + 1 as double) / (rates.network_delivered_14d + 3) as network_backlog,
  rates.state_pace_14d, rates.state_due_missed_share_14d, rates.state_open_at_half_14d,
  rates.state_open_at_three_quarters_14d, rates.state_slow_transit_share_14d, rates.state_late_share_30d,
  rates.state_delivery_days_30d, rates.state_transit_days_30d, rates.state_promise_days_30d,
  cast(orders.promise_seconds as double) / 86400 - rates.state_delivery_days_30d as state_slack_days,
  (cast(rates.state_open as double) * orders.purchased_at - rates.state_open_since) / nullif(rates.state_open, 0) / 86400 as state_open_days,
  (cast(rates.state_unshipped as double) * orders.purchased_at - rates.state_unshipped_since) / nullif(rates.state_unshipped, 0) / 86400 as state_unshipped_days,
  cast(rates.state_overdue as double) / nullif(rates.state_open, 0) as state_overdue_share,
  (rates.state_purchased_7d / cast(7 as double) + 0.05e0) / (rates.state_purchased_30d / cast(30 as double) + 0.05e0) as state_growth,
  cast(rates.state_delivered_14d + 3 as double) / (rates.state_purchased_14d + 3) as state_flow,
  cast(rates.state_open + 1 as double) / (rates.state_delivered_14d + 3) as state_backlog,
  rates.route_pace_14d, rates.route_due_missed_share_14d, rates.route_open_at_half_14d,
  rates.route_open_at_three_quarters_14d, rates.route_slow_transit_share_14d, rates.route_late_share_30d,
  rates.route_delivery_days_30d, rates.route_transit_days_30d, rates.route_promise_days_30d,
  cast(orders.promise_seconds as double) / 86400 - rates.route_delivery_days_30d as route_slack_days,
  (cast(rates.route_open as double) * orders.purchased_at - rates.route_open_since) / nullif(rates.route_open, 0) / 86400 as route_open_days,
  (cast(rates.route_unshipped as double) * orders.purchased_at - rates.route_unshipped_since) / nullif(rates.route_unshipped, 0) / 86400 as route_unshipped_days,
  cast(rates.route_overdue as double) / nullif(rates.route_open, 0) as route_overdue_share,
  (rates.route_purchased_7d / cast(7 as double) + 0.05e0) / (rates.route_purchased_30d / cast(30 as double) + 0.05e0) as route_growth,
  cast(rates.route_delivered_14d + 3 as double) / (rates.route_purchased_14d + 3) as route_flow,
  cast(rates.route_open + 1 as double) / (rates.route_delivered_14d + 3) as route_backlog,
  rates.region_pace_14d, rates.region_due_missed_share_14d, rates.region_open_at_half_14d,
  rates.region_open_at_three_quarters_14d, rates.region_slow_transit_share_14d, rates.region_late_share_30d,
  rates.region_delivery_days_30d, rates.region_transit_days_30d, rates.region_promise_days_30d,
  cast(orders.promise_seconds as double) / 86400 - rates.region_delivery_days_30d as region_slack_days,
  (cast(rates.region_open as double) * orders.purchased_at - rates.region_open_since) / nullif(rates.region_open, 0) / 86400 as region_open_days,
  (cast(rates.region_unshipped as double) * orders.purchased_at - rates.region_unshipped_since) / nullif(rates.region_unshipped, 0) / 86400 as region_unshipped_days,
  cast(rates.region_overdue as double) / nullif(rates.region_open, 0) as region_overdue_share,
  (rates.region_purchased_7d / cast(7 as double) + 0.05e0) / (rates.region_purchased_30d / cast(30 as double) + 0.05e0) as region_growth,
  cast(rates.region_delivered_14d + 3 as double) / (rates.region_purchased_14d + 3) as region_flow,
  cast(rates.region_open + 1 as double) / (rates.region_delivered_14d + 3) as region_backlog,
  rates.area_late_share_90d, rates.area_delivery_days_90d, rates.area_transit_days_90d,
  rates.area_open_at_half_90d,
  cast(orders.promise_seconds as double) / 86400 - rates.area_delivery_days_90d as area_slack_days,
  rates.seller_handling_days_30d, rates.seller_handling_days_90d, rates.seller_missed_share_90d,
  rates.seller_slow_shipping_share_30d, rates.seller_pace_90d, rates.seller_late_share_90d,
  (cast(rates.seller_open as double) * orders.purchased_at - rates.seller_open_since) / nullif(rates.seller_open, 0) / 86400 as seller_open_days,
  (cast(rates.seller_unshipped as double) * orders.purchased_at - rates.seller_unshipped_since) / nullif(rates.seller_unshipped, 0) / 86400 as seller_unshipped_days,
  cast(rates.seller_overdue as double) / nullif(rates.seller_open, 0) as seller_overdue_share,
  (rates.seller_purchased_7d / cast(7 as double) + 0.05e0) / (rates.seller_purchased_30d / cast(30 as double) + 0.05e0) as seller_growth,
  cast(rates.seller_delivered_14d + 3 as double) / (rates.seller_purchased_14d + 3) as seller_flow,
  cast(rates.seller_open + 1 as double) / (rates.seller_delivered_14d + 3) as seller_backlog,
  case when orders.customer_unique_id is not null then rates.buyer_purchased_90d end as buyer_purchased_90d,
  case when orders.customer_unique_id is not null then rates.buyer_late_90d end as buyer_late_90d,
  labels.label_is_late,
  labels.label_delivery_days,
  labels.label_delay_days,
  labels.matured_at,
  orders.purchase_month
from timed as orders
inner join rates on orders.order_id = rates.order_id
left join labels on orders.order_id = labels.order_id
left join days as bought on orders.purchase_date = bought.date
left join days as promised on to_date(orders.order_estimated_delivery_date) = promised.date
where rates.decided_at is not null
