"""The two proofs that features look at nothing that was not known, on the real data, for every column.

    ENTREGA=entrega OLIST_ZIP=brazilian-ecommerce.zip python tests/real/point_in_time.py [--days 20]

For days spread over 2017 and 2018:

1. As of: features computed from what had been delivered by the end of the day equal those computed from everything.
2. Altered: every value that became known after the end of the day is changed, removed or made up (orders bought later, events
   that happened later, statuses, shipping limits of orders approved later, customers, items and payments of later orders,
   reviews), and every feature of a decision before it stays as it was.

Both compare every decision up to that day, not only those of the day. Labels are left out: they are to change. Needs nothing
but Python.
"""

import argparse
import csv
import datetime
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile

TABLES = ["at_purchase", "at_handover"]
STATUSES = ["created", "approved", "invoiced", "processing", "shipped", "delivered", "unavailable", "canceled"]
EVENTS = ["order_approved_at", "order_delivered_carrier_date", "order_delivered_customer_date"]
FIRST, LAST = datetime.date(2017, 1, 15), datetime.date(2018, 8, 25)


def entrega(*words):
    """Runs the binary and gives its standard output."""
    done = subprocess.run([os.environ["ENTREGA"], *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"entrega {' '.join(map(str, words))} failed:\n{done.stderr}")
    return done.stdout


def features(source, lake, *replay):
    """The features of a source: {table: {order: row as text}}, every column but the labels."""
    entrega("replay", "--source", source, "--lake", lake, "--as", "one-drop", *replay)
    entrega("run", "ingest", "--lake", lake)
    entrega("run", "features", "--lake", lake)
    found = {}
    for table in TABLES:
        ddl = entrega("tables", f"features.{table}", "--ddl").splitlines()
        columns = [line.split()[0] for line in ddl if line.startswith("  ")]
        kept = [column for column in columns if not column.startswith("label_")]
        text = entrega("sql", "--lake", lake, "--output", "csv", f"select {', '.join(kept)} from features.{table}")
        header, *rows = text.splitlines()
        assert header.startswith("order_id,decided_at,"), header
        found[table] = {row.split(",", 1)[0]: row for row in rows}
        found[table, "columns"] = len(kept)
    return found


def decided_before(rows, end):
    """The rows whose decision lies before a moment."""
    cut = f"{end:%Y-%m-%d %H:%M:%S}"
    return {order: row for order, row in rows.items() if row.split(",", 2)[1].replace("T", " ") < cut}


def differences(expected, found, end):
    """How many decisions before the moment were compared, and how many differ."""
    compared = differing = 0
    for table in TABLES:
        left, right = decided_before(expected[table], end), decided_before(found[table], end)
        compared += len(left)
        wrong = [order for order in left.keys() | right.keys() if left.get(order) != right.get(order)]
        differing += len(wrong)
        for order in wrong[:2]:
            print(f"  {table}, order {order}:\n    {left.get(order)}\n    {right.get(order)}", file=sys.stderr)
    return compared, differing


def read(folder, name):
    with open(folder / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(folder, name, rows, columns):
    with open(folder / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def alter(source, target, end, dice):
    """Writes the source with everything changed that was not known before a moment."""
    cut = f"{end:%Y-%m-%d %H:%M:%S}"
    later = lambda: f"{end + datetime.timedelta(seconds=dice.randrange(90 * 86400)):%Y-%m-%d %H:%M:%S}"
    orders = read(source, "olist_orders_dataset.csv")
    columns = list(orders[0])
    future, kept, approved_later = set(), [], set()
    for order in orders:
        order["order_status"] = dice.choice(STATUSES)
        bought = order["order_purchase_timestamp"]
        if bought >= cut:
            future.add(order["order_id"])
            order["order_purchase_timestamp"] = later()
            order["order_estimated_delivery_date"] = later()[:10] + " 00:00:00"
        for event in EVENTS:
            # Known at the later of the event and the purchase; what has not happened by then may happen at any later time.
            if not order[event] or max(order[event], bought) >= cut:
                order[event] = later() if dice.random() < 0.7 else ""
        if not order["order_approved_at"] or max(order["order_approved_at"], bought) >= cut:
            approved_later.add(order["order_id"])
        if order["order_id"] not in future or dice.random() < 0.8:
            kept.append(order)
    gone = {order["order_id"] for order in orders} - {order["order_id"] for order in kept}
    write(target, "olist_orders_dataset.csv", kept, columns)

    items = [item for item in read(source, "olist_order_items_dataset.csv") if item["order_id"] not in gone]
    sellers = [item["seller_id"] for item in items]
    for item in items:
        if item["order_id"] in approved_later:
            item["shipping_limit_date"] = later()
        if item["order_id"] in future:
            item["seller_id"], item["price"] = dice.choice(sellers), f"{dice.uniform(1, 900):.2f}"
            item["freight_value"] = f"{dice.uniform(0, 90):.2f}"
    write(target, "olist_order_items_dataset.csv", items, list(items[0]))

    payments = [row for row in read(source, "olist_order_payments_dataset.csv") if row["order_id"] not in gone]
    for payment in payments:
        if payment["order_id"] in future:
            payment["payment_value"], payment["payment_installments"] = f"{dice.uniform(1, 900):.2f}", str(dice.randrange(1, 11))
    write(target, "olist_order_payments_dataset.csv", payments, list(payments[0]))

    reviews = read(source, "olist_order_reviews_dataset.csv")
    columns = list(reviews[0])
    reviews = [row for row in reviews if row["order_id"] not in gone and (row["review_creation_date"] < cut or dice.random() < 0.5)]
    for review in reviews:
        if review["review_creation_date"] >= cut:
            review["review_score"] = str(dice.randrange(1, 6))
    write(target, "olist_order_reviews_dataset.csv", reviews, columns)

    customers = read(source, "olist_customers_dataset.csv")
    of_future = {order["customer_id"] for order in orders if order["order_id"] in future}
    places = [(row["customer_zip_code_prefix"], row["customer_city"], row["customer_state"]) for row in customers]
    for customer in customers:
        if customer["customer_id"] in of_future:
            place = dice.choice(places)
            customer["customer_zip_code_prefix"], customer["customer_city"], customer["customer_state"] = place
            customer["customer_unique_id"] = dice.choice(customers)["customer_unique_id"]
    write(target, "olist_customers_dataset.csv", customers, list(customers[0]))

    for name in ["olist_sellers_dataset.csv", "olist_products_dataset.csv", "olist_geolocation_dataset.csv",
                 "product_category_name_translation.csv"]:
        os.link(source / name, target / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=20)
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        source = work / "source"
        with zipfile.ZipFile(os.environ["OLIST_ZIP"]) as archive:
            archive.extractall(source)
        whole = features(source, work / "whole")
        for table in TABLES:
            print(f"{table}: {len(whole[table])} decisions, {whole[table, 'columns']} columns", flush=True)
        for number in range(arguments.days):
            day = FIRST + (LAST - FIRST) * number / max(arguments.days - 1, 1)
            end = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time())
            with tempfile.TemporaryDirectory(dir=work) as scratch:
                scratch = pathlib.Path(scratch)
                as_of = differences(whole, features(source, scratch / "as-of", "--to", day), end)
                (scratch / "altered").mkdir()
                alter(source, scratch / "altered", end, random.Random(number))
                altered = differences(whole, features(scratch / "altered", scratch / "lake"), end)
            print(f"{day}: {as_of[0]} decisions as of then, {as_of[1]} differ; {altered[0]} with all later values altered, {altered[1]} differ",
                  flush=True)
            failed += as_of[1] + altered[1]
    print("both proofs hold" if failed == 0 else f"FAILED: {failed} decisions differ")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
