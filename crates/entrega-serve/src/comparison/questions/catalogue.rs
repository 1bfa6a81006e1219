//! What is sold: things, their prices and weights, and how unevenly they sell.

use super::{Axis, Chapter, Scale, Unit, numbers, rates, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "catalogue",
    title: "What is sold",
    questions: &[
        shares(
            "categories",
            "Categories",
            "items",
            Axis::Names(16),
            "select category as bin, count(*) as weight from shipments group by category",
        ),
        numbers(
            "price",
            "Price of an item",
            "items",
            Unit::Reais,
            Scale::Log,
            "select price as value from shipments",
        ),
        shares(
            "cents",
            "How prices end",
            "items",
            Axis::Names(8),
            "
select
  concat('…,', substr(cast(100 + cast(price * 100 as bigint) % 100 as string), 2, 2)) as bin,
  count(*) as weight
from shipments
group by concat('…,', substr(cast(100 + cast(price * 100 as bigint) % 100 as string), 2, 2))",
        ),
        numbers(
            "freight",
            "Freight of an item",
            "items",
            Unit::Reais,
            Scale::Log,
            "select freight_value as value from shipments where freight_value > 0",
        ),
        numbers(
            "weight",
            "Weight of an item",
            "items",
            Unit::Grams,
            Scale::Log,
            "
select product_weight_g as value
from shipments
inner join clean.products on shipments.product_id = products.product_id
where product_weight_g > 0",
        ),
        numbers(
            "volume",
            "Volume of an item",
            "items",
            Unit::Litres,
            Scale::Log,
            "
select cast(product_length_cm as double) * product_height_cm * product_width_cm / 1000.0 as value
from shipments
inner join clean.products on shipments.product_id = products.product_id
where product_length_cm > 0",
        ),
        shares(
            "items_by_order",
            "Items of an order",
            "orders",
            Axis::Steps("items, 7 or more together"),
            "select least(n_items, 7) as bin, count(*) as weight from deliveries where n_items > 0 group by least(n_items, 7)",
        ),
        shares(
            "sellers_by_order",
            "Sellers of an order",
            "orders",
            Axis::Steps("sellers, 4 or more together"),
            "select least(n_sellers, 4) as bin, count(*) as weight from deliveries where n_sellers > 0 group by least(n_sellers, 4)",
        ),
        rates(
            "seller_size",
            "Items sold by the largest sellers",
            "items",
            Axis::Steps("% of sellers, the largest first"),
            Unit::Share,
            "
select
  bin,
  sum(case when place <= bin / 100.0 * n_sellers then n_items else 0 end) / cast(sum(n_items) as double) as value,
  1 as weight
from (
  select
    count(*) as n_items,
    row_number() over (order by count(*) desc nulls last, seller_id) as place,
    count(*) over () as n_sellers
  from shipments
  group by seller_id
) as sellers
cross join (select 1 as bin union all select 2 union all select 5 union all select 10 union all select 20 union all select 50) as steps
group by bin",
        ),
        rates(
            "product_popularity",
            "Items sold of the most popular products",
            "items",
            Axis::Steps("% of products, the most popular first"),
            Unit::Share,
            "
select
  bin,
  sum(case when place <= bin / 100.0 * n_products then n_items else 0 end) / cast(sum(n_items) as double) as value,
  1 as weight
from (
  select
    count(*) as n_items,
    row_number() over (order by count(*) desc nulls last, product_id) as place,
    count(*) over () as n_products
  from shipments
  group by product_id
) as products
cross join (select 1 as bin union all select 2 union all select 5 union all select 10 union all select 20 union all select 50) as steps
group by bin",
        ),
        shares(
            "sales_by_product",
            "Sales of a product",
            "products",
            Axis::Steps("items, 8 or more together"),
            "
select
  least(n_items, 8) as bin,
  count(*) as weight
from (select product_id, count(*) as n_items from shipments group by product_id) as products
group by least(n_items, 8)",
        ),
        numbers(
            "sales_by_seller",
            "Sales of a seller",
            "sellers",
            Unit::Count,
            Scale::Log,
            "select count(*) as value from shipments group by seller_id",
        ),
        numbers(
            "product_life",
            "From a product’s first to its last sale",
            "products sold ten times",
            Unit::Days,
            Scale::Linear,
            "
select (unix_timestamp(max(order_purchase_timestamp)) - unix_timestamp(min(order_purchase_timestamp))) / 86400.0 as value
from shipments
inner join orders on shipments.order_id = orders.order_id
group by product_id
having count(*) >= 10",
        ),
        numbers(
            "main_category",
            "A seller’s items in its main category",
            "sellers of twenty items",
            Unit::Share,
            Scale::Linear,
            "
select max(n_items) / cast(sum(n_items) as double) as value
from (
  select seller_id, category, count(*) as n_items from shipments group by seller_id, category
) as assortments
group by seller_id
having sum(n_items) >= 20",
        ),
    ],
};
