"""Point-in-time features as an expert would compute them in DuckDB: running totals, looked up by ASOF joins.

    python duckdb_features.py LAKE OUTPUT [--threads 2]

Reads the Parquet files of a lake's `clean.deliveries`, `clean.calendar` and `features.labels` and writes both tables as zstd
Parquet into a folder. DuckDB's own RANGE windows take twenty minutes for this (a segment tree for each sum); this is the
form that its users recommend: a running total of every measure for each key, then one ASOF join for the decision and one
for the beginning of each window.

What an event is and what a feature is are taken from the model itself, so that both engines compute the same thing; only
how a trailing sum is found is DuckDB's. `compare_features.py --check` compares the tables row by row.
"""

import argparse
import json
import pathlib
import re

import duckdb

TABLES = ["at_purchase", "at_handover"]
MODELS = pathlib.Path(__file__).resolve().parents[2] / "models" / "features"


def steps(table):
    """The model's query as (name, text) of its common table expressions, and its final select."""
    sql = (MODELS / f"{table}.sql").read_text().split("---*/")[1].strip()
    sql = re.sub(r"--[^\n]*", "", sql)
    # Where Spark cuts a fraction off, DuckDB would round.
    sql = re.sub(r"cast\((\([^()]+\) \* [\d.]+e0) as bigint\)", r"cast(trunc(\1) as bigint)", sql)
    parts, final = sql.removeprefix("with ").rsplit("\n)\n\nselect", 1)
    found = re.findall(r"^(\w+) as \(\n(.*?)(?:\n\),|\Z)", parts, re.S | re.M)
    return found, "select" + final


def windows(past):
    """{window: (key or None, seconds or None)} and [(measure, window, name)] of the step that sums."""
    named = {name: (key, None if reach.startswith("unbounded") else int(reach.split()[0])) for name, key, reach in
             re.findall(r"(\w+) as \((?:partition by (\w+) )?order by moment range between (.+?) preceding and 1 preceding\)", past)}
    named = {name: (key or None, seconds) for name, (key, seconds) in named.items()}
    sums = re.findall(r"sum\((\w+)\) over (\w+), 0\) as (\w+)", past)
    return named, sums


def files(lake, table):
    """The Parquet files of a table's latest version, read from its log (these lakes have no checkpoint yet)."""
    alive = set()
    for entry in sorted((lake / table / "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                alive.add(action["add"]["path"])
            if "remove" in action:
                alive.discard(action["remove"]["path"])
    return [str(lake / table / path) for path in sorted(alive)]


def compute(connection, table, output):
    """Computes one table and writes it."""
    expressions, final = steps(table)
    for name, text in expressions:
        if name == "past":
            break
        # What several later steps read is kept; the rest is a view.
        kind = "temp table" if name in ("timed", "events") else "temp view"
        connection.execute(f"create or replace {kind} {name} as {text}")
    named, sums = windows(dict(expressions)["past"])
    connection.execute("create or replace temp table decisions as select * from events where decided_at is not null")
    joined = []
    for key in dict.fromkeys(key for key, _ in named.values()):
        joined.append(look_up(connection, key, named, sums))
    everything = " ".join(f"join {past} using (order_id)" for past in joined)
    connection.execute(f"create or replace temp view past as select * from (select order_id, decided_at from decisions) {everything}")
    for name, text in expressions[[name for name, _ in expressions].index("past") + 1:]:
        connection.execute(f"create or replace temp view {name} as {text}")
    connection.execute(f"copy ({final}) to '{output}' (format parquet, compression zstd, compression_level 1)")


def look_up(connection, key, named, sums):
    """The sums of all windows over one key, as a table with a row for each decision."""
    mine = {window: seconds for window, (of, seconds) in named.items() if of == key}
    measures = list(dict.fromkeys(measure for measure, window, _ in sums if window in mine))
    partition, group = (f"partition by {key} ", f"{key}, moment") if key else ("", "moment")
    matching = f"decisions.{key} = {{0}}.{key} and " if key else ""
    label = key or "everything"
    totals = ", ".join(f"sum({measure}) over ({partition}order by moment rows unbounded preceding)::bigint as {measure}"
                       for measure in measures)
    # One row for each key and second, so that a lookup finds exactly one.
    in_a_second = ", ".join(f"sum({measure}) as {measure}" for measure in measures)
    connection.execute(f"create or replace temp table totals_{label} as select {group}, {totals} from "
                       f"(select {group}, {in_a_second} from events group by {group})")
    lookups, columns = [f"asof left join totals_{label} now on {matching.format('now')}decisions.moment > now.moment"], []
    for seconds in dict.fromkeys(mine.values()):
        if seconds is not None:
            alias = f"before_{seconds}"
            lookups.append(f"asof left join totals_{label} {alias} on {matching.format(alias)}"
                           f"decisions.moment - {seconds} > {alias}.moment")
    for measure, window, name in sums:
        if window in mine:
            seconds = mine[window]
            earlier = f" - coalesce(before_{seconds}.{measure}, 0)" if seconds is not None else ""
            columns.append(f"coalesce(now.{measure}, 0){earlier} as {name}")
    connection.execute(f"create or replace temp table past_{label} as select decisions.order_id, {', '.join(columns)} "
                       f"from decisions {' '.join(lookups)}")
    return f"past_{label}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    arguments.output.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute(f"set threads = {arguments.threads}")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("create macro unix_timestamp(moment) as epoch(moment)::bigint")
    connection.execute("create macro to_date(moment) as moment::date")
    for schema, table in [("clean", "deliveries"), ("clean", "calendar"), ("features", "labels")]:
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"create view {schema}.{table} as select * from read_parquet("
                           f"{files(arguments.lake, f'{schema}/{table}')}, hive_partitioning = true)")
    for table in TABLES:
        compute(connection, table, arguments.output / f"{table}.parquet")


if __name__ == "__main__":
    main()
