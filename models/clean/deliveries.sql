/*---
description = "The fact of delivering: one row per order, the order joined with its customer and with roll-ups of its items, payments and reviews, and the measures of how long it took and whether the promise was kept. A duration is NULL where a timestamp is missing or the two stand in the wrong order."
grain = ["order_id"]
write = "restate"
partition = "purchase_month"
columns = [
  ["order_id", "STRING", "The order."],
  ["order_status", "STRING", "Stage reached; see clean.orders."],
  ["customer_id", "STRING", "The customer record of this order."],
  ["customer_unique_id", "STRING", "The person who bought; NULL while the customer record is missing."],
  ["order_purchase_timestamp", "TIMESTAMP", "When the customer bought, Brazilian wall clock."],
  ["order_approved_at", "TIMESTAMP", "When the payment was approved."],
  ["order_delivered_carrier_date", "TIMESTAMP", "When the parcel was handed to the carrier."],
  ["order_delivered_customer_date", "TIMESTAMP", "When the customer received the parcel."],
  ["order_estimated_delivery_date", "TIMESTAMP", "The promise: midnight that begins the promised day."],
  ["purchase_date", "DATE", "Day of the purchase."],
  ["customer_state", "STRING", "State of the delivery address; unknown while the customer record is missing."],
  ["customer_city", "STRING", "City of the delivery address, lower case without accents."],
  ["customer_zip_code_prefix", "STRING", "First five digits of the delivery address's postal code."],
  ["category", "STRING", "Category of the main item (the dearest, then the lowest number); unknown while its product is missing, none without items."],
  ["seller_id", "STRING", "Seller of the main item; none without items."],
  ["seller_state", "STRING", "State of the main item's seller; unknown while the seller is missing, none without items."],
  ["n_items", "INT", "Number of items; 0 without."],
  ["n_sellers", "INT", "Number of different sellers among the items; 0 without items."],
  ["price", "DECIMAL(12,2)", "Sum of the items' prices in reais; NULL without items."],
  ["freight_value", "DECIMAL(12,2)", "Sum of the items' freight in reais; NULL without items."],
  ["weight_g", "BIGINT", "Sum of the items' weights in grams; NULL where no weight is known."],
  ["volume_cm3", "BIGINT", "Sum of the items' volumes (length × height × width) in cubic centimetres; NULL where no size is known."],
  ["shipping_limit_date", "TIMESTAMP", "Latest deadline among the items for handing over to the carrier; NULL without items."],
  ["payment_value", "DECIMAL(12,2)", "Sum paid in reais; NULL without payments."],
  ["payment_type", "STRING", "Means of the largest payment (then the lowest number); NULL without payments."],
  ["payment_installments", "INT", "Most instalments among the payments; NULL without payments."],
  ["review_score", "INT", "Score of the review answered last (unanswered ones come last, then the highest review_id wins); NULL without reviews."],
  ["approval_seconds", "BIGINT", "Seconds from purchase to approval."],
  ["handling_seconds", "BIGINT", "Seconds from approval to hand-over to the carrier."],
  ["transit_seconds", "BIGINT", "Seconds from hand-over to the customer's receipt."],
  ["delivery_seconds", "BIGINT", "Seconds from purchase to the customer's receipt."],
  ["delivery_days", "DOUBLE", "delivery_seconds in days of 86,400 seconds."],
  ["promised_days", "INT", "Days from the purchase date to the promised date."],
  ["delay_days", "INT", "Days from the promised date to the delivered date; negative = early, NULL until delivered."],
  ["is_late", "BOOLEAN", "Delivered on a day after the promised day; NULL until delivered. This is the definition of late."],
  ["is_late_by_timestamp", "BOOLEAN", "Delivered after the promised day's first moment; NULL until delivered. Counts deliveries on the promised day as late; kept for comparison with other studies."],
  ["handover_missed", "BOOLEAN", "Handed to the carrier after the latest shipping limit; NULL until handed over or without items."],
  ["distance_km", "DOUBLE", "Great-circle distance in kilometres between the postal codes of customer and main seller, to the metre; NULL where either place is unknown."],
  ["purchase_month", "DATE", "First day of the purchase month."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "order_status", "customer_id", "order_purchase_timestamp", "order_estimated_delivery_date", "purchase_date", "customer_state", "category", "seller_id", "seller_state", "n_items", "n_sellers", "purchase_month"] },
  { kind = "accepted_values", column = "customer_state", values = ["AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO", "unknown"] },
  { kind = "accepted_values", column = "seller_state", values = ["AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO", "unknown", "none"] },
  { kind = "relationship", column = "customer_id", to = "clean.customers.customer_id", severity = "warn" },
]
---*/
with orders as (
  select * from clean.orders
),

