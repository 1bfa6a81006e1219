"""Fits the simulated shop to the real one: the Olist zip in, `shop.json` out.

    python calibration/fit.py --source brazilian-ecommerce.zip > crates/entrega-source/src/simulate/shop.json

Only what comes out is committed, never a row of what goes in: shares, quantiles, coefficients. Each part of the file says
in its key what it is; units are days, kilometres, grams and reais. Quantile tables hold 33 values at the probabilities
(i + 0.5) / 33, so that a draw between the first and the last is an interpolation. Needs Python 3.9, `duckdb`, `numpy` and
`pandas`.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
import tempfile
import zipfile

import duckdb
import numpy as np
import pandas as pd

POINTS = 33
PROBABILITIES = [(i + 0.5) / POINTS for i in range(POINTS)]
FILES = {
    "orders": "olist_orders_dataset", "items": "olist_order_items_dataset", "payments": "olist_order_payments_dataset",
    "reviews": "olist_order_reviews_dataset", "customers": "olist_customers_dataset", "sellers": "olist_sellers_dataset",
    "products": "olist_products_dataset", "points": "olist_geolocation_dataset", "names": "product_category_name_translation",
}
TEXT = {"customer_zip_code_prefix": "VARCHAR", "seller_zip_code_prefix": "VARCHAR", "geolocation_zip_code_prefix": "VARCHAR"}


def rounded(value, digits=4):
    """Plain JSON numbers with few digits: a parameter is not more exact than that."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray, pd.Series)):
        return [rounded(item, digits) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{digits}g}")
    if isinstance(value, np.integer):
        return int(value)
    return value


def quantiles(values):
    return np.quantile(np.asarray(values, dtype=float), PROBABILITIES).tolist()


def shares(counts):
    counts = np.asarray(counts, dtype=float)
    return (counts / counts.sum()).tolist()


def least_squares(columns, target):
    """Coefficients of a linear model with intercept, and its residuals."""
    design = np.column_stack([np.ones(len(target))] + columns)
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    return coefficients, target - design @ coefficients


def latent_spread(counts):
    """How unevenly things sell that were counted: the spread (of logarithms) of a lognormal rate, and how many things there
    are for each that was sold at all. Counts are Poisson draws of the rates, so those of few sales say little one by one."""
    counts = np.asarray(counts)
    seen, total = len(counts), counts.sum()
    points, weights = np.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()
    steps = np.array([1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 80, 120])
    observed = np.array([(counts <= step).mean() for step in steps])
    factorial = np.array([math.lgamma(k + 1) for k in range(steps[-1] + 1)])
    best = None
    for sigma in np.arange(0.6, 3.01, 0.05):
        low, high = 1.0, 30.0
        for _ in range(40):
            surplus = math.sqrt(low * high)
            rates = total / (seen * surplus) * np.exp(sigma * points - sigma * sigma / 2)
            never = float(weights @ np.exp(-rates))
            low, high = (surplus, high) if surplus * (1 - never) < 1 else (low, surplus)
        chances = np.exp(np.outer(np.log(rates), np.arange(steps[-1] + 1)) - rates[:, None] - factorial)
        below = np.cumsum((weights @ chances)[1:]) / (1 - never)
        if surplus > 3:  # More things that never sell would only cost memory.
            break
        gap = float(np.abs(below[steps - 1] - observed).max())
        best = min(best or (math.inf,), (gap, sigma, surplus))
    return best[1:]


def between_share(values, groups, least=5):
    """Which share of a variance lies between groups of at least so many, and not within them."""
    size = values.groupby(groups).transform("count")
    large, owner = values[size >= least], groups[size >= least]
    within = large - large.groupby(owner).transform("mean")
    variance = float((within ** 2).sum() / (len(large) - owner.nunique()))
    return max(0.0, 1 - variance / float(large.var()))


def lifetimes(lives, ended):
    """Quantiles of lives of which some had not ended when they were last seen (Kaplan and Meier)."""
    order = np.argsort(lives)
    lives, ended = np.asarray(lives)[order], np.asarray(ended)[order]
    alive = np.cumprod(1 - ended / np.arange(len(lives), 0, -1))
    place = np.searchsorted(1 - alive, PROBABILITIES)
    return lives[np.minimum(place, len(lives) - 1)].tolist()


