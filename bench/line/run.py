"""Entrega against DuckDB: the same million orders in, the same tables out, side by side.

    python bench/line/run.py --source brazilian-ecommerce.zip [--orders 1000000] [--rounds 5] [--entrega target/release/entrega]
    python bench/line/run.py --source brazilian-ecommerce.zip --check

Multiplies the real data to the asked number of orders (new ids for every copy of the orders and their children), lands it
as one drop, and runs `entrega run all` on a fresh lake and `duckdb_line.py` in turns, each as a process of its own. Prints
the medians of wall time, CPU time and peak memory, and the ratio. `--check` runs both once on the real data as it is and
compares what they made with the known numbers. Needs Python 3.9 or later and the `duckdb` package.
"""

import argparse
import csv
import io
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

import duckdb

HERE = pathlib.Path(__file__).resolve().parent

# Files that are multiplied: which columns get new ids for each copy, and the column that ties a row to its order.
MULTIPLIED = {
    "olist_orders_dataset.csv": (["order_id", "customer_id"], "order_id"),
    "olist_order_items_dataset.csv": (["order_id"], "order_id"),
    "olist_order_payments_dataset.csv": (["order_id"], "order_id"),
    "olist_order_reviews_dataset.csv": (["review_id", "order_id"], "order_id"),
    "olist_customers_dataset.csv": (["customer_id", "customer_unique_id"], "customer_id"),
}
KEPT = ["olist_products_dataset.csv", "olist_sellers_dataset.csv", "olist_geolocation_dataset.csv",
        "product_category_name_translation.csv"]

# What the definitions give on the real data.
KNOWN = {
    "orders; late by date, by timestamp; bought in 2018-01; without distance": (
        "select count(*), sum(case when is_late then 1 else 0 end), sum(case when is_late_by_timestamp then 1 else 0 end), "
        "sum(case when purchase_month = date '2018-01-01' then 1 else 0 end), sum(case when distance_km is null then 1 else 0 end) "
        "from clean.deliveries", [99441, 6535, 7827, 7269, 1265]),
    "orders whose timeline contradicts itself; carrier before approval": (
        "select sum(case when timeline_ok then 0 else 1 end), "
        "sum(case when order_delivered_carrier_date < order_approved_at then 1 else 0 end) from clean.orders", [1390, 1359]),
    "points, zip prefixes": ("select sum(n_points), count(*) from clean.geolocation", [720121, 19010]),
    "delivery_daily: rows, due, missed, delivery seconds": (
        "select count(*), sum(due), sum(due_missed), sum(delivery_seconds) from summary.delivery_daily",
        [151792, 98207, 8271, 104683394605]),
    "seller_daily: rows": ("select count(*) from summary.seller_daily", [206520]),
    "route_daily: rows": ("select count(*) from summary.route_daily", [56867]),
    "delivery_days_daily: rows": ("select count(*) from summary.delivery_days_daily", [47780]),
    "late_to_carrier: items, orders, sellers": (
        "select count(*), count(distinct order_id), count(distinct seller_id) from summary.late_to_carrier",
        [10423, 8861, 1341]),
}


def unpack(source, target):
    """The nine files in a folder."""
    if source.is_dir():
        return source
    folder = target / "source"
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(source) as archive:
            archive.extractall(folder)
        (folder / ".complete").touch()
    return folder


def multiply(source, target, orders):
    """Writes `orders` orders and their children. Copy 0 keeps its ids; every other copy's are hashed with its number."""
    if (target / ".complete").exists():
        return
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        shutil.copyfile(source / name, target / name)
    connection = duckdb.connect()
    scan = lambda name: f"read_csv('{source / name}', header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
    connection.execute(f"create temp table numbered as select *, row_number() over () as number from {scan('olist_orders_dataset.csv')}")
    total = connection.execute("select count(*) from numbered").fetchone()[0]
    # The orders of every copy; the last copy is cut to size.
    connection.execute(f"""create temp table chosen as
        select order_id, customer_id, copy from numbered, range({-(-orders // total)}) copies(copy)
        where copy * {total} + number <= {orders}""")
    for name, (ids, key) in MULTIPLIED.items():
        columns = [row[0] for row in connection.execute(f"describe select * from {scan(name)}").fetchall()]
        fresh = lambda column: f"case when copy = 0 then {column} else md5({column} || ':' || copy) end as {column}"
        selected = ", ".join(fresh(f"rows.{column}").replace(f" as rows.{column}", f" as {column}")
                             if column in ids else f"rows.{column}" for column in columns)
        connection.execute(f"""copy (select {selected} from {scan(name)} rows join chosen on chosen.{key} = rows.{key})
            to '{target / name}' (format csv, header, force_quote ({', '.join(ids)}))""")
    (target / ".complete").touch()


