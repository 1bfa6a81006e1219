/*---
description = "The products: one row per product, with its category in English and the weight and size of its parcel."
grain = ["product_id"]
write = "upsert"
source = "products"
columns = [
  ["product_id", "STRING", "The product. Source: products."],
  ["product_category_name", "STRING", "Category in Portuguese; NULL for uncategorised products. Source: products."],
  ["product_name_length", "INT", "Characters in the product's name. Source: products (product_name_lenght)."],
  ["product_description_length", "INT", "Characters in the product's description. Source: products (product_description_lenght)."],
  ["product_photos_qty", "INT", "Number of photos shown. Source: products."],
  ["product_weight_g", "INT", "Weight of the parcel in grams; NULL where missing or zero. Source: products."],
  ["product_length_cm", "INT", "Length of the parcel in centimetres. Source: products."],
  ["product_height_cm", "INT", "Height of the parcel in centimetres. Source: products."],
  ["product_width_cm", "INT", "Width of the parcel in centimetres. Source: products."],
  ["category", "STRING", "Category in English, else in Portuguese, else unknown."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["product_id", "category"] },
]
---*/
-- Also run over the stored rows of clean.products when the translation changes: it reads source columns only.
with products as (
  select * from landing.products
),

categories as (
  select * from clean.categories
)

select
  products.product_id,
  products.product_category_name,
  products.product_name_length,
  products.product_description_length,
  products.product_photos_qty,
  cast(nullif(products.product_weight_g, 0) as int) as product_weight_g,
  products.product_length_cm,
  products.product_height_cm,
  products.product_width_cm,
  coalesce(categories.product_category_name_english, products.product_category_name, 'unknown') as category,
  products._drop
from products
left join categories on products.product_category_name = categories.product_category_name