class Source:
    def __init__(self, path):
        self.db = duckdb.connect()
        folder = pathlib.Path(path)
        if folder.is_file():
            self.kept = tempfile.TemporaryDirectory()
            folder = pathlib.Path(self.kept.name)
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        for name, file in FILES.items():
            columns = {column: kind for column, kind in TEXT.items() if column.startswith(
                {"customers": "customer", "sellers": "seller", "points": "geolocation"}.get(name, "-"))}
            kinds = f", types={columns}" if columns else ""
            self.db.execute(f"create table {name} as select * from read_csv('{folder / file}.csv', header=true{kinds})")
        self.db.execute("""
            create table places as
            select geolocation_zip_code_prefix as prefix, median(geolocation_lat) as lat, median(geolocation_lng) as lng,
                   count(*) as points
            from points where geolocation_lat between -33.76 and 5.28 and geolocation_lng between -73.99 and -34.79
            group by 1""")
        self.db.execute("""
            create table facts as
            with main as (
              select order_id, arg_max(seller_id, price) as seller_id, arg_max(product_id, price) as product_id,
                     sum(price) as price, sum(freight_value) as freight, count(*) as n_items, max(shipping_limit_date) as limit_date
              from items group by 1)
            select o.*, main.*exclude(order_id), c.customer_state, s.seller_state, c.customer_zip_code_prefix, s.seller_zip_code_prefix,
              epoch(order_approved_at - order_purchase_timestamp) / 86400 as approval,
              epoch(order_delivered_carrier_date - order_approved_at) / 86400 as handling,
              epoch(order_delivered_customer_date - order_delivered_carrier_date) / 86400 as transit,
              datediff('day', order_purchase_timestamp::date, order_estimated_delivery_date::date) as promised,
              datediff('day', order_estimated_delivery_date::date, order_delivered_customer_date::date) as delay,
              2 * 6371.0088 * asin(sqrt(pow(sin(radians(b.lat - a.lat) / 2), 2)
                + cos(radians(a.lat)) * cos(radians(b.lat)) * pow(sin(radians(b.lng - a.lng) / 2), 2))) as distance,
              pr.product_weight_g as weight, coalesce(pr.product_category_name, '') as category
            from orders o
            left join main using (order_id)
            left join customers c using (customer_id)
            left join sellers s using (seller_id)
            left join products pr using (product_id)
            left join places a on a.prefix = c.customer_zip_code_prefix
            left join places b on b.prefix = s.seller_zip_code_prefix""")

    def frame(self, query):
        return self.db.sql(query).df()


def demand(source):
    """When orders are bought: growth by month, rhythm of the week and the day, how much days differ, Black Friday."""
    days = source.frame("""
        select order_purchase_timestamp::date as day, count(*) as n from orders
        where order_purchase_timestamp between '2017-01-05' and '2018-08-20' group by 1 order by 1""")
    days["day"] = pd.to_datetime(days["day"])
    weekday = days.groupby(days.day.dt.day_of_week).n.mean()
    weekday = weekday / weekday.mean()
    month = days.groupby(days.day.dt.strftime("%Y-%m")).n.mean()
    friday = pd.Timestamp("2017-11-24")
    expected = days.set_index("day").n.rolling(57, center=True, min_periods=20).median()
    by_day = days.set_index("day").n / expected / days.set_index("day").index.day_of_week.map(weekday).to_numpy()
    black_friday = [float(by_day[friday + pd.Timedelta(days=k)]) for k in range(-1, 6)]
    month["2017-11"] = float(expected[friday])
    ordinary = by_day[[abs((day - friday).days) > 7 for day in by_day.index]]
    hours = source.frame("""
        select dayofweek(order_purchase_timestamp) as weekday, hour(order_purchase_timestamp) as hour, count(*) as n
        from orders group by 1, 2""")
    table = hours.pivot(index="weekday", columns="hour", values="n").fillna(0)
    return {
        "growth_by_month": (month / month.mean()).tolist(),
        "weekday_monday_first": weekday.tolist(),
        "hour_share_monday_first": [shares(table.loc[(day + 1) % 7]) for day in range(7)],
        "black_friday_from_the_day_before": black_friday,
        # By the median, so that holidays and outages are not taken for everyday noise.
        "day_log_sigma": float(1.4826 * np.median(np.abs(np.log(ordinary)))),
        "christmas_share": float(by_day[pd.Timestamp("2017-12-25")]),
    }


