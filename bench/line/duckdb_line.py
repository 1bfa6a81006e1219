"""The line as an expert would write it for DuckDB: nine CSV files in, the clean and summary tables out, as zstd Parquet.

    python duckdb_line.py FOLDER OUTPUT [--threads 2] [--as-of 2018-10-30]

It has Entrega's tables and definitions (DESIGN section 5), and is held to the same numbers by `run.py --check`. What it
does not do: checks, quarantine, reconciliation, lineage, partitions, Delta commits; it cannot take the next drop either,
it starts from nothing every time. Rows are kept in DuckDB's own memory between the steps, the fastest way it has.
"""

import argparse
import pathlib

import duckdb

TEXT, TIME, MONEY = "VARCHAR", "TIMESTAMP", "DECIMAL(12,2)"

SOURCES = {
    "orders": ("olist_orders_dataset.csv", {
        "order_id": TEXT, "customer_id": TEXT, "order_status": TEXT, "order_purchase_timestamp": TIME,
        "order_approved_at": TIME, "order_delivered_carrier_date": TIME, "order_delivered_customer_date": TIME,
        "order_estimated_delivery_date": TIME}),
    "order_items": ("olist_order_items_dataset.csv", {
        "order_id": TEXT, "order_item_id": "INTEGER", "product_id": TEXT, "seller_id": TEXT,
        "shipping_limit_date": TIME, "price": MONEY, "freight_value": MONEY}),
    "order_payments": ("olist_order_payments_dataset.csv", {
        "order_id": TEXT, "payment_sequential": "INTEGER", "payment_type": TEXT, "payment_installments": "INTEGER",
        "payment_value": MONEY}),
    "order_reviews": ("olist_order_reviews_dataset.csv", {
        "review_id": TEXT, "order_id": TEXT, "review_score": "INTEGER", "review_comment_title": TEXT,
        "review_comment_message": TEXT, "review_creation_date": TIME, "review_answer_timestamp": TIME}),
    "customers": ("olist_customers_dataset.csv", {
        "customer_id": TEXT, "customer_unique_id": TEXT, "customer_zip_code_prefix": TEXT, "customer_city": TEXT,
        "customer_state": TEXT}),
    "products": ("olist_products_dataset.csv", {
        "product_id": TEXT, "product_category_name": TEXT, "product_name_length": "INTEGER",
        "product_description_length": "INTEGER", "product_photos_qty": "INTEGER", "product_weight_g": "INTEGER",
        "product_length_cm": "INTEGER", "product_height_cm": "INTEGER", "product_width_cm": "INTEGER"}),
    "sellers": ("olist_sellers_dataset.csv", {
        "seller_id": TEXT, "seller_zip_code_prefix": TEXT, "seller_city": TEXT, "seller_state": TEXT}),
    "geolocation": ("olist_geolocation_dataset.csv", {
        "zip_code_prefix": TEXT, "latitude": "DOUBLE", "longitude": "DOUBLE", "city": TEXT, "state": TEXT}),
    "categories": ("product_category_name_translation.csv", {
        "product_category_name": TEXT, "product_category_name_english": TEXT}),
}


def source(folder, name):
    """A typed scan of one source file, its line end taken from its header."""
    file, columns = SOURCES[name]
    with open(folder / file, "rb") as lines:
        line_end = "\\r\\n" if lines.readline().endswith(b"\r\n") else "\\n"
    types = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
    return (f"read_csv('{folder / file}', header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
            f"new_line = '{line_end}', nullstr = '', columns = {{{types}}})")


def city(column):
    """Lower case, without accents, blanks single; the costly functions only where a name needs them."""
    return f"""regexp_replace(strip_accents(lower(trim({column}))), ' {{2,}}', ' ', 'g')"""