order_items as (
  select * from clean.order_items
),

order_payments as (
  select * from clean.order_payments
),

order_reviews as (
  select * from clean.order_reviews
),

customers as (
  select * from clean.customers
),

sellers as (
  select * from clean.sellers
),

products as (
  select * from clean.products
),

geolocation as (
  select * from clean.geolocation
),

measured_products as (
  select
    product_id,
    category,
    cast(product_weight_g as bigint) as weight_g,
    cast(product_length_cm as bigint) * product_height_cm * product_width_cm as volume_cm3
  from products
),

-- One number that ranks an order's items: the highest price in cents first, then the lowest item id.
ranked_items as (
  select
    order_items.*,
    coalesce(measured_products.category, 'unknown') as category,
    measured_products.weight_g,
    measured_products.volume_cm3,
    cast(order_items.price * 100 as bigint) * 1000000 - order_items.order_item_id as main_rank
  from measured_products
  right join order_items on measured_products.product_id = order_items.product_id
),

-- By seller first, then by order: the number of distinct sellers is then a plain count.
seller_rollup as (
  select
    order_id,
    seller_id,
    count(*) as n_items,
    sum(price) as price,
    sum(freight_value) as freight_value,
    sum(weight_g) as weight_g,
    sum(volume_cm3) as volume_cm3,
    max(shipping_limit_date) as shipping_limit_date,
    max(main_rank) as main_rank,
    max_by(category, main_rank) as category
  from ranked_items
  group by order_id, seller_id
),

item_rollup as (
  select
    order_id,
    sum(n_items) as n_items,
    count(*) as n_sellers,
    sum(price) as price,
    sum(freight_value) as freight_value,
    sum(weight_g) as weight_g,
    sum(volume_cm3) as volume_cm3,
    max(shipping_limit_date) as shipping_limit_date,
    max_by(seller_id, main_rank) as seller_id,
    max_by(category, main_rank) as category
  from seller_rollup
  group by order_id
),

-- The same kind of rank: the highest value in cents first, then the lowest sequential; a payment without a value last.
ranked_payments as (
  select
    *,
    cast(coalesce(payment_value, -1) * 100 as bigint) * 1000000 - payment_sequential as main_rank
  from order_payments
),

payment_rollup as (
  select
    order_id,
    sum(payment_value) as payment_value,
    max_by(payment_type, main_rank) as payment_type,
    max(payment_installments) as payment_installments
  from ranked_payments
  group by order_id
),

-- The latest answer first, unanswered last, then the highest review id. 10^12 makes all seconds 13 digits long, so
-- that they sort as text.
ranked_reviews as (
  select
    *,
    concat(cast(1000000000000 + coalesce(unix_timestamp(review_answer_timestamp), 0) as string), review_id) as main_rank
  from order_reviews
),

review_rollup as (
  select
    order_id,
    max_by(review_score, main_rank) as review_score
  from ranked_reviews
  group by order_id
),

located_sellers as (
  select
    sellers.seller_id,
    sellers.seller_state,
    geolocation.latitude,
    geolocation.longitude
  from sellers
  left join geolocation on sellers.seller_zip_code_prefix = geolocation.zip_code_prefix
),

located_customers as (
  select
    customers.customer_id,
    customers.customer_unique_id,
    customers.customer_state,
    customers.customer_city,
    customers.customer_zip_code_prefix,
    geolocation.latitude,
    geolocation.longitude
  from customers
  left join geolocation on customers.customer_zip_code_prefix = geolocation.zip_code_prefix
),

described_items as (
  select
    item_rollup.*,
    coalesce(located_sellers.seller_state, 'unknown') as seller_state,
    located_sellers.latitude,
    located_sellers.longitude
  from item_rollup
  left join located_sellers on item_rollup.seller_id = located_sellers.seller_id
),