def regions(source):
    """Zip regions (first two digits): how many customers, how much is sold, where they lie, how far they spread, which cities."""
    frame = source.frame("""
        with places_in as (
          select left(prefix, 2) as region, median(lat) as lat, median(lng) as lng, stddev(lat) as lat_sigma,
                 stddev(lng) as lng_sigma, count(*) as prefixes, min(prefix) as first, max(prefix) as last,
                 avg(points) as points from places group by 1),
        buyers as (
          select left(customer_zip_code_prefix, 2) as region, mode(customer_state) as state, count(*) as customers
          from customers group by 1),
        partners as (
          select left(seller_zip_code_prefix, 2) as region, count(*) as sellers
          from items join sellers using (seller_id) group by 1)
        select region, state, customers, coalesce(sellers, 0) as sellers, lat, lng, lat_sigma, lng_sigma, prefixes,
               first::int as first, last::int as last, points
        from buyers join places_in using (region) left join partners using (region) order by region""")
    cities = source.frame("""
        select region, city, n from (
          select left(customer_zip_code_prefix, 2) as region, customer_city as city, count(*) as n,
                 row_number() over (partition by left(customer_zip_code_prefix, 2) order by count(*) desc, customer_city) as place
          from customers group by 1, 2) where place <= 24 order by region, place""")
    out = []
    for row in frame.itertuples():
        own = cities[cities.region == row.region]
        out.append({
            "region": row.region, "state": row.state, "customers": int(row.customers), "sellers": int(row.sellers),
            "latitude": row.lat, "longitude": row.lng, "latitude_sigma": row.lat_sigma, "longitude_sigma": row.lng_sigma,
            "prefixes": int(row.prefixes), "first_prefix": int(row.first), "last_prefix": int(row.last),
            "points_per_prefix": row.points, "cities": own.city.tolist(), "city_shares": shares(own.n),
        })
    return out


def categories(source):
    """Categories: share of orders, price of what is sold and weight of products (logarithms), size, text lengths."""
    frame = source.frame("""
        with sold as (
          select product_id, count(*) as n, median(price) as price, stddev(ln(price)) as wobble from items group by 1)
        select coalesce(product_category_name, '') as name, max(product_category_name_english) as english,
               sum(n) as items, count(*) as products,
               sum(n * ln(price)) / sum(n) as price_mean,
               sqrt(greatest(sum(n * ln(price) * ln(price)) / sum(n) - pow(sum(n * ln(price)) / sum(n), 2), 0)) as price_sigma,
               avg(ln(product_weight_g + 1)) as weight_mean, stddev(ln(product_weight_g + 1)) as weight_sigma,
               median(product_length_cm) as length, median(product_height_cm) as height, median(product_width_cm) as width,
               avg(product_photos_qty) as photos, avg(product_name_lenght) as name_length,
               avg(ln(product_description_lenght)) as description_mean
        from products left join names using (product_category_name) join sold using (product_id)
        group by 1 order by items desc""")
    frame = frame.fillna({"price_sigma": 0.5, "weight_sigma": 0.5, "photos": 2, "name_length": 48, "description_mean": 6.4})
    return [{
        "name": row.name, "english": None if pd.isna(row.english) else row.english, "items": int(row.items),
        "products": int(row.products), "log_price": [row.price_mean, row.price_sigma],
        "log_weight": [row.weight_mean, row.weight_sigma], "size": [row.length, row.height, row.width],
        "photos": row.photos, "name_length": row.name_length, "log_description_length": row.description_mean,
    } for row in frame.rename(columns={"name": "name"}).itertuples(index=False)]