def clean(folder):
    """(table, query) of the clean layer, in order."""
    scan = lambda name: source(folder, name)
    yield "clean_orders", f"""
        select *,
            order_purchase_timestamp::date as purchase_date,
            not (coalesce(order_delivered_carrier_date < order_approved_at, false)
                or coalesce(order_delivered_carrier_date < order_purchase_timestamp, false)
                or coalesce(order_delivered_customer_date < order_delivered_carrier_date, false)
                or (order_status = 'delivered' and order_delivered_customer_date is null)) as timeline_ok,
            date_trunc('month', order_purchase_timestamp)::date as purchase_month
        from {scan('orders')}"""
    for name in ["order_items", "order_payments", "order_reviews"]:
        yield f"clean_{name}", f"""
            select children.*, orders.purchase_month
            from {scan(name)} children join clean_orders orders using (order_id)"""
    yield "clean_customers", f"""
        select customers.* replace ({city('customer_city')} as customer_city,
                lpad(customer_zip_code_prefix, 5, '0') as customer_zip_code_prefix),
            orders.purchase_month
        from {scan('customers')} customers join clean_orders orders using (customer_id)"""
    yield "clean_sellers", f"""
        select * replace ({city('seller_city')} as seller_city,
            lpad(seller_zip_code_prefix, 5, '0') as seller_zip_code_prefix)
        from {scan('sellers')}"""
    yield "clean_categories", f"select * from {scan('categories')}"
    yield "clean_products", f"""
        select products.* replace (nullif(product_weight_g, 0) as product_weight_g),
            coalesce(categories.product_category_name_english, product_category_name, 'unknown') as category
        from {scan('products')} products left join clean_categories categories using (product_category_name)"""
    yield "clean_geolocation", f"""
        with points as (
            select distinct zip_code_prefix, latitude, longitude
            from {scan('geolocation')}
            where latitude between -33.76 and 5.28 and longitude between -73.99 and -34.79
        )
        select zip_code_prefix, median(latitude) as latitude, median(longitude) as longitude, count(*) as n_points
        from points group by all"""
    yield "clean_shipments", """
        select items.order_id, items.order_item_id, items.product_id, items.seller_id,
            coalesce(sellers.seller_state, 'unknown') as seller_state,
            coalesce(products.category, 'unknown') as category,
            items.shipping_limit_date, items.price, items.freight_value,
            orders.order_delivered_carrier_date > items.shipping_limit_date as handover_missed,
            items.purchase_month
        from clean_order_items items
        join clean_orders orders using (order_id)
        left join clean_sellers sellers using (seller_id)
        left join clean_products products using (product_id)"""
    yield "seller_items", """
        select order_id, seller_id, count(*) as n_items, sum(price) as price, sum(freight_value) as freight_value,
            max(shipping_limit_date) as shipping_limit_date,
            max((price * 100)::bigint * 1000000 - order_item_id) as main_rank,
            arg_max(category, (price * 100)::bigint * 1000000 - order_item_id) as category,
            any_value(seller_state) as seller_state
        from clean_shipments group by order_id, seller_id"""
    yield "clean_deliveries", """
        with items as (
            select order_id, sum(n_items)::integer as n_items, count(*)::integer as n_sellers,
                sum(price)::decimal(12,2) as price, sum(freight_value)::decimal(12,2) as freight_value,
                max(shipping_limit_date) as shipping_limit_date,
                arg_max(seller_id, main_rank) as seller_id,
                arg_max(category, main_rank) as category,
                arg_max(seller_state, main_rank) as seller_state
            from seller_items group by order_id
        ), payments as (
            select order_id, sum(payment_value)::decimal(12,2) as payment_value,
                arg_max(payment_type, (coalesce(payment_value, -1) * 100)::bigint * 1000000 - payment_sequential) as payment_type
            from clean_order_payments group by order_id
        ), reviews as (
            select order_id,
                arg_max(review_score, coalesce(review_answer_timestamp::varchar, '') || review_id) as review_score
            from clean_order_reviews group by order_id
        ), located_sellers as (
            select seller_id, radians(latitude) as seller_latitude, radians(longitude) as seller_longitude
            from clean_sellers join clean_geolocation on seller_zip_code_prefix = zip_code_prefix
        ), located_customers as (
            select customers.*, radians(latitude) as customer_latitude, radians(longitude) as customer_longitude
            from clean_customers customers left join clean_geolocation on customer_zip_code_prefix = zip_code_prefix
        )
        select orders.order_id, orders.order_status, orders.customer_id, customers.customer_unique_id,
            order_purchase_timestamp, order_approved_at, order_delivered_carrier_date, order_delivered_customer_date,
            order_estimated_delivery_date, purchase_date,
            coalesce(customers.customer_state, 'unknown') as customer_state, customers.customer_city,
            customers.customer_zip_code_prefix,
            coalesce(items.category, 'none') as category, coalesce(items.seller_id, 'none') as seller_id,
            coalesce(items.seller_state, 'none') as seller_state,
            coalesce(n_items, 0) as n_items, coalesce(n_sellers, 0) as n_sellers, price, freight_value,
            shipping_limit_date, payment_value, payment_type, review_score,
            case when order_approved_at >= order_purchase_timestamp
                then epoch(order_approved_at)::bigint - epoch(order_purchase_timestamp)::bigint end as approval_seconds,
            case when order_delivered_carrier_date >= order_approved_at
                then epoch(order_delivered_carrier_date)::bigint - epoch(order_approved_at)::bigint end as handling_seconds,
            case when order_delivered_customer_date >= order_delivered_carrier_date
                then epoch(order_delivered_customer_date)::bigint - epoch(order_delivered_carrier_date)::bigint end as transit_seconds,
            case when order_delivered_customer_date >= order_purchase_timestamp
                then epoch(order_delivered_customer_date)::bigint - epoch(order_purchase_timestamp)::bigint end as delivery_seconds,
            delivery_seconds / 86400.0::double as delivery_days,
            case when order_estimated_delivery_date::date >= purchase_date
                then order_estimated_delivery_date::date - purchase_date end as promised_days,
            order_delivered_customer_date::date - order_estimated_delivery_date::date as delay_days,
            order_delivered_customer_date::date > order_estimated_delivery_date::date as is_late,
            order_delivered_customer_date > order_estimated_delivery_date as is_late_by_timestamp,
            order_delivered_carrier_date > shipping_limit_date as handover_missed,
            round(2 * 6371.0088 * asin(sqrt(sin((seller_latitude - customer_latitude) / 2) ** 2
                + cos(customer_latitude) * cos(seller_latitude)
                * sin((seller_longitude - customer_longitude) / 2) ** 2)), 3) as distance_km,
            orders.purchase_month
        from clean_orders orders
        left join located_customers customers using (customer_id)
        left join items using (order_id)
        left join located_sellers sellers on items.seller_id = sellers.seller_id
        left join payments using (order_id)
        left join reviews using (order_id)"""


