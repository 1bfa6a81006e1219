"""The parts alone: intervals and offsets, what is waited for, how a process ends."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import threading
import time
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.timetables.base import DataInterval, TimeRestriction
from entrega import Failed, Lake, WrongRequest
from entrega.airflow import AfterJob, EntregaOperator, PlanTimetable, dags_of
from entrega.airflow.plan import template
from home import ROOT, TESTS

PLAN = json.loads((TESTS / "plan.json").read_text(encoding="utf-8"))


def moment(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(text))


def interval(start: str, end: str) -> DataInterval:
    return DataInterval(start=moment(start), end=moment(end))


def test_a_run_begins_an_offset_after_its_intervals_end() -> None:
    timetable = PlanTimetable("0 * * * *", "UTC", 600)
    restriction = TimeRestriction(earliest=moment("2018-02-05T00:00Z"), latest=None, catchup=True)
    first = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert first is not None
    assert first.data_interval == interval("2018-02-05T00:00Z", "2018-02-05T01:00Z")
    assert first.run_after == moment("2018-02-05T01:10Z")
    second = timetable.next_dagrun_info(last_automated_data_interval=first.data_interval, restriction=restriction)
    assert second is not None
    assert second.data_interval == interval("2018-02-05T01:00Z", "2018-02-05T02:00Z")
    assert second.run_after == moment("2018-02-05T02:10Z")


def test_the_ticks_follow_the_clocks_of_the_time_zone() -> None:
    # São Paulo put its clocks forward on the fourth of November 2018, at midnight: that day has 23 hours.
    timetable = PlanTimetable("0 3 * * *", "America/Sao_Paulo")
    restriction = TimeRestriction(earliest=moment("2018-11-03T06:00Z"), latest=None, catchup=True)
    run = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert run is not None
    assert run.data_interval == interval("2018-11-03T06:00Z", "2018-11-04T05:00Z")


def test_a_date_by_hand_means_the_interval_of_that_logical_date() -> None:
    timetable = PlanTimetable("0 * * * *", "UTC", 600)
    on_tick = timetable.infer_manual_data_interval(run_after=moment("2018-02-05T09:00Z"))
    assert on_tick == interval("2018-02-05T09:00Z", "2018-02-05T10:00Z")
    between = timetable.infer_manual_data_interval(run_after=moment("2018-02-05T09:20Z"))
    assert between == interval("2018-02-05T08:00Z", "2018-02-05T09:00Z")


def test_a_timetable_comes_back_from_the_database_as_it_was() -> None:
    timetable = PlanTimetable("30 2 * * *", "America/Sao_Paulo", 900)
    again = PlanTimetable.deserialize(json.loads(json.dumps(timetable.serialize())))
    assert again == timetable
    assert again != PlanTimetable("30 2 * * *", "America/Sao_Paulo", 901)
    assert again.summary == "30 2 * * * + 900 s"


def test_a_day_waits_for_its_hours_and_an_hour_for_the_day_before_it() -> None:
    hours = AfterJob(task_id="hours", dag_id="other", cron="0 * * * *")
    starts = hours.starts(moment("2018-02-05T00:00Z"), moment("2018-02-06T00:00Z"))
    assert len(starts) == 24
    assert (starts[0], starts[-1]) == (moment("2018-02-05T00:00Z"), moment("2018-02-05T23:00Z"))
    days = AfterJob(task_id="days", dag_id="other", cron="0 0 * * *")
    assert days.starts(moment("2018-02-05T09:00Z"), moment("2018-02-05T10:00Z")) == [moment("2018-02-04T00:00Z")]
    assert hours.mode == "reschedule"


def test_a_job_of_the_plan_is_a_dag_with_its_retries_limits_and_assets() -> None:
    dags = dags_of(PLAN, lake="s3://bucket/lake", name="shop")
    assert list(dags) == ["shop_hourly", "shop_daily"]
    ingest = dags["shop_hourly"].get_task("ingest")
    assert (ingest.retries, ingest.retry_delay) == (2, timedelta(seconds=1))
    assert ingest.execution_timeout == timedelta(seconds=300)
    assert ingest.lake == "s3://bucket/lake"
    assert [asset.name for asset in ingest.outlets][:2] == ["shop/clean.orders", "shop/clean.deliveries"]
    assert ingest.downstream_task_ids == {"check_clean_deliveries"}
    daily = dags["shop_daily"]
    assert daily.get_task("after_hourly").downstream_task_ids == {"features"}
    assert daily.get_task("after_hourly").other_dag_id == "shop_hourly"
    assert daily.max_active_runs == 1


def test_placeholders_become_templates_and_unknown_ones_are_refused() -> None:
    assert template("clean.deliveries", "UTC") == "clean.deliveries"
    assert "in_timezone('America/Sao_Paulo').strftime('%Y-%m-%d')" in template("landing/dt={date}", "America/Sao_Paulo")
    with pytest.raises(WrongRequest, match="hour") as raised:
        template("{hour}", "UTC")
    assert raised.value.hint == "known are start, end, date"


def test_a_plan_that_is_not_understood_is_refused() -> None:
    with pytest.raises(WrongRequest, match="version 2"):
        dags_of(PLAN | {"version": 2})
    unknown = json.loads(json.dumps(PLAN))
    unknown["jobs"][1]["after"] = ["weekly"]
    with pytest.raises(WrongRequest, match="'daily' names 'weekly'"):
        dags_of(unknown)


def test_a_fault_of_the_data_ends_the_task_and_other_failures_are_tried_again(delivered: Lake, tmp_path: Path) -> None:
    damaged = EntregaOperator(
        task_id="validate", operator="validate", arguments={"drop": "landing/dt=1999-01-01"}, lake=delivered.url
    )
    with pytest.raises(AirflowFailException, match="hint: the producer writes it last"):
        damaged.execute({})
    absent = EntregaOperator(task_id="discover", operator="discover", lake=str(tmp_path / "nothing"))
    with pytest.raises(Failed, match="not a usable lake"):
        absent.execute({})


def opened(pipe: Path, reader: threading.Thread) -> int:
    """The pipe, opened for writing: possible as soon as the program has opened it for reading."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            assert error.errno == errno.ENXIO
            assert reader.is_alive(), "the program ended without a look at the pipe"
            time.sleep(0.01)