def baskets(source):
    counts = source.frame("select n, count(*) as c from (select count(*) as n from items group by order_id) group by 1 order by 1")
    kinds = source.frame("""
        select count(*) filter (products = 1) / count(*) as one_product, count(*) filter (products > 1 and sellers = 1)
          / count(*) filter (products > 1) as one_seller
        from (select count(distinct product_id) as products, count(distinct seller_id) as sellers from items
              group by order_id having count(*) > 1)""").iloc[0]
    size = counts[counts.n <= 10]
    again = source.frame("select count(*) - count(distinct customer_unique_id) as again, count(*) as n from customers").iloc[0]
    none = source.frame("select count(*) filter (n_items is null) / count(*) from facts where order_status = 'unavailable'").iloc[0, 0]
    wait = source.frame("""
        select epoch(b.order_purchase_timestamp - a.order_purchase_timestamp) / 86400 as days from
          (select *, row_number() over (partition by customer_unique_id order by order_purchase_timestamp) as k
           from orders join customers using (customer_id)) a
        join (select *, row_number() over (partition by customer_unique_id order by order_purchase_timestamp) as k
           from orders join customers using (customer_id)) b
          on a.customer_unique_id = b.customer_unique_id and b.k = a.k + 1""")
    weighed = source.frame("""
        with sold as (select product_id, median(price) as price from items group by 1)
        select product_category_name as category, ln(price) as price, ln(product_weight_g + 1) as weight
        from products join sold using (product_id) where product_weight_g > 0 and product_category_name is not null""")
    # Logarithms of price and weight, without their category's mean: how much of what is left is the seller's own.
    goods = source.frame("""
        select seller_id, coalesce(product_category_name, '') as category, ln(median(price)) as price,
               ln(any_value(product_weight_g) + 1) as weight
        from items join products using (product_id) where product_weight_g > 0 group by seller_id, category, product_id""")
    for column in ("price", "weight"):
        goods[column] -= goods.groupby("category")[column].transform("mean")
    assortment = source.frame("""
        select max(n) / sum(n) as main from (
          select seller_id, product_category_name as category, count(distinct product_id) as n
          from items join products using (product_id) group by 1, 2) group by seller_id having sum(n) >= 10""").main
    inside = weighed.groupby("category")[["price", "weight"]].transform(lambda column: column - column.mean())
    cents = source.frame("select round(price * 100)::int % 100 as cents, count(*) as n from items group by 1 order by 2 desc limit 6")
    sales = source.frame("select seller_id, ln(count(*)) as sold, count(*) as n from items group by seller_id, product_id")
    volume = sales.n
    offers = sales.groupby("seller_id").sold.agg(["mean", "count"]).query("count >= 5")
    sellers = source.frame("select count(distinct product_id) as n from items group by seller_id").n
    product_sigma, product_surplus = latent_spread(volume)
    seller_sigma, seller_surplus = latent_spread(sellers)
    sides = source.frame("""
        select coalesce(product_category_name, '') as category, ln(product_weight_g) as weight, ln(product_length_cm) as length,
               ln(product_height_cm) as height, ln(product_width_cm) as width
        from products where product_weight_g > 0 and product_length_cm > 0""")
    sides = sides.drop(columns="category") - sides.drop(columns="category").groupby(sides.category).transform("mean")
    slopes = [float(np.polyfit(sides.weight, sides[side], 1)[0]) for side in ("length", "height", "width")]
    noise = [float((sides[side] - slope * sides.weight).std()) for side, slope in zip(("length", "height", "width"), slopes)]
    return {
        "side_log_weight_slope_sigma": list(zip(slopes, noise)),
        "items_share": shares(size.c), "one_product": kinds.one_product, "one_seller": kinds.one_seller,
        "buys_again": again.again / again.n, "buys_again_days": quantiles(wait.days),
        "price_weight_correlation": float(inside.corr().iloc[0, 1]),
        "cents": cents.cents.tolist(), "cents_share": (cents.n / source.frame("select count(*) from items").iloc[0, 0]).tolist(),
        "price_between_sellers": between_share(goods.price, goods.seller_id),
        "volume_between_sellers": between_share(sales.sold, sales.seller_id),
        "volume_size_correlation": float(np.corrcoef(offers["mean"], np.log(offers["count"]))[0, 1]),
        "weight_between_sellers": between_share(goods.weight, goods.seller_id), "main_category_share": quantiles(assortment),
        "unavailable_without_items": none, "product_log_volume_sigma": product_sigma, "product_surplus": product_surplus,
        "seller_log_products_sigma": seller_sigma, "seller_surplus": seller_surplus, **seasons(source), "products": int(len(volume)), "sellers": int(len(sellers)),
        "orders": int(source.frame("select count(*) from orders").iloc[0, 0]),
    }