def measure(command):
    """Wall seconds, CPU seconds and peak memory (MB) of a process and its children."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{command[0]} failed with {process.returncode}:\n{output.read().decode(errors='replace')}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def url(folder):
    return folder.resolve().as_uri()


class Line:
    """Both contestants on one set of source files."""

    def __init__(self, entrega, source, work, threads):
        self.entrega, self.source, self.work, self.threads = entrega, source, work, threads
        self.landed = work / "landed"

    def land(self):
        """The one drop, made once."""
        if not (self.landed / ".complete").exists():
            shutil.rmtree(self.landed, ignore_errors=True)
            self.landed.mkdir(parents=True)
            measure([self.entrega, "replay", "--source", self.source, "--lake", url(self.landed), "--as", "one-drop"])
            (self.landed / ".complete").touch()

    def run_entrega(self):
        """A fresh lake whose landing folder is hard-linked, then everything."""
        lake = self.work / "lake"
        shutil.rmtree(lake, ignore_errors=True)
        shutil.copytree(self.landed / "landing", lake / "landing", copy_function=os.link)
        return measure([self.entrega, "run", "all", "--lake", url(lake)])

    def run_duckdb(self):
        output = self.work / "duckdb"
        shutil.rmtree(output, ignore_errors=True)
        return measure([sys.executable, HERE / "duckdb_line.py", self.source, output, "--threads", self.threads])

    def ask_entrega(self, query):
        command = [str(self.entrega), "sql", "--lake", url(self.work / "lake"), query, "--output", "csv"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return list(csv.reader(io.StringIO(text)))[1]

    def ask_duckdb(self, query):
        connection = duckdb.connect()
        for layer in ("clean", "summary"):
            connection.execute(f"create schema {layer}")
        for file in (self.work / "duckdb").glob("*.parquet"):
            connection.execute(f"create view {file.stem} as from '{file}'")
        return connection.execute(query).fetchone()


def check(line, contestants):
    """Whether both made the known numbers out of the real data."""
    wrong = 0
    for name in contestants:
        getattr(line, f"run_{name}")()
        for what, (query, known) in KNOWN.items():
            made = [int(value) for value in getattr(line, f"ask_{name}")(query)]
            wrong += made != known
            print(f"{'ok   ' if made == known else 'WRONG'} {name:8} {what}: {made}{'' if made == known else f', not {known}'}")
    return wrong


def report(orders, results, arguments):
    print(f"{orders:,} orders, {arguments.rounds} rounds in turns, {arguments.threads} CPUs, duckdb {duckdb.__version__}; medians")
    print(f"{'':10}{'seconds':>10}{'CPU s':>10}{'peak MB':>10}{'fastest':>10}{'slowest':>10}")
    middle = {}
    for name, runs in results.items():
        seconds, cpu, memory = (statistics.median(column) for column in zip(*runs))
        middle[name] = seconds, cpu, memory
        walls = [run[0] for run in runs]
        print(f"{name:10}{seconds:10.2f}{cpu:10.2f}{memory:10.0f}{min(walls):10.2f}{max(walls):10.2f}")
    if len(middle) == 2:
        ratios = [theirs / ours for ours, theirs in zip(middle["entrega"], middle["duckdb"])]
        print(f"{'duckdb / entrega':16}" + f"{ratios[0]:4.2f}{ratios[1]:10.2f}{ratios[2]:10.2f}   (above 1: entrega is ahead)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=pathlib.Path, required=True, help="the Olist zip or the folder of its nine files")
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders to multiply to (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="CPUs for each contestant")
    parser.add_argument("--entrega", type=pathlib.Path, default=HERE.parents[1] / "target/release/entrega")
    parser.add_argument("--work", type=pathlib.Path, help="folder for multiplied files and lakes (default: the user's cache)")
    parser.add_argument("--only", choices=["entrega", "duckdb"], help="run one contestant alone")
    parser.add_argument("--check", action="store_true", help="compare results on the real data instead of timing")
    parser.add_argument("--json", type=pathlib.Path, help="also write every single run here")
    arguments = parser.parse_args()
    if not arguments.source.exists():
        sys.exit(f"{arguments.source}: there is no such file or folder\nhint: --source wants the zip from Kaggle")
    contestants = [arguments.only] if arguments.only else ["entrega", "duckdb"]
    if "entrega" in contestants and not arguments.entrega.exists():
        sys.exit(f"{arguments.entrega}: not built\nhint: cargo build --release, or name the binary with --entrega")

    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "entrega/bench"
    work = arguments.work or cache
    work.mkdir(parents=True, exist_ok=True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.threads])
    source = unpack(arguments.source, work)
    name = "real"
    if not arguments.check:
        name = f"orders-{arguments.orders}"
        multiply(source, work / name / "source", arguments.orders)
        source = work / name / "source"
    line = Line(arguments.entrega, source, work / name, arguments.threads)
    if "entrega" in contestants:
        line.land()
    if arguments.check:
        sys.exit(1 if check(line, contestants) else 0)

    results = {name: [] for name in contestants}
    for turn in range(arguments.rounds):
        for name in contestants if turn % 2 == 0 else reversed(contestants):
            results[name].append(getattr(line, f"run_{name}")())
    report(arguments.orders, results, arguments)
    if arguments.json:
        columns = ["seconds", "cpu_seconds", "peak_megabytes"]
        runs = {name: [dict(zip(columns, run)) for run in runs] for name, runs in results.items()}
        arguments.json.write_text(json.dumps({"orders": arguments.orders, "runs": runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
