/*---
description = "What can be known of an order's delivery at the moment it is handed to the carrier: one row per order handed over within 120 days of its purchase. Approval, shipping limit and hand-over are known by then, and what had happened to other orders before that second."
grain = ["order_id"]
write = "decisions"
partition = "purchase_month"
decision = "handover"
history_days = 210
settled_days = 98
labels = "features.labels"
columns = [
  ["order_id", "STRING", "The order."],
  ["decided_at", "TIMESTAMP", "The moment of the decision: the hand-over to the carrier, never before the purchase."],
  ["days_left", "DOUBLE", "Days from the hand-over to the end of the promised day; negative when it has passed.", "days", "order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["days_off_left", "BIGINT", "Days on which carriers rest (weekends, national holidays) after the hand-over date, up to the promised date.", "days", "order_delivered_carrier_date, order_purchase_timestamp, order_estimated_delivery_date, calendar.date, calendar.is_working_day"],
  ["promise_weekday", "INT", "Weekday of the promised date, 1 = Monday to 7 = Sunday.", "weekday", "order_estimated_delivery_date, calendar.date, calendar.weekday"],
  ["handover_weekday", "INT", "Weekday of the hand-over, 1 = Monday to 7 = Sunday.", "weekday", "order_delivered_carrier_date, order_purchase_timestamp, calendar.date, calendar.weekday"],
  ["handover_hour", "INT", "Hour of the hand-over, 0 to 23.", "hour", "order_delivered_carrier_date"],
  ["is_peak_season", "BOOLEAN", "Handed over in a retail peak season (Black Friday, Christmas and the like).", "yes or no", "order_delivered_carrier_date, order_purchase_timestamp, calendar.date, calendar.is_peak_season"],
  ["promise_days", "DOUBLE", "Days from the purchase to the end of the promised day.", "days", "order_estimated_delivery_date, order_purchase_timestamp"],
  ["used_share", "DOUBLE", "Share of the promised time that had passed at the hand-over.", "share", "order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["approval_days", "DOUBLE", "Days from the purchase to the approval of the payment; NULL where it was approved after the hand-over.", "days", "approval_seconds, order_approved_at, order_delivered_carrier_date, order_purchase_timestamp"],
  ["handling_days", "DOUBLE", "Days from the approval to the hand-over.", "days", "handling_seconds"],
  ["limit_slack_days", "DOUBLE", "Days from the hand-over to the latest shipping limit of the items; negative = handed over too late. The limit is set at the approval: NULL where that came after the hand-over.", "days", "shipping_limit_date, order_approved_at, order_delivered_carrier_date, order_purchase_timestamp"],
  ["handover_missed", "BOOLEAN", "Handed over after the latest shipping limit; NULL where the payment was approved after the hand-over.", "yes or no", "handover_missed, order_approved_at, order_delivered_carrier_date, order_purchase_timestamp"],
  ["distance_km", "DOUBLE", "Great-circle distance between the postal codes of customer and main seller.", "km", "distance_km"],
  ["km_per_day_left", "DOUBLE", "Distance for each day that is left, at least one.", "km per day", "distance_km, order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
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
  ["network_late_share_14d", "DOUBLE", "Of all orders delivered in the 14 days before, the share that came late.", "share", "is_late"],
  ["network_transit_days_14d", "DOUBLE", "Of all orders delivered in the 14 days before, mean days from hand-over to delivery.", "days", "transit_seconds"],
  ["network_due_missed_share_14d", "DOUBLE", "Of all orders whose promise ended in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_open_at_three_quarters_14d", "DOUBLE", "Of all orders for which three quarters of the promised time ended in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_slow_transit_share_14d", "DOUBLE", "Of all orders that had been a week in transit in the 14 days before, the share undelivered by then.", "share", "order_delivered_customer_date"],
  ["network_slack_days", "DOUBLE", "Days left beyond what all orders lately took from hand-over to delivery: days_left - network_transit_days_14d.", "days", "transit_seconds, order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["network_in_transit_days", "DOUBLE", "Of all orders that are in transit, mean days since hand-over.", "days", "order_delivered_carrier_date, order_purchase_timestamp"],
  ["network_overdue_share", "DOUBLE", "Of all orders that are open, the share whose promise has passed.", "share", "order_delivered_customer_date"],
  ["network_backlog", "DOUBLE", "Of all orders, how many are in transit for each one delivered in the 14 days before; 1 and 3 added.", "multiple", ""],
  ["state_due_missed_share_14d", "DOUBLE", "Of the orders to the customer's state whose promise ended in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_open_at_three_quarters_14d", "DOUBLE", "Of the orders to the customer's state for which three quarters of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_slow_transit_share_14d", "DOUBLE", "Of the orders to the customer's state that had been a week in transit in the 14 days before, the share undelivered by then; where these are few, leaning on all orders.", "share", "order_delivered_customer_date, customer_state"],
  ["state_late_share_30d", "DOUBLE", "Of the orders to the customer's state delivered in the 30 days before, the share that came late; where these are few, leaning on all orders.", "share", "is_late, customer_state"],
  ["state_transit_days_30d", "DOUBLE", "Of the orders to the customer's state delivered in the 30 days before, mean days from hand-over to delivery; where these are few, leaning on all orders.", "days", "transit_seconds, customer_state"],
  ["state_slack_days", "DOUBLE", "Days left beyond what the orders to the customer's state lately took from hand-over to delivery: days_left - state_transit_days_30d.", "days", "transit_seconds, customer_state, order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["state_in_transit_days", "DOUBLE", "Of the orders to the customer's state that are in transit, mean days since hand-over.", "days", "order_delivered_carrier_date, order_purchase_timestamp, customer_state"],
  ["state_overdue_share", "DOUBLE", "Of the orders to the customer's state that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, customer_state"],
  ["state_backlog", "DOUBLE", "Of the orders to the customer's state, how many are in transit for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "customer_state"],
  ["route_due_missed_share_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) whose promise ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_open_at_three_quarters_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) for which three quarters of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_slow_transit_share_14d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that had been a week in transit in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_late_share_30d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) delivered in the 30 days before, the share that came late; where these are few, leaning on the orders to the customer's state.", "share", "is_late, seller_state, customer_state"],
  ["route_transit_days_30d", "DOUBLE", "Of the orders on the route (seller's state to customer's state) delivered in the 30 days before, mean days from hand-over to delivery; where these are few, leaning on the orders to the customer's state.", "days", "transit_seconds, seller_state, customer_state"],
  ["route_slack_days", "DOUBLE", "Days left beyond what the orders on the route (seller's state to customer's state) lately took from hand-over to delivery: days_left - route_transit_days_30d.", "days", "transit_seconds, seller_state, customer_state, order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["route_in_transit_days", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that are in transit, mean days since hand-over.", "days", "order_delivered_carrier_date, order_purchase_timestamp, seller_state, customer_state"],
  ["route_overdue_share", "DOUBLE", "Of the orders on the route (seller's state to customer's state) that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, seller_state, customer_state"],
  ["route_backlog", "DOUBLE", "Of the orders on the route (seller's state to customer's state), how many are in transit for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "seller_state, customer_state"],
  ["region_due_missed_share_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) whose promise ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_open_at_three_quarters_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) for which three quarters of the promised time ended in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_slow_transit_share_14d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that had been a week in transit in the 14 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's state.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["region_late_share_30d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) delivered in the 30 days before, the share that came late; where these are few, leaning on the orders to the customer's state.", "share", "is_late, customer_zip_code_prefix, customer_state"],
  ["region_transit_days_30d", "DOUBLE", "Of the orders to the customer's zip region (first two digits) delivered in the 30 days before, mean days from hand-over to delivery; where these are few, leaning on the orders to the customer's state.", "days", "transit_seconds, customer_zip_code_prefix, customer_state"],
  ["region_slack_days", "DOUBLE", "Days left beyond what the orders to the customer's zip region (first two digits) lately took from hand-over to delivery: days_left - region_transit_days_30d.", "days", "transit_seconds, customer_zip_code_prefix, customer_state, order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["region_in_transit_days", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that are in transit, mean days since hand-over.", "days", "order_delivered_carrier_date, order_purchase_timestamp, customer_zip_code_prefix"],
  ["region_overdue_share", "DOUBLE", "Of the orders to the customer's zip region (first two digits) that are open, the share whose promise has passed.", "share", "order_delivered_customer_date, customer_zip_code_prefix"],
  ["region_backlog", "DOUBLE", "Of the orders to the customer's zip region (first two digits), how many are in transit for each one delivered in the 14 days before; 1 and 3 added.", "multiple", "customer_zip_code_prefix"],
  ["area_late_share_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) delivered in the 90 days before, the share that came late; where these are few, leaning on the orders to the customer's zip region.", "share", "is_late, customer_zip_code_prefix, customer_state"],
  ["area_transit_days_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) delivered in the 90 days before, mean days from hand-over to delivery; where these are few, leaning on the orders to the customer's zip region.", "days", "transit_seconds, customer_zip_code_prefix, customer_state"],
  ["area_slow_transit_share_90d", "DOUBLE", "Of the orders to the customer's postal area (first three digits) that had been a week in transit in the 90 days before, the share undelivered by then; where these are few, leaning on the orders to the customer's zip region.", "share", "order_delivered_customer_date, customer_zip_code_prefix, customer_state"],
  ["area_slack_days", "DOUBLE", "Days left beyond what the orders to the customer's postal area (first three digits) lately took from hand-over to delivery: days_left - area_transit_days_90d.", "days", "transit_seconds, customer_zip_code_prefix, customer_state, order_estimated_delivery_date, order_delivered_carrier_date, order_purchase_timestamp"],
  ["seller_late_share_90d", "DOUBLE", "Of the seller's orders delivered in the 90 days before, the share that came late; where these are few, leaning on all orders.", "share", "is_late, seller_id"],
  ["seller_missed_share_90d", "DOUBLE", "Of the seller's orders handed over in the 90 days before, the share handed over after the shipping limit; where these are few, leaning on all orders.", "share", "handover_missed, seller_id"],
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
    handed_over_at + 7 * 86400 as week_in_transit_at,
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
  select *, 'three quarters over' as event, three_quarters_at as moment from timed
  where three_quarters_at <= given_up_at
  union all
  select *, 'a week in transit' as event, week_in_transit_at as moment from timed
  where week_in_transit_at <= given_up_at
  union all
  select *, 'decision' as event, handed_over_at as moment from timed
  where handed_over_at <= purchased_at + 120 * 86400
),

-- What each of it adds to the counts.
events as (
  select
    order_id,
    case
      when event = 'decision' and order_delivered_carrier_date is not null
        then greatest(order_delivered_carrier_date, order_purchase_timestamp)
    end as decided_at,
    moment,
    customer_state, route, zip_region, zip_area, seller_id,
    cast(case event when 'bought' then 1 when 'delivered' then -1 when 'given up' then -1 else 0 end as bigint) as open,
    cast(case
      when event = 'handed over' then 1
      when event in ('delivered', 'given up') and handed_over_at < moment then -1
      else 0
    end as bigint) as in_transit,
    cast(case
      when event = 'handed over' then handed_over_at
      when event in ('delivered', 'given up') and handed_over_at < moment then -handed_over_at
      else 0
    end as bigint) as in_transit_since,
    cast(case
      when event = 'promise over' and coalesce(delivered_at >= moment, true) then 1
      when event in ('delivered', 'given up') and promise_ends_at <= moment then -1
      else 0
    end as bigint) as overdue,
    cast(case when event = 'handed over' then 1 else 0 end as bigint) as handed_over,
    cast(case when event = 'handed over' and approved_at <= moment and handover_missed then 1 else 0 end as bigint) as missed,
    cast(case when event = 'a week in transit' then 1 else 0 end as bigint) as week_in_transit,
    cast(case when event = 'a week in transit' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as slow_transit,
    cast(case when event = 'three quarters over' then 1 else 0 end as bigint) as three_quarters,
    cast(case when event = 'three quarters over' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as three_quarters_open,
    cast(case when event = 'promise over' then 1 else 0 end as bigint) as due,
    cast(case when event = 'promise over' and coalesce(delivered_at >= moment, true) then 1 else 0 end as bigint) as due_missed,
    cast(case when event = 'delivered' then 1 else 0 end as bigint) as delivered,
    cast(case when event = 'delivered' and is_late then 1 else 0 end as bigint) as late,
    cast(case when event = 'delivered' and handed_over_at <= moment and transit_seconds is not null then 1 else 0 end as bigint) as transits,
    cast(case when event = 'delivered' and handed_over_at <= moment then coalesce(transit_seconds, 0) else 0 end as bigint) as transit_seconds
  from happened
),

past as (
  select
    order_id,
    decided_at,
    coalesce(sum(late) over network_14, 0) as network_late_14d,
    coalesce(sum(delivered) over network_14, 0) as network_delivered_14d,
    coalesce(sum(transit_seconds) over network_14, 0) as network_transit_seconds_14d,
    coalesce(sum(transits) over network_14, 0) as network_transits_14d,
    coalesce(sum(due_missed) over network_14, 0) as network_due_missed_14d,
    coalesce(sum(due) over network_14, 0) as network_due_14d,
    coalesce(sum(three_quarters_open) over network_14, 0) as network_three_quarters_open_14d,
    coalesce(sum(three_quarters) over network_14, 0) as network_three_quarters_14d,
    coalesce(sum(slow_transit) over network_14, 0) as network_slow_transit_14d,
    coalesce(sum(week_in_transit) over network_14, 0) as network_week_in_transit_14d,
    coalesce(sum(missed) over network_30, 0) as network_missed_30d,
    coalesce(sum(handed_over) over network_30, 0) as network_handed_over_30d,
    coalesce(sum(open) over network_ever, 0) as network_open,
    coalesce(sum(in_transit) over network_ever, 0) as network_in_transit,
    coalesce(sum(in_transit_since) over network_ever, 0) as network_in_transit_since,
    coalesce(sum(overdue) over network_ever, 0) as network_overdue,
    coalesce(sum(due_missed) over state_14, 0) as state_due_missed_14d,
    coalesce(sum(due) over state_14, 0) as state_due_14d,
    coalesce(sum(three_quarters_open) over state_14, 0) as state_three_quarters_open_14d,
    coalesce(sum(three_quarters) over state_14, 0) as state_three_quarters_14d,
    coalesce(sum(slow_transit) over state_14, 0) as state_slow_transit_14d,
    coalesce(sum(week_in_transit) over state_14, 0) as state_week_in_transit_14d,
    coalesce(sum(delivered) over state_14, 0) as state_delivered_14d,
    coalesce(sum(late) over state_30, 0) as state_late_30d,
    coalesce(sum(delivered) over state_30, 0) as state_delivered_30d,
    coalesce(sum(transit_seconds) over state_30, 0) as state_transit_seconds_30d,
    coalesce(sum(transits) over state_30, 0) as state_transits_30d,
    coalesce(sum(open) over state_ever, 0) as state_open,
    coalesce(sum(in_transit) over state_ever, 0) as state_in_transit,
    coalesce(sum(in_transit_since) over state_ever, 0) as state_in_transit_since,
    coalesce(sum(overdue) over state_ever, 0) as state_overdue,
    coalesce(sum(due_missed) over route_14, 0) as route_due_missed_14d,
    coalesce(sum(due) over route_14, 0) as route_due_14d,
    coalesce(sum(three_quarters_open) over route_14, 0) as route_three_quarters_open_14d,
    coalesce(sum(three_quarters) over route_14, 0) as route_three_quarters_14d,
    coalesce(sum(slow_transit) over route_14, 0) as route_slow_transit_14d,
    coalesce(sum(week_in_transit) over route_14, 0) as route_week_in_transit_14d,
    coalesce(sum(delivered) over route_14, 0) as route_delivered_14d,
    coalesce(sum(late) over route_30, 0) as route_late_30d,
    coalesce(sum(delivered) over route_30, 0) as route_delivered_30d,
    coalesce(sum(transit_seconds) over route_30, 0) as route_transit_seconds_30d,
    coalesce(sum(transits) over route_30, 0) as route_transits_30d,
    coalesce(sum(open) over route_ever, 0) as route_open,
    coalesce(sum(in_transit) over route_ever, 0) as route_in_transit,
    coalesce(sum(in_transit_since) over route_ever, 0) as route_in_transit_since,
    coalesce(sum(overdue) over route_ever, 0) as route_overdue,
    coalesce(sum(due_missed) over region_14, 0) as region_due_missed_14d,
    coalesce(sum(due) over region_14, 0) as region_due_14d,
    coalesce(sum(three_quarters_open) over region_14, 0) as region_three_quarters_open_14d,
    coalesce(sum(three_quarters) over region_14, 0) as region_three_quarters_14d,
    coalesce(sum(slow_transit) over region_14, 0) as region_slow_transit_14d,
    coalesce(sum(week_in_transit) over region_14, 0) as region_week_in_transit_14d,
    coalesce(sum(delivered) over region_14, 0) as region_delivered_14d,
    coalesce(sum(late) over region_30, 0) as region_late_30d,
    coalesce(sum(delivered) over region_30, 0) as region_delivered_30d,
    coalesce(sum(transit_seconds) over region_30, 0) as region_transit_seconds_30d,
    coalesce(sum(transits) over region_30, 0) as region_transits_30d,
    coalesce(sum(open) over region_ever, 0) as region_open,
    coalesce(sum(in_transit) over region_ever, 0) as region_in_transit,
    coalesce(sum(in_transit_since) over region_ever, 0) as region_in_transit_since,
    coalesce(sum(overdue) over region_ever, 0) as region_overdue,
    coalesce(sum(late) over area_90, 0) as area_late_90d,
    coalesce(sum(delivered) over area_90, 0) as area_delivered_90d,
    coalesce(sum(transit_seconds) over area_90, 0) as area_transit_seconds_90d,
    coalesce(sum(transits) over area_90, 0) as area_transits_90d,
    coalesce(sum(slow_transit) over area_90, 0) as area_slow_transit_90d,
    coalesce(sum(week_in_transit) over area_90, 0) as area_week_in_transit_90d,
    coalesce(sum(late) over seller_90, 0) as seller_late_90d,
    coalesce(sum(delivered) over seller_90, 0) as seller_delivered_90d,
    coalesce(sum(missed) over seller_90, 0) as seller_missed_90d,
    coalesce(sum(handed_over) over seller_90, 0) as seller_handed_over_90d
  from events
  window
    network_14 as (order by moment range between 1209600 preceding and 1 preceding),
    network_30 as (order by moment range between 2592000 preceding and 1 preceding),
    network_ever as (order by moment range between unbounded preceding and 1 preceding),
    state_14 as (partition by customer_state order by moment range between 1209600 preceding and 1 preceding),
    state_30 as (partition by customer_state order by moment range between 2592000 preceding and 1 preceding),
    state_ever as (partition by customer_state order by moment range between unbounded preceding and 1 preceding),
    route_14 as (partition by route order by moment range between 1209600 preceding and 1 preceding),
    route_30 as (partition by route order by moment range between 2592000 preceding and 1 preceding),
    route_ever as (partition by route order by moment range between unbounded preceding and 1 preceding),
    region_14 as (partition by zip_region order by moment range between 1209600 preceding and 1 preceding),
    region_30 as (partition by zip_region order by moment range between 2592000 preceding and 1 preceding),
    region_ever as (partition by zip_region order by moment range between unbounded preceding and 1 preceding),
    area_90 as (partition by zip_area order by moment range between 7776000 preceding and 1 preceding),
    seller_90 as (partition by seller_id order by moment range between 7776000 preceding and 1 preceding)
),

-- A rate of few is drawn towards that of the larger group to which they belong, as if some more of its orders had been
-- seen: (sum + weight * rate of the larger) / (count + weight).
network_rates as (
  select
    *,
    cast(network_late_14d as double) / nullif(network_delivered_14d, 0) as network_late_share_14d,
    cast(network_transit_seconds_14d as double) / nullif(network_transits_14d, 0) / 86400 as network_transit_days_14d,
    cast(network_due_missed_14d as double) / nullif(network_due_14d, 0) as network_due_missed_share_14d,
    cast(network_three_quarters_open_14d as double) / nullif(network_three_quarters_14d, 0) as network_open_at_three_quarters_14d,
    cast(network_slow_transit_14d as double) / nullif(network_week_in_transit_14d, 0) as network_slow_transit_share_14d,
    cast(network_missed_30d as double) / nullif(network_handed_over_30d, 0) as network_missed_share_30d
  from past
),

state_rates as (
  select
    *,
    (state_due_missed_14d + 20 * network_due_missed_share_14d) / (state_due_14d + 20) as state_due_missed_share_14d,
    (state_three_quarters_open_14d + 15 * network_open_at_three_quarters_14d) / (state_three_quarters_14d + 15) as state_open_at_three_quarters_14d,
    (state_slow_transit_14d + 10 * network_slow_transit_share_14d) / (state_week_in_transit_14d + 10) as state_slow_transit_share_14d,
    (state_late_30d + 20 * network_late_share_14d) / (state_delivered_30d + 20) as state_late_share_30d,
    (cast(state_transit_seconds_30d as double) / 86400 + 10 * network_transit_days_14d) / (state_transits_30d + 10) as state_transit_days_30d,
    (seller_late_90d + 20 * network_late_share_14d) / (seller_delivered_90d + 20) as seller_late_share_90d,
    (seller_missed_90d + 10 * network_missed_share_30d) / (seller_handed_over_90d + 10) as seller_missed_share_90d
  from network_rates
),

region_rates as (
  select
    *,
    (route_due_missed_14d + 20 * state_due_missed_share_14d) / (route_due_14d + 20) as route_due_missed_share_14d,
    (route_three_quarters_open_14d + 15 * state_open_at_three_quarters_14d) / (route_three_quarters_14d + 15) as route_open_at_three_quarters_14d,
    (route_slow_transit_14d + 10 * state_slow_transit_share_14d) / (route_week_in_transit_14d + 10) as route_slow_transit_share_14d,
    (route_late_30d + 20 * state_late_share_30d) / (route_delivered_30d + 20) as route_late_share_30d,
    (cast(route_transit_seconds_30d as double) / 86400 + 10 * state_transit_days_30d) / (route_transits_30d + 10) as route_transit_days_30d,
    (region_due_missed_14d + 20 * state_due_missed_share_14d) / (region_due_14d + 20) as region_due_missed_share_14d,
    (region_three_quarters_open_14d + 15 * state_open_at_three_quarters_14d) / (region_three_quarters_14d + 15) as region_open_at_three_quarters_14d,
    (region_slow_transit_14d + 10 * state_slow_transit_share_14d) / (region_week_in_transit_14d + 10) as region_slow_transit_share_14d,
    (region_late_30d + 20 * state_late_share_30d) / (region_delivered_30d + 20) as region_late_share_30d,
    (cast(region_transit_seconds_30d as double) / 86400 + 10 * state_transit_days_30d) / (region_transits_30d + 10) as region_transit_days_30d
  from state_rates
),

rates as (
  select
    *,
    (area_late_90d + 20 * region_late_share_30d) / (area_delivered_90d + 20) as area_late_share_90d,
    (cast(area_transit_seconds_90d as double) / 86400 + 10 * region_transit_days_30d) / (area_transits_90d + 10) as area_transit_days_90d,
    (area_slow_transit_90d + 10 * region_slow_transit_share_14d) / (area_week_in_transit_90d + 10) as area_slow_transit_share_90d
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
  cast(orders.promise_ends_at - orders.handed_over_at as double) / 86400 as days_left,
  promised.days_off - handed.days_off as days_off_left,
  promised.weekday as promise_weekday,
  handed.weekday as handover_weekday,
  hour(orders.order_delivered_carrier_date) as handover_hour,
  handed.is_peak_season,
  cast(orders.promise_seconds as double) / 86400 as promise_days,
  cast(orders.handed_over_at - orders.purchased_at as double) / nullif(orders.promise_seconds, 0) as used_share,
  case when orders.approved_at <= orders.handed_over_at then cast(orders.approval_seconds as double) / 86400 end as approval_days,
  cast(orders.handling_seconds as double) / 86400 as handling_days,
  case
    when orders.approved_at <= orders.handed_over_at
      then cast(unix_timestamp(orders.shipping_limit_date) - orders.handed_over_at as double) / 86400
  end as limit_slack_days,
  case when orders.approved_at <= orders.handed_over_at then orders.handover_missed end as handover_missed,
  orders.distance_km,
  orders.distance_km * 86400 / greatest(orders.promise_ends_at - orders.handed_over_at, 86400) as km_per_day_left,
  orders.seller_state = orders.customer_state as is_same_state,
  orders.customer_state, orders.seller_state, orders.category, orders.n_items, orders.n_sellers,
  cast(orders.price as double) as price,
  cast(orders.freight_value as double) as freight_value,
  orders.weight_g, orders.volume_cm3, rates.network_late_share_14d, rates.network_transit_days_14d,
  rates.network_due_missed_share_14d, rates.network_open_at_three_quarters_14d,
  rates.network_slow_transit_share_14d,
  cast(orders.promise_ends_at - orders.handed_over_at as double) / 86400 - rates.network_transit_days_14d as network_slack_days,
  (cast(rates.network_in_transit as double) * orders.handed_over_at - rates.network_in_transit_since) / nullif(rates.network_in_transit, 0) / 86400 as network_in_transit_days,
  cast(rates.network_overdue as double) / nullif(rates.network_open, 0) as network_overdue_share,
  cast(rates.network_in_transit + 1 as double) / (rates.network_delivered_14d + 3) as network_backlog,
  rates.state_due_missed_share_14d, rates.state_open_at_three_quarters_14d,
  rates.state_slow_transit_share_14d, rates.state_late_share_30d, rates.state_transit_days_30d,
  cast(orders.promise_ends_at - orders.handed_over_at as double) / 86400 - rates.state_transit_days_30d as state_slack_days,
  (cast(rates.state_in_transit as double) * orders.handed_over_at - rates.state_in_transit_since) / nullif(rates.state_in_transit, 0) / 86400 as state_in_transit_days,
  cast(rates.state_overdue as double) / nullif(rates.state_open, 0) as state_overdue_share,
  cast(rates.state_in_transit + 1 as double) / (rates.state_delivered_14d + 3) as state_backlog,
  rates.route_due_missed_share_14d, rates.route_open_at_three_quarters_14d,
  rates.route_slow_transit_share_14d, rates.route_late_share_30d, rates.route_transit_days_30d,
  cast(orders.promise_ends_at - orders.handed_over_at as double) / 86400 - rates.route_transit_days_30d as route_slack_days,
  (cast(rates.route_in_transit as double) * orders.handed_over_at - rates.route_in_transit_since) / nullif(rates.route_in_transit, 0) / 86400 as route_in_transit_days,
  cast(rates.route_overdue as double) / nullif(rates.route_open, 0) as route_overdue_share,
  cast(rates.route_in_transit + 1 as double) / (rates.route_delivered_14d + 3) as route_backlog,
  rates.region_due_missed_share_14d, rates.region_open_at_three_quarters_14d,
  rates.region_slow_transit_share_14d, rates.region_late_share_30d, rates.region_transit_days_30d,
  cast(orders.promise_ends_at - orders.handed_over_at as double) / 86400 - rates.region_transit_days_30d as region_slack_days,
  (cast(rates.region_in_transit as double) * orders.handed_over_at - rates.region_in_transit_since) / nullif(rates.region_in_transit, 0) / 86400 as region_in_transit_days,
  cast(rates.region_overdue as double) / nullif(rates.region_open, 0) as region_overdue_share,
  cast(rates.region_in_transit + 1 as double) / (rates.region_delivered_14d + 3) as region_backlog,
  rates.area_late_share_90d, rates.area_transit_days_90d, rates.area_slow_transit_share_90d,
  cast(orders.promise_ends_at - orders.handed_over_at as double) / 86400 - rates.area_transit_days_90d as area_slack_days,
  rates.seller_late_share_90d, rates.seller_missed_share_90d,
  labels.label_is_late,
  labels.label_delivery_days,
  labels.label_delay_days,
  labels.matured_at,
  orders.purchase_month
from timed as orders
inner join rates on orders.order_id = rates.order_id
left join labels on orders.order_id = labels.order_id
left join days as handed on to_date(greatest(orders.order_delivered_carrier_date, orders.order_purchase_timestamp)) = handed.date
left join days as promised on to_date(orders.order_estimated_delivery_date) = promised.date
where rates.decided_at is not null