def seasons(source):
    """When sellers and products come and go, as shares of the days that the shop is seen. Of things that sell often enough
    to tell; first and last sale lie a gap inside the time in which a thing is on sale."""
    rows = source.frame("""
        select product_id, seller_id, epoch(order_purchase_timestamp - timestamp '2017-01-01') / 86400 / 596 as moment
        from items join orders using (order_id) where order_purchase_timestamp between '2017-01-01' and '2018-08-20'""")
    def stays(by):
        seen = rows.groupby(by).moment.agg(["min", "max", "count"])
        seen = seen[seen["count"] >= 10]
        gap = (seen["max"] - seen["min"]) / (seen["count"] - 1)
        ended = seen["max"] + 3 * gap < 1
        return (seen["min"] - gap).clip(lower=0), (seen["max"] + gap).where(ended, 1.0), ended
    born, died, ended = stays("product_id")
    opened, _, _ = stays("seller_id")
    owner = rows.drop_duplicates("product_id").set_index("product_id").seller_id
    first = opened.reindex(owner.reindex(born.index)).to_numpy()
    waited = ((born - first) / (1 - first)).dropna().clip(lower=0)
    return {"seller_opens_share": quantiles(opened), "product_follows_share_of_the_rest": quantiles(waited),
            "product_stays_share": lifetimes((died - born).to_numpy(), ended.to_numpy())}


def payments(source):
    first = source.frame("""
        select payment_type as type, count(*) as n from payments
        where payment_sequential = 1 and payment_type <> 'not_defined' group by 1 order by 1""")
    by_value = source.frame("""
        select least(floor(ln(payment_value + 1) * 2)::int, 15) as band, payment_installments as k, count(*) as n from payments
        where payment_type = 'credit_card' and payment_installments between 1 and 10 group by 1, 2""")
    table = by_value.pivot(index="band", columns="k", values="n").reindex(index=range(4, 16), columns=range(1, 11)).fillna(0) + 0.5
    extra = source.frame("select n, count(*) as c from (select count(*) as n from payments group by order_id) where n <= 10 group by 1 order by 1")
    approval = {}
    for kind in first.type:
        rows = source.frame(f"""
            select approval from facts join payments using (order_id)
            where payment_sequential = 1 and payment_type = '{kind}' and approval >= 0""")
        approval[kind] = quantiles(rows.approval)
    return {
        "types": first.type.tolist(), "type_share": shares(first.n),
        "installments_share_by_half_log_value_from_4": [shares(row) for row in table.to_numpy()],
        "count_share": shares(extra.c), "approval_days": approval,
    }


def freight(source):
    """What carriage costs by distance, weight, price and the customer's state, against São Paulo."""
    rows = source.frame("""
        select freight / n_items as freight, price / n_items as price, distance, weight, customer_state from facts
        where freight > 0 and distance > 0 and weight > 0""")
    states = sorted(set(rows.customer_state) - {"SP"})
    coefficients, residuals = least_squares(
        [np.log(rows.distance.to_numpy() + 20), np.log(rows.weight.to_numpy() / 1000 + 1), np.log(rows.price.to_numpy())]
        + [(rows.customer_state == state).to_numpy(float) for state in states], np.log(rows.freight.to_numpy()))
    return {"intercept_log_distance_log_weight_log_price": coefficients[:4].tolist(),
            "state": dict(zip(states, coefficients[4:].tolist())), "log_noise": quantiles(residuals),
            "free_share": source.frame("select avg((freight_value = 0)::int) from items").iloc[0, 0]}


def hours_of_week(source, column):
    """How much happens in each hour of the week, from Monday on."""
    counts = source.frame(f"""
        select (dayofweek({column}) + 6) % 7 * 24 + hour({column}) as h, count(*) as n from orders
        where {column} is not null group by 1""")
    return shares(counts.set_index("h").n.reindex(range(168)).fillna(0))


