/*---
description = "The fact of sending: one row per item, with its seller's state, its product's category and whether it was handed to the carrier in time."
grain = ["order_id", "order_item_id"]
write = "restate"
partition = "purchase_month"
columns = [
  ["order_id", "STRING", "The order the item belongs to."],
  ["order_item_id", "INT", "The item's number within its order, from 1."],
  ["product_id", "STRING", "The product sold."],
  ["seller_id", "STRING", "The seller who sends the item."],
  ["seller_state", "STRING", "State of the seller; unknown while the seller is missing."],
  ["category", "STRING", "Category of the product; unknown while the product is missing."],
  ["shipping_limit_date", "TIMESTAMP", "Deadline for handing the item to the carrier."],
  ["price", "DECIMAL(12,2)", "Price of the item in reais, without freight."],
  ["freight_value", "DECIMAL(12,2)", "The item's share of the freight in reais."],
  ["handover_missed", "BOOLEAN", "The order was handed to the carrier after this item's shipping limit; NULL until handed over."],
  ["purchase_month", "DATE", "First day of the purchase month of the order."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "order_item_id", "seller_id", "seller_state", "category", "shipping_limit_date", "price", "freight_value", "purchase_month"] },
  { kind = "accepted_values", column = "seller_state", values = ["AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO", "unknown"] },
  { kind = "relationship", column = "seller_id", to = "clean.sellers.seller_id", severity = "warn" },
]
---*/
with order_items as (
  select * from clean.order_items
),

orders as (
  select order_id, order_delivered_carrier_date from clean.orders
),

sellers as (
  select seller_id, seller_state from clean.sellers
),

products as (
  select product_id, category from clean.products
)

select
  order_items.order_id,
  order_items.order_item_id,
  order_items.product_id,
  order_items.seller_id,
  coalesce(sellers.seller_state, 'unknown') as seller_state,
  coalesce(products.category, 'unknown') as category,
  order_items.shipping_limit_date,
  order_items.price,
  order_items.freight_value,
  orders.order_delivered_carrier_date > order_items.shipping_limit_date as handover_missed,
  order_items.purchase_month
from order_items
inner join orders on order_items.order_id = orders.order_id
left join sellers on order_items.seller_id = sellers.seller_id
left join products on order_items.product_id = products.product_id
