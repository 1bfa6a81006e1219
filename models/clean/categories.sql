/*---
description = "English names of the product categories: one row per category, replaced as a whole by the newest drop that has the list."
grain = ["product_category_name"]
write = "snapshot"
source = "categories"
columns = [
  ["product_category_name", "STRING", "Category in Portuguese, as the products use it. Source: categories."],
  ["product_category_name_english", "STRING", "Category in English. Source: categories."],
  ["_drop", "STRING", "The drop that brought the list, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["product_category_name"] },
]
---*/
with categories as (
  select * from landing.categories
)

select
  product_category_name,
  product_category_name_english,
  _drop
from categories