def working_days(start, end, hours):
    """Days from one moment to another in time that runs as fast as things happen: a week is a week, nights are short."""
    reached = np.concatenate([[0.0], np.cumsum(hours)])
    def worked(moments):
        clock = (moments - pd.Timestamp("2016-01-04")).dt.total_seconds().to_numpy() / (7 * 86400)
        return np.floor(clock) + np.interp((clock - np.floor(clock)) * 168, np.arange(169), reached)
    return 7 * (worked(end) - worked(start))


def times(source):
    """Handling, transit and promise: how distance, state, seller and season make them, and what is left over."""
    rows = source.frame("""
        select *, strftime(order_purchase_timestamp, '%Y-%m') as month, order_delivered_carrier_date::date as handed
        from facts where order_purchase_timestamp between '2017-01-05' and '2018-08-20' and distance is not null
          and handling > 0 and transit > 0 and order_status = 'delivered'""")
    by_hand, by_door = hours_of_week(source, "order_delivered_carrier_date"), hours_of_week(source, "order_delivered_customer_date")
    rows["handling"] = working_days(rows.order_approved_at, rows.order_delivered_carrier_date, by_hand)
    rows["transit"] = working_days(rows.order_delivered_carrier_date, rows.order_delivered_customer_date, by_door)
    states = sorted(rows.customer_state.unique())
    far = np.log(rows.distance.to_numpy() + 20)
    log_handling = np.log(rows.handling.to_numpy().clip(0.05))
    by_month = pd.Series(log_handling).groupby(rows.month).mean()
    log_handling = log_handling - by_month.reindex(rows.month).to_numpy()
    by_seller = pd.Series(log_handling).groupby(rows.seller_id).agg(["mean", "count"])
    large = by_seller[by_seller["count"] >= 30]
    within = pd.Series(log_handling - large["mean"].reindex(rows.seller_id).to_numpy()).dropna()
    # Working days from approval to the limit (holidays count as working days here, few as they are).
    after = lambda column: column.to_numpy().astype("datetime64[D]") + 1
    allowed = np.busday_count(after(rows.order_approved_at), after(rows.limit_date))
    allowed = pd.Series(allowed).clip(lower=1)
    log_allowed = np.log(allowed)
    own = pd.DataFrame({"handling": log_handling, "limit": log_allowed})[rows.seller_id.isin(large.index)]
    own = own - own.groupby(rows.seller_id).transform("mean")
    habit = log_allowed.groupby(rows.seller_id).mean().reindex(large.index)
    calendar = np.log((rows.limit_date.dt.normalize() - rows.order_approved_at.dt.normalize()).dt.days.clip(lower=1).to_numpy())
    dummies = [(rows.customer_state == state).to_numpy(float) for state in states if state != "SP"]
    transit, left = least_squares([far] + dummies, np.log(rows.transit.to_numpy().clip(0.2)))
    # What carriers learn over seasons, by the median over seven months: storms and strikes are shorter.
    seasonal = pd.Series(left).groupby(rows.month).median().rolling(7, center=True, min_periods=4).median()
    left = left - seasonal.reindex(rows.month).to_numpy()
    handed = pd.Series(left).groupby(rows.handed).agg(["mean", "count"])
    handed = handed[handed["count"] >= 20]["mean"]
    sizes = pd.Series(1, index=rows.handed).groupby(level=0).sum().reindex(handed.index)
    steps = handed.to_numpy()
    rho = float(np.corrcoef(steps[1:], steps[:-1])[0, 1])
    load = np.log(sizes.rolling(7, min_periods=3).mean() / sizes.rolling(56, min_periods=14).mean()).fillna(0)
    pull = float(np.polyfit(load.to_numpy(), steps, 1)[0])
    rest = left - handed.reindex(rows.handed).fillna(0).to_numpy()
    # How far the unlucky wait beyond the others, by state: strikes and raids on the road are not everywhere alike.
    unlucky = pd.Series(rest).groupby(rows.customer_state).quantile(0.95)[rows.customer_state.value_counts()[lambda n: n >= 300].index]
    promise, promise_left = least_squares([far, calendar] + dummies, np.log(rows.promised.to_numpy().clip(2)))
    drift = pd.Series(promise_left).groupby(rows.month).mean()
    promise_rest = promise_left - drift.reindex(rows.month).to_numpy()
    together = float(np.corrcoef(rest, promise_rest)[0, 1])
    state_effect = dict(zip([state for state in states if state != "SP"], transit[2:].tolist()))
    promise_effect = dict(zip([state for state in states if state != "SP"], promise[3:].tolist()))
    return {
        "handling_log_mean": float(by_month.mean()),
        "handling_seller_sigma": math.sqrt(between_share(pd.Series(log_handling), rows.seller_id, 30) * float(np.var(log_handling))),
        "handling_log_noise": quantiles(within),
        "handling_by_growth_month": (by_month - by_month.mean()).tolist(),
        "transit_intercept_log_distance": transit[:2].tolist(), "transit_state": state_effect, "transit_log_noise": quantiles(rest),
        "network_day_correlation": rho, "network_day_sigma": float(np.std(steps)), "network_load_pull": pull,
        "transit_between_sellers": between_share(pd.Series(rest), rows.seller_id, 30), "transit_log_sigma": float(np.std(rest)),
        "transit_spread_by_state": (unlucky / float(np.quantile(rest, 0.95))).to_dict(),
        "transit_log_drift_by_growth_month": seasonal.tolist(),
        "promise_intercept_log_distance_log_limit": promise[:3].tolist(), "promise_state": promise_effect,
        "promise_log_noise": quantiles(promise_rest), "promise_log_drift_by_growth_month": drift.tolist(),
        "promise_transit_correlation": together,
        "handover_hour_of_week_share": by_hand,
        "delivery_hour_of_week_share": by_door,
        "limit_working_days": quantiles(allowed), "limit_between_sellers": between_share(log_allowed, rows.seller_id, 30),
        "limit_handling_correlation": float(own.corr().iloc[0, 1]), "limit_slowness_correlation": float(np.corrcoef(habit, large["mean"])[0, 1]),
    }