MEASURES = ["freight_value", "canceled", "unavailable", "approved", "handed_over", "handover_missed", "handling_seconds",
            "handling_count", "delivered", "delivered_late", "delivery_seconds", "delivery_count", "delay_days",
            "transit_seconds", "transit_count", "due", "due_missed", "reviews", "review_score"]


def daily(keys, facts, reviews, as_of, items=False):
    """Additive measures by day and `keys`: each kind of event summed on its own day, then laid together."""
    measures = ["purchased", *(["items"] if items else []), "price", *MEASURES]
    kind = lambda name: "decimal(22,2)" if name in ("price", "freight_value") else "bigint"
    sums = ", ".join(f"coalesce(sum({name}), 0)::{kind(name)} as {name}" for name in measures)
    return f"""
        with facts as ({facts}),
        events as (
            select purchase_date as date, {keys}, count(*) as purchased, {'sum(n_items) as items,' if items else ''}
                sum(price) as price, sum(freight_value) as freight_value,
                count(*) filter (order_status = 'canceled') as canceled,
                count(*) filter (order_status = 'unavailable') as unavailable
            from facts group by all
            union all by name
            select order_approved_at::date as date, {keys}, count(*) as approved
            from facts where date is not null group by all
            union all by name
            select order_delivered_carrier_date::date as date, {keys}, count(*) as handed_over,
                count(*) filter (handover_missed) as handover_missed,
                sum(handling_seconds) as handling_seconds, count(handling_seconds) as handling_count
            from facts where date is not null group by all
            union all by name
            select order_delivered_customer_date::date as date, {keys}, count(*) as delivered,
                count(*) filter (is_late) as delivered_late,
                sum(delivery_seconds) as delivery_seconds, count(delivery_seconds) as delivery_count,
                sum(delay_days) as delay_days, sum(transit_seconds) as transit_seconds, count(transit_seconds) as transit_count
            from facts where date is not null group by all
            union all by name
            select order_estimated_delivery_date::date as date, {keys}, count(*) as due,
                count(*) filter (order_delivered_customer_date is null or is_late) as due_missed
            from facts where order_status not in ('canceled', 'unavailable') and date < date '{as_of}' group by all
            union all by name
            select review_creation_date::date as date, {keys}, count(*) as reviews, sum(reviews.review_score) as review_score
            from clean_order_reviews reviews join {reviews} using (order_id)
            where date is not null group by all
        )
        select date, {keys}, {sums}, date_trunc('month', date)::date as month
        from events group by date, {keys}"""


