//! What buyers say.

use super::{Axis, Chapter, Scale, Unit, numbers, rates, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "reviews",
    title: "What buyers say",
    questions: &[
        shares(
            "scores",
            "Scores",
            "reviews",
            Axis::Steps("stars"),
            "select review_score as bin, count(*) as weight from order_reviews group by review_score",
        ),
        rates(
            "score_by_delay",
            "Mean score by delay",
            "deliveries",
            Axis::Steps("days after the promised day"),
            Unit::Stars,
            "
select
  greatest(least(delay_days, 15), -25) as bin,
  avg(cast(review_score as double)) as value,
  count(*) as weight
from deliveries
where delay_days is not null and review_score is not null
group by greatest(least(delay_days, 15), -25)",
        ),
        rates(
            "score_by_items",
            "Mean score by items of the order",
            "orders",
            Axis::Steps("items, 5 or more together"),
            Unit::Stars,
            "
select
  least(n_items, 5) as bin,
  avg(cast(review_score as double)) as value,
  count(*) as weight
from deliveries
where n_items > 0 and review_score is not null
group by least(n_items, 5)",
        ),
        shares(
            "asked_after_receipt",
            "When a review is asked for",
            "reviews of delivered orders",
            Axis::Steps("days after receipt"),
            "
select
  greatest(least(days, 5), -10) as bin,
  count(*) as weight
from (
  select
    cast(floor(unix_timestamp(review_creation_date) / 86400.0) as bigint)
      - cast(floor(unix_timestamp(order_delivered_customer_date) / 86400.0) as bigint) as days
  from order_reviews
  inner join orders on order_reviews.order_id = orders.order_id
  where order_delivered_customer_date is not null
) as reviews
group by greatest(least(days, 5), -10)",
        ),
        numbers(
            "answer_days",
            "From the question to the answer",
            "reviews",
            Unit::Days,
            Scale::Log,
            "
select (unix_timestamp(review_answer_timestamp) - unix_timestamp(review_creation_date)) / 86400.0 as value
from order_reviews
where review_answer_timestamp > review_creation_date",
        ),
        rates(
            "comment_by_score",
            "Reviews with a comment by score",
            "reviews",
            Axis::Steps("stars"),
            Unit::Share,
            "
select
  review_score as bin,
  avg(case when review_comment_message is not null then 1.0 else 0.0 end) as value,
  count(*) as weight
from order_reviews
group by review_score",
        ),
        numbers(
            "comment_length",
            "Length of a comment",
            "comments",
            Unit::Letters,
            Scale::Log,
            "
select length(review_comment_message) as value
from order_reviews
where review_comment_message is not null",
        ),
        shares(
            "reviews_by_order",
            "Reviews of an order",
            "orders",
            Axis::Steps("reviews, 3 or more together"),
            "
select
  least(n_reviews, 3) as bin,
  count(*) as weight
from (
  select orders.order_id, count(review_id) as n_reviews
  from orders
  left join order_reviews on orders.order_id = order_reviews.order_id
  group by orders.order_id
) as reviewed
group by least(n_reviews, 3)",
        ),
    ],
};