def ends(source):
    counts = source.frame("select order_status as status, count(*) as n from orders where order_purchase_timestamp < '2018-08-20' group by 1 order by 1")
    total = counts.n.sum()
    return {row.status: row.n / total for row in counts.itertuples() if row.status != "delivered"}


def reviews(source):
    joined = """
        with one as (select *, row_number() over (partition by order_id order by review_answer_timestamp) as k from reviews)
        select r.*, f.delay, f.order_delivered_customer_date as delivered, f.order_estimated_delivery_date as promised,
               f.order_purchase_timestamp as bought
        from one r join facts f using (order_id)"""
    rows = source.frame(joined)
    bands = [-10, 0, 1, 2, 3, 5, 8, 14, 1000]
    band = np.searchsorted(bands, rows.delay.fillna(2000).to_numpy(), side="left")
    scores = [[int(((band == k) & (rows.review_score == score)).sum()) + 0.5 for score in range(1, 6)] for k in range(len(bands) + 1)]
    effects = score_effects(source, bands)
    after = (rows.review_creation_date.dt.normalize() - rows.delivered.dt.normalize()).dt.days
    answered = (rows.review_answer_timestamp - rows.review_creation_date).dt.total_seconds() / 86400
    early = rows[(rows.delay > 2)]
    created = (early.review_creation_date.dt.normalize() - early.promised.dt.normalize()).dt.days
    return {
        "score_share_by_delay_up_to": {"bands": bands, "shares": [shares(row) for row in scores]},
        "created_days_after_delivery_share": shares([max(int((after == k).sum()), 1) for k in range(0, 5)]),
        "late_created_days_after_promise": quantiles(created.clip(-5, 20)),
        "answered_days": quantiles(answered.dropna()),
        "message_share_by_score": [float(rows[rows.review_score == s].review_comment_message.notna().mean()) for s in range(1, 6)],
        "title_share_by_score": [float(rows[rows.review_score == s].review_comment_title.notna().mean()) for s in range(1, 6)],
        "message_length": quantiles(rows.review_comment_message.dropna().str.len()), **effects,
        "orders_without": float(source.frame("select avg((r.order_id is null)::int) from orders left join (select distinct order_id from reviews) r using (order_id)").iloc[0, 0]),
        "orders_with_two": float(source.frame("select count(*) from (select order_id from reviews group by 1 having count(*) > 1)").iloc[0, 0]
                                 / len(rows)),
    }