def summary(as_of):
    """(table, query) of the summary layer."""
    deliveries = "from clean_deliveries"
    yield "summary_delivery_daily", daily("customer_state, category", deliveries, "clean_deliveries", as_of)
    yield "summary_route_daily", daily("seller_state, customer_state", deliveries, "clean_deliveries", as_of)
    by_seller = """
        select orders.* exclude (seller_id, seller_state, category, n_items, price, freight_value, shipping_limit_date, handover_missed),
            items.seller_id, items.n_items, items.price, items.freight_value,
            orders.order_delivered_carrier_date > items.shipping_limit_date as handover_missed
        from seller_items items join clean_deliveries orders using (order_id)"""
    yield "summary_seller_daily", daily("seller_id", by_seller, "seller_items", as_of, items=True)
    yield "summary_delivery_days_daily", """
        select order_delivered_customer_date::date as date, customer_state, floor(delivery_days)::integer as delivery_days,
            count(*) as delivered, date_trunc('month', date)::date as month
        from clean_deliveries where delivery_days is not null group by all"""
    yield "summary_late_to_carrier", """
        select shipments.order_id, order_item_id, seller_id, shipping_limit_date, price, freight_value, product_id,
            product_category_name, customer_id, order_status, order_purchase_timestamp, order_delivered_carrier_date,
            order_delivered_customer_date, order_estimated_delivery_date, shipments.purchase_month
        from clean_shipments shipments join clean_orders orders using (order_id) left join clean_products using (product_id)
        where handover_missed"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="folder of the nine CSV files")
    parser.add_argument("output", type=pathlib.Path, help="folder for the Parquet files")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--as-of", default="2018-10-30", help="due counts the days before this one")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute(f"set threads = {arguments.threads}; set preserve_insertion_order = false")

    def export(table_or_query, name):
        target = arguments.output / f"{name.replace('_', '.', 1)}.parquet"
        connection.execute(f"copy {table_or_query} to '{target}' (format parquet, compression zstd, compression_level 1)")

    for name, query in clean(arguments.folder):
        connection.execute(f"create temp table {name} as {query}")
        if name.startswith("clean_"):
            export(name, name)
    for name, query in summary(arguments.as_of):
        export(f"({query})", name)


if __name__ == "__main__":
    main()
