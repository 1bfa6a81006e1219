/*---
description = "The classic report of items handed to the carrier too late: one row per item whose order was handed over after the item's shipping limit, whatever the order's status."
grain = ["order_id", "order_item_id"]
write = "replace_months"
partition = "purchase_month"
columns = [
  ["order_id", "STRING", "The order."],
  ["order_item_id", "INT", "The item's number within its order, from 1."],
  ["seller_id", "STRING", "The seller who was late."],
  ["shipping_limit_date", "TIMESTAMP", "Deadline for handing the item to the carrier."],
  ["price", "DECIMAL(12,2)", "Price of the item in reais, without freight."],
  ["freight_value", "DECIMAL(12,2)", "The item's share of the freight in reais."],
  ["product_id", "STRING", "The product sold."],
  ["product_category_name", "STRING", "Category in Portuguese; NULL for uncategorised or missing products."],
  ["customer_id", "STRING", "The customer record of the order."],
  ["order_status", "STRING", "Stage the order reached; canceled ones are included."],
  ["order_purchase_timestamp", "TIMESTAMP", "When the customer bought."],
  ["order_delivered_carrier_date", "TIMESTAMP", "When the parcel was handed to the carrier."],
  ["order_delivered_customer_date", "TIMESTAMP", "When the customer received the parcel; NULL until then."],
  ["order_estimated_delivery_date", "TIMESTAMP", "The promise: midnight that begins the promised day."],
  ["purchase_month", "DATE", "First day of the purchase month; the partition."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "order_item_id", "seller_id", "shipping_limit_date", "order_delivered_carrier_date", "purchase_month"] },
]
---*/
with shipments as (
  select * from clean.shipments
),

orders as (
  select * from clean.orders
),

products as (
  select product_id, product_category_name from clean.products
)

select
  shipments.order_id,
  shipments.order_item_id,
  shipments.seller_id,
  shipments.shipping_limit_date,
  shipments.price,
  shipments.freight_value,
  shipments.product_id,
  products.product_category_name,
  orders.customer_id,
  orders.order_status,
  orders.order_purchase_timestamp,
  orders.order_delivered_carrier_date,
  orders.order_delivered_customer_date,
  orders.order_estimated_delivery_date,
  shipments.purchase_month
from shipments
inner join orders on shipments.order_id = orders.order_id
left join products on shipments.product_id = products.product_id
where shipments.handover_missed
