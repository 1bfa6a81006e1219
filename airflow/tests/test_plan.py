"""The plan's DAGs in a real Airflow do what the program does alone, in the plan's order and no further than it says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from conftest import DAY
from entrega import Lake
from entrega.program import output
from home import ROOT, TESTS, Home

HOURLY = ["ingest", "check_clean_deliveries", "summarise"]


def contents(lake: Lake) -> dict[str, list[str]]:
    """Every row of every table, sorted.

    Without the books (ops): they tell of batches, and three runs are more batches than one.
    """
    ddl = output(["tables", "--ddl"]).decode()
    names = re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?`?(\w+)`?\.`?(\w+)`?", ddl)
    tables = [f"{layer}.{name}" for layer, name in names if layer != "ops"]
    assert len(tables) > 15, tables
    return {table: sorted(json.dumps(row, sort_keys=True) for row in lake.table(table).rows()) for table in tables}


def drops_taken(lake: Lake) -> int:
    return lake.sql("select count(distinct `drop`) as taken from ops.drops").rows()[0]["taken"]


def test_three_hours_and_the_day_after_them_leave_the_rows_of_a_plain_run(
    new_lake: Callable[[str], Lake], new_home: Callable[..., Home]
) -> None:
    plain = new_lake("plain")
    output(["run", "all", "--lake", plain.url])
    lake = new_lake("lake")
    home = new_home(lake)
    # All 25 drops lie there from the beginning: the one of all that was before, and 24 hours.
    for hour, taken in (("08", 10), ("09", 11), ("23", 25)):
        assert home.run("entrega_hourly", f"{DAY}T{hour}:00:00") == dict.fromkeys(HOURLY, "success")
        assert drops_taken(lake) == taken, f"after the run of the hour {hour}"
    states = home.run("entrega_daily", f"{DAY}T00:00:00")
    assert states == {"after_hourly": "success", "features": "success", "reconcile": "success"}
    assert home.result("entrega_daily", "reconcile")["reconciled"] is True
    expected, found = contents(plain), contents(lake)
    assert sum(map(len, expected.values())) > 8000
    assert len(expected["features.at_purchase"]) > 0
    for table, rows in expected.items():
        assert found[table] == rows, table
    # What the scheduler would begin next, as the database has it: the plan's offset after the interval's end.
    [(due, end)] = home.rows(
        "select next_dagrun_create_after, next_dagrun_data_interval_end from dag where dag_id = 'entrega_hourly'"
    )
    assert datetime.fromisoformat(due) - datetime.fromisoformat(end) == timedelta(seconds=600)
    # Tables are assets: other DAGs can be scheduled on them.
    events = home.rows("select a.name, count(*) from asset_event e join asset a on a.id = e.asset_id group by a.name")
    assert dict(events)["entrega/clean.orders"] == 3
    assert dict(events)["entrega/features.labels"] == 1


def test_a_day_whose_hours_are_not_done_waits_and_runs_nothing(
    new_lake: Callable[[str], Lake], new_home: Callable[..., Home], tmp_path: Path
) -> None:
    lake = new_lake("lake")
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(TESTS / "impatient.py", dags)
    home = new_home(lake, AIRFLOW__CORE__DAGS_FOLDER=str(dags))
    # An hour of the day is done, but not its last one.
    assert home.run("impatient_hourly", f"{DAY}T08:00:00") == dict.fromkeys(HOURLY, "success")
    states = home.run("impatient_daily", f"{DAY}T00:00:00")
    assert states == {"after_hourly": "failed", "features": "upstream_failed", "reconcile": "upstream_failed"}
    jobs = [row["job"] for row in lake.table("ops.batches").rows()]
    assert sorted(jobs) == ["ingest", "summary"]


def test_a_check_that_fails_ends_the_run_at_the_first_try(
    new_lake: Callable[[str], Lake], new_home: Callable[..., Home], tmp_path: Path
) -> None:
    lake = new_lake("lake")
    output(["run", "ingest", "--lake", lake.url])
    # The rows are those of the built-in models; then somebody asks more of them than they hold.
    models = shutil.copytree(ROOT / "models", tmp_path / "models")
    deliveries = models / "clean" / "deliveries.sql"
    text = deliveries.read_text(encoding="utf-8")
    stricter = '{ kind = "accepted_values", column = "order_status", values = ["delivered"] },'
    assert text.count("\nchecks = [\n") == 1
    deliveries.write_text(text.replace("\nchecks = [\n", f"\nchecks = [\n  {stricter}\n"), encoding="utf-8")
    plan = json.loads((TESTS / "plan.json").read_text(encoding="utf-8"))
    hourly = plan["jobs"][0]
    hourly["tasks"] = hourly["tasks"][1:]
    hourly["tasks"][0]["after"] = []
    assert hourly["retries"] > 0
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")

    home = new_home(lake, plan=tmp_path / "plan.json", ENTREGA_MODELS=str(models))
    states = home.run("entrega_hourly", f"{DAY}T23:00:00")
    assert states == {"check_clean_deliveries": "failed", "summarise": "upstream_failed"}
    tries = home.rows("select try_number from task_instance where task_id = 'check_clean_deliveries'")
    assert tries == [(1,)]
    assert [row["job"] for row in lake.table("ops.batches").rows()] == ["ingest"]
