/*---
description = "The items of the orders: one row per unit sold, with its product, seller, price, freight and shipping limit."
grain = ["order_id", "order_item_id"]
write = "upsert"
partition = "purchase_month"
source = "order_items"
columns = [
  ["order_id", "STRING", "The order the item belongs to. Source: order_items."],
  ["order_item_id", "INT", "The item's number within its order, from 1. Source: order_items."],
  ["product_id", "STRING", "The product sold. Source: order_items."],
  ["seller_id", "STRING", "The seller who sends the item. Source: order_items."],
  ["shipping_limit_date", "TIMESTAMP", "Deadline for handing the item to the carrier; set when the payment is approved, so unknown at the purchase. Source: order_items."],
  ["price", "DECIMAL(12,2)", "Price of the item in reais, without freight. Source: order_items."],
  ["freight_value", "DECIMAL(12,2)", "The item's share of the freight in reais. Source: order_items."],
  ["purchase_month", "DATE", "First day of the purchase month of the order."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price", "freight_value", "purchase_month"] },
  { kind = "relationship", column = "seller_id", to = "clean.sellers.seller_id", severity = "warn" },
  { kind = "relationship", column = "product_id", to = "clean.products.product_id", severity = "warn" },
]
---*/
with order_items as (
  select * from landing.order_items
)

select
  order_id,
  order_item_id,
  product_id,
  seller_id,
  shipping_limit_date,
  price,
  freight_value,
  purchase_month,
  _drop
from order_items