joined as (
  select
    orders.*,
    to_date(orders.order_delivered_customer_date) as delivered_date,
    to_date(orders.order_estimated_delivery_date) as promised_date,
    located_customers.customer_unique_id,
    coalesce(located_customers.customer_state, 'unknown') as customer_state,
    located_customers.customer_city,
    located_customers.customer_zip_code_prefix,
    coalesce(described_items.category, 'none') as category,
    coalesce(described_items.seller_id, 'none') as seller_id,
    coalesce(described_items.seller_state, 'none') as seller_state,
    coalesce(described_items.n_items, 0) as n_items,
    coalesce(described_items.n_sellers, 0) as n_sellers,
    described_items.price,
    described_items.freight_value,
    described_items.weight_g,
    described_items.volume_cm3,
    described_items.shipping_limit_date,
    payment_rollup.payment_value,
    payment_rollup.payment_type,
    payment_rollup.payment_installments,
    review_rollup.review_score,
    radians(located_customers.latitude) as customer_latitude,
    radians(located_customers.longitude) as customer_longitude,
    radians(described_items.latitude) as seller_latitude,
    radians(described_items.longitude) as seller_longitude
  -- Every order once, whatever else is known of it. The narrow side of each join stands first, because an engine that
  -- cannot guess sizes builds its hash table from it.
  from located_customers
  right join (
    described_items
    right join (
      payment_rollup
      right join (
        review_rollup
        right join orders on review_rollup.order_id = orders.order_id
      ) on payment_rollup.order_id = orders.order_id
    ) on described_items.order_id = orders.order_id
  ) on located_customers.customer_id = orders.customer_id
),

measured as (
  select
    *,
    case
      when order_approved_at >= order_purchase_timestamp
        then unix_timestamp(order_approved_at) - unix_timestamp(order_purchase_timestamp)
    end as approval_seconds,
    case
      when order_delivered_carrier_date >= order_approved_at
        then unix_timestamp(order_delivered_carrier_date) - unix_timestamp(order_approved_at)
    end as handling_seconds,
    case
      when order_delivered_customer_date >= order_delivered_carrier_date
        then unix_timestamp(order_delivered_customer_date) - unix_timestamp(order_delivered_carrier_date)
    end as transit_seconds,
    case
      when order_delivered_customer_date >= order_purchase_timestamp
        then unix_timestamp(order_delivered_customer_date) - unix_timestamp(order_purchase_timestamp)
    end as delivery_seconds,
    case
      when promised_date >= purchase_date then datediff(promised_date, purchase_date)
    end as promised_days,
    sin((seller_latitude - customer_latitude) / 2) as sine_of_latitudes,
    sin((seller_longitude - customer_longitude) / 2) as sine_of_longitudes
  from joined
)

select
  order_id,
  order_status,
  customer_id,
  customer_unique_id,
  order_purchase_timestamp,
  order_approved_at,
  order_delivered_carrier_date,
  order_delivered_customer_date,
  order_estimated_delivery_date,
  purchase_date,
  customer_state,
  customer_city,
  customer_zip_code_prefix,
  category,
  seller_id,
  seller_state,
  cast(n_items as int) as n_items,
  cast(n_sellers as int) as n_sellers,
  cast(price as decimal(12, 2)) as price,
  cast(freight_value as decimal(12, 2)) as freight_value,
  weight_g,
  volume_cm3,
  shipping_limit_date,
  cast(payment_value as decimal(12, 2)) as payment_value,
  payment_type,
  payment_installments,
  review_score,
  cast(approval_seconds as bigint) as approval_seconds,
  cast(handling_seconds as bigint) as handling_seconds,
  cast(transit_seconds as bigint) as transit_seconds,
  cast(delivery_seconds as bigint) as delivery_seconds,
  cast(delivery_seconds as double) / 86400 as delivery_days,
  cast(promised_days as int) as promised_days,
  cast(datediff(delivered_date, promised_date) as int) as delay_days,
  -- The promise is a day, so it is kept until that day ends.
  delivered_date > promised_date as is_late,
  order_delivered_customer_date > order_estimated_delivery_date as is_late_by_timestamp,
  order_delivered_carrier_date > shipping_limit_date as handover_missed,
  -- Haversine on a sphere of 6371.0088 km. No bound under asin: inside Brazil the root stays below 0.4 (and least()
  -- would turn an unknown place into the bound).
  round(
    2 * 6371.0088 * asin(sqrt(
      sine_of_latitudes * sine_of_latitudes
        + cos(customer_latitude) * cos(seller_latitude) * sine_of_longitudes * sine_of_longitudes
    )),
    3
  ) as distance_km,
  purchase_month
from measured
