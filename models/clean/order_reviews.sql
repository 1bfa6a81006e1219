/*---
description = "The customers' reviews: one row per review and order. A review may cover several orders and an order may have several reviews."
grain = ["review_id", "order_id"]
write = "upsert"
partition = "purchase_month"
source = "order_reviews"
columns = [
  ["review_id", "STRING", "The review; not unique by itself. Source: order_reviews."],
  ["order_id", "STRING", "The order reviewed. Source: order_reviews."],
  ["review_score", "INT", "1 (worst) to 5 (best). Source: order_reviews."],
  ["review_comment_title", "STRING", "Title of the comment, in Portuguese; NULL without one. Source: order_reviews."],
  ["review_comment_message", "STRING", "The comment, in Portuguese, line breaks kept; NULL without one. Source: order_reviews."],
  ["review_creation_date", "TIMESTAMP", "Midnight of the day the survey was sent to the customer. Source: order_reviews."],
  ["review_answer_timestamp", "TIMESTAMP", "When the customer answered; NULL where unknown. Source: order_reviews."],
  ["purchase_month", "DATE", "First day of the purchase month of the order."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["review_id", "order_id", "review_score", "purchase_month"] },
]
---*/
with order_reviews as (
  select * from landing.order_reviews
)

select
  review_id,
  order_id,
  review_score,
  review_comment_title,
  review_comment_message,
  review_creation_date,
  review_answer_timestamp,
  purchase_month,
  _drop
from order_reviews
