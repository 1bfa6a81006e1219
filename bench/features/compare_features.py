"""Point-in-time features: Entrega against DuckDB on the same million orders.

    python bench/features/compare_features.py --source brazilian-ecommerce.zip [--orders 1000000] [--rounds 3] [--entrega target/release/entrega]
    python bench/features/compare_features.py --source brazilian-ecommerce.zip --check

Multiplies the real data to the asked number of orders (as bench/line does), ingests it once, and lets `entrega run features` and
`duckdb_features.py` compute both tables of features from the same `clean.deliveries` in turns, each as a process of its own.
Prints medians of wall time, CPU time and peak memory, and the ratio. `--check` compares every column of every row on the
real data. Needs Python 3.9 or later and the `duckdb` package.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import sys

import duckdb

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "line"))
from duckdb_features import TABLES, files  # noqa: E402
from run import measure, multiply, unpack, url  # noqa: E402


# Compared as numbers: DuckDB's sums of whole numbers are written as doubles.
NUMBERS = ("DOUBLE", "FLOAT", "BIGINT", "INTEGER")


def prepare(entrega, source, work):
    """A lake with everything but features."""
    lake = work / "ingested"
    if not (lake / ".complete").exists():
        shutil.rmtree(lake, ignore_errors=True)
        measure([entrega, "replay", "--source", source, "--lake", url(lake), "--as", "one-drop"])
        measure([entrega, "run", "ingest", "--lake", url(lake)])
        (lake / ".complete").touch()
    return lake


def run_entrega(entrega, ingested, work):
    """A copy of the lake (its files are never changed, so links do), then its features."""
    lake = work / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    shutil.copytree(ingested, lake, copy_function=os.link)
    return measure([entrega, "run", "features", "--lake", url(lake)])


def run_duckdb(work, threads):
    """DuckDB over the lake that Entrega has just left; labels are read, not computed."""
    output = work / "duckdb"
    shutil.rmtree(output, ignore_errors=True)
    return measure([sys.executable, HERE / "duckdb_features.py", work / "lake", output, "--threads", threads])


def compare(work):
    """Every column of every row; doubles to nine digits."""
    connection = duckdb.connect()
    wrong = 0
    for table in TABLES:
        own = f"read_parquet({files(work / 'lake', f'features/{table}')}, hive_partitioning = true)"
        other = f"read_parquet('{work / 'duckdb' / table}.parquet')"
        columns = connection.execute(f"describe select * from {own}").fetchall()
        rows = connection.execute(f"select (select count(*) from {own}), (select count(*) from {other})").fetchone()
        for name, kind, *_ in columns:
            same = (f"abs(a.{name} - b.{name}) <= 1e-9 * greatest(1, abs(a.{name})) or (a.{name} is null and b.{name} is null)"
                    if kind in NUMBERS else f"a.{name}::varchar is not distinct from b.{name}::varchar")
            differing = connection.execute(f"select count(*) from {own} a full join {other} b using (order_id) "
                                           f"where not coalesce({same}, false)").fetchone()[0]
            if name != "order_id" and differing:
                wrong += 1
                print(f"{table}.{name}: {differing} rows differ")
        print(f"{table}: {rows[0]} and {rows[1]} rows, {len(columns)} columns compared")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--entrega", default="target/release/entrega")
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path.home() / ".cache" / "entrega" / "bench-features")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    source = unpack(arguments.source, arguments.work)
    work = arguments.work / ("real" if arguments.check else f"orders-{arguments.orders}")
    if not arguments.check:
        multiply(source, work / "source", arguments.orders)
        source = work / "source"
    ingested = prepare(arguments.entrega, source, work)
    results = {"entrega": [], "duckdb": []}
    for _ in range(1 if arguments.check else arguments.rounds):
        results["entrega"].append(run_entrega(arguments.entrega, ingested, work))
        results["duckdb"].append(run_duckdb(work, arguments.threads))
    for name, runs in results.items():
        seconds, cpu, memory = (statistics.median(run[place] for run in runs) for place in range(3))
        print(f"{name:8} {seconds:7.2f} s  {cpu:7.2f} s CPU  {memory:7.0f} MB")
    medians = [statistics.median(run[0] for run in runs) for runs in results.values()]
    print(f"duckdb / entrega = {medians[1] / medians[0]:.2f}")
    if arguments.check:
        sys.exit(compare(work) > 0)


if __name__ == "__main__":
    main()