def test_a_task_that_is_killed_takes_its_process_with_it(tmp_path: Path) -> None:
    # The program reads a pipe into which nobody ever writes: it works until it is ended.
    pipe = tmp_path / "olist_sellers_dataset.csv"
    os.mkfifo(pipe)
    lake = Lake.make(tmp_path / "lake")
    arguments = {"files": str(pipe), "day": "2018-02-05"}
    task = EntregaOperator(task_id="land", operator="land", arguments=arguments, lake=lake.url)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            task.execute({})
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    writer = opened(pipe, thread)
    assert thread.is_alive()
    begun = time.monotonic()
    task.on_kill()
    thread.join(20)
    os.close(writer)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 20
    assert isinstance(raised[0], Failed)
    assert "gave no reason" in str(raised[0])
    task.on_kill()


def test_the_guides_own_task_is_one() -> None:
    guide = (ROOT / "docs" / "guides" / "airflow.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(examples) == 1
    with DAG("guide") as dag:
        exec(compile(examples[0], "airflow.md", "exec"), {})
    task = dag.get_task("ingest")
    task.render_template_fields({"data_interval_end": moment("2018-02-05T09:00Z")}, jinja_env=dag.get_template_env())
    assert task.arguments == {"until": "2018-02-05T09:00:00+00:00"}


def test_the_wheel_declares_the_plug_in_that_names_the_timetable() -> None:
    project = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, name = project["entry-points"]["airflow.plugins"]["entrega"].split(":")
    assert getattr(importlib.import_module(module), name).timetables == [PlanTimetable]