def score_effects(source, bands):
    """What moves scores beyond the delay, in units of a standard normal mood that is cut into scores: the seller, how many
    items and sellers an order has, how long it took."""
    rows = source.frame("""
        with answered as (select order_id, arg_max(review_score, review_answer_timestamp) as score from reviews group by 1),
        counts as (select order_id, count(distinct seller_id) as n_sellers from items group by 1)
        select facts.seller_id, least(n_items, 4) as n_items, n_sellers, delay, score, ln(greatest(
          datediff('day', order_purchase_timestamp::date, order_delivered_customer_date::date), 1)) as took
        from facts join answered using (order_id) join counts using (order_id) where delay is not null and score is not null""")
    band = np.searchsorted(bands, rows.delay.to_numpy(), side="left")
    normal = statistics.NormalDist()
    def mood(scores):
        """The mean of a standard normal mood between the cuts that give these shares of scores."""
        share = scores.value_counts(normalize=True).sort_index()
        cuts = [0.0] + [normal.pdf(normal.inv_cdf(min(reached, 1 - 1e-12))) for reached in share.cumsum()]
        return scores.map({score: (cuts[k] - cuts[k + 1]) / part for k, (score, part) in enumerate(share.items())})
    rows["mood"] = rows.groupby(band).score.transform(mood)
    # A score tells its mood only roughly: what it shows of a shift is the share of the mood's variance that it tells.
    told = float(rows.mood.var())
    alone = rows[rows.n_sellers == 1]
    by_items = alone.groupby("n_items").mood.mean()
    several = rows[rows.n_sellers > 1]
    shift = float((several.mood - by_items.reindex(several.n_items).to_numpy()).mean())
    usual = rows.took.groupby(band).mean()
    took = rows.took - usual.reindex(band).to_numpy()
    between = between_share(alone.mood, alone.seller_id, 20) * float(alone.mood.var())
    shifted = (by_items.reindex(rows.n_items).to_numpy() + shift * (rows.n_sellers > 1).to_numpy()) / told
    return {"mood_by_items": (by_items / told).tolist(), "mood_own_sigma": math.sqrt(1 - between / told ** 2 - shifted.var()), "mood_of_several_sellers": shift / told,
            "mood_by_log_days": float(np.polyfit(took, rows.mood, 1)[0]) / told, "log_days_by_delay_band": usual.reindex(range(len(bands))).ffill().tolist(),
            "mood_seller_sigma": math.sqrt(between) / told}


def quirks(source):
    """How often the real files contradict themselves; `--mess real` does the same."""
    one = lambda query: float(source.frame(query).iloc[0, 0])
    return {
        "carrier_before_approval": one("select avg((order_delivered_carrier_date < order_approved_at)::int) from orders"),
        "carrier_before_purchase": one("select avg((order_delivered_carrier_date < order_purchase_timestamp)::int) from orders"),
        "delivered_before_carrier": one("select avg((order_delivered_customer_date < order_delivered_carrier_date)::int) from orders"),
        "delivered_without_approval": one("select avg((order_approved_at is null)::int) from orders where order_status = 'delivered'"),
        "delivered_without_date": one("select avg((order_delivered_customer_date is null)::int) from orders where order_status = 'delivered'"),
        "review_before_purchase": one("select avg((review_creation_date < order_purchase_timestamp::date)::int) from reviews join orders using (order_id)"),
        "review_id_shared": one("select 1 - count(distinct review_id) / count(*) from reviews"),
        "zero_weight": one("select avg((product_weight_g = 0)::int) from products"),
        "point_outside_brazil": one("select avg((geolocation_lat not between -33.76 and 5.28 or geolocation_lng not between -73.99 and -34.79)::int) from points"),
        "point_repeated": one("select 1 - (select count(*) from (select distinct * from points)) / count(*) from points"),
        "customer_prefix_without_point": one("select avg((prefix is null)::int) from customers left join places on prefix = customer_zip_code_prefix"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, help="the zip, or the folder of its nine files")
    source = Source(parser.parse_args().source)
    shop = {
        "demand": demand(source), "regions": regions(source), "categories": categories(source), "baskets": baskets(source),
        "payments": payments(source), "freight": freight(source), "times": times(source), "ends": ends(source),
        "reviews": reviews(source), "quirks": quirks(source),
    }
    json.dump(rounded(shop), sys.stdout, ensure_ascii=False, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
