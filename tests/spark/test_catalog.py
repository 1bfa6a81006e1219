"""Tables by name, through a real metastore, whichever engine wrote them."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable

from program import SHOP, Lake

QUERY = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).create()
for query in sys.argv[2:]:
    print(*(value for row in spark.sql(query).collect() for value in row))
"""


def ask(server: dict[str, str], *queries: str) -> list[str]:
    """The values of each query, on a line; asked by PySpark."""
    command = [f"{server['ENTREGA_SERVICES_BIN']}/python", "-c", QUERY, server["ENTREGA_SPARK_REMOTE"], *queries]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


def test_names_are_kept_in_step_with_both_engines(new_lake: Callable[[str], Lake], server: dict[str, str]) -> None:
    lake = new_lake("lake")
    prefix = f"t{uuid.uuid4().hex[:8]}_"
    catalog = ["--catalog", "hive", "--prefix", prefix]
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-02-28")

    def rows(table: str) -> str:
        return lake.run("sql", "--output", "csv", f"select count(*) from {table}").splitlines()[-1]

    # After an embedded run Spark finds tables by name …
    lake.run("run", "ingest", *catalog)
    assert ask(server, f"select count(*) from {prefix}clean.deliveries") == [rows("clean.deliveries")]
    # … and after a run of Spark what that made, the same as ORC, and links for those that know no Delta.
    done = lake.ask("run", "summary", "--engine", "spark", "--explain", *catalog, "--links", "--orc")
    assert done.returncode == 0, done.stderr
    expected = rows("summary.delivery_daily")
    names = ["summary.delivery_daily", "summary_orc.delivery_daily"]
    assert ask(server, *(f"select count(*) from {prefix}{name}" for name in names)) == [expected, expected]
    orc = f"{prefix}summary_orc.delivery_daily"
    sums = lake.run("sql", "--output", "csv", "select count(*), sum(purchased) from summary.delivery_daily")
    assert ask(server, f"select count(*), sum(purchased) from {orc}") == [sums.splitlines()[-1].replace(",", " ")]
    assert ask(server, f"select count(*) > 0 from {prefix}landing.orders") == ["True"]
    # Statistics are computed where Spark has none of its own.
    assert f"{expected} rows" in ask(server, f"describe extended {orc}")[0]
    # What Spark planned is what its users expect.
    plans = done.stderr.split("plan of ")
    plan = next(plan for plan in plans if plan.startswith("rows_of_summary_seller_daily"))
    for technique in ("AdaptiveSparkPlan", "BroadcastHashJoin", "ReadSchema"):
        assert technique in plan, plan
    # What is in step already stays as it is.
    told = lake.run("catalog", "sync", "--prefix", prefix, "--links", "--orc")
    assert told.count("\n") == 1 and told.endswith("in step\n"), told


def test_what_is_missing_is_told(new_lake: Callable[[str], Lake]) -> None:
    lake = new_lake("lake")
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-01-05")
    done = lake.ask("run", "ingest", "--catalog", "hive", "--metastore", "thrift://127.0.0.1:1")
    assert done.returncode == 1
    assert "the run is published, but the metastore is not in step" in done.stderr
    assert "no Hive Metastore answers" in done.stderr and "hint: " in done.stderr, done.stderr
    done = lake.ask("run", "ingest", "--catalog", "hive", "--orc")
    assert done.returncode == 1 and "--orc needs a Spark" in done.stderr, done.stderr
