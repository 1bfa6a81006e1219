"""The plan's jobs as DAGs.

The plan (`entrega plan --json`) is the one place that says which operators run when, with which arguments and after
which others; Entrega's own scheduler reads the same one. Nothing of it is repeated here: a DAG is what the plan says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from airflow.sdk import DAG, Asset

from entrega.airflow.operator import EntregaOperator
from entrega.airflow.sensor import AfterJob
from entrega.airflow.timetable import PlanTimetable
from entrega.errors import WrongRequest

VERSION = 1
# Each try waits twice as long as the one before it, but no longer than this.
LONGEST_BACKOFF = timedelta(hours=1)
# How long a job waits for another one. Whoever mends the other one has a day for it; then somebody should know.
WAIT = timedelta(days=1)
# How often it looks meanwhile.
LOOK = timedelta(minutes=1)

PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Task(TypedDict):
    """One operator of a job."""

    name: str
    operator: str
    arguments: dict[str, str]
    after: list[str]
    reads: list[str]
    writes: list[str]


class Job(TypedDict):
    """Operators that run together, once for each interval between two ticks."""

    name: str
    cron: str
    offset_seconds: int
    after: list[str]
    retries: int
    backoff_seconds: int
    timeout_seconds: int
    tasks: list[Task]


class Plan(TypedDict):
    """What runs when."""

    version: int
    time_zone: str
    jobs: list[Job]


def dags_of(
    plan: Plan,
    *,
    lake: str | None = None,
    name: str = "entrega",
    start_date: datetime | None = None,
    catchup: bool = False,
    wait: timedelta = WAIT,
    look: timedelta = LOOK,
) -> dict[str, DAG]:
    """One DAG for each job of the plan, by id (`entrega_hourly`); put them into `globals()` of a DAG file.

    :param plan: the JSON of `entrega plan --json`.
    :param lake: the lake; by default the program's own settings, such as ENTREGA_LAKE.
    :param name: goes before the jobs' names, so that several lakes can be looked after.
    :param start_date: the first moment to run for. Needed with catchup.
    :param catchup: whether every interval since then gets a run of its own. Not needed for completeness: jobs take all
        that waits until their interval's end.
    :param wait: how long a job waits for the jobs before it.
    :param look: how often it looks meanwhile.
    """
    if plan["version"] != VERSION:
        raise WrongRequest(
            f"the plan is of version {plan['version']}, this package reads version {VERSION}",
            "install package and program of one release",
        )
    jobs = {job["name"]: job for job in plan["jobs"]}
    dags = {}
    for job in plan["jobs"]:
        dag = DAG(
            f"{name}_{job['name']}",
            schedule=PlanTimetable(job["cron"], plan["time_zone"], job["offset_seconds"]),
            start_date=start_date,
            catchup=catchup,
            # A lake has one writer; a second run would only wait for the first.
            max_active_runs=1,
            tags=["entrega"],
            default_args={
                "retries": job["retries"],
                "retry_delay": timedelta(seconds=job["backoff_seconds"]),
                "retry_exponential_backoff": 2.0,
                "max_retry_delay": LONGEST_BACKOFF,
            },
        )
        with dag:
            before = [
                AfterJob(
                    task_id=f"after_{other}",
                    dag_id=f"{name}_{other}",
                    cron=known(jobs, other, job["name"])["cron"],
                    time_zone=plan["time_zone"],
                    timeout=wait,
                    poke_interval=look,
                )
                for other in job["after"]
            ]
            tasks = {task["name"]: operator_of(task, job, plan["time_zone"], lake, name) for task in job["tasks"]}
            for task in job["tasks"]:
                upstream = [known(tasks, other, task["name"]) for other in task["after"]]
                # What comes after nothing within its job comes after the other jobs.
                tasks[task["name"]].set_upstream(upstream or before)
        dags[dag.dag_id] = dag
    return dags


def operator_of(task: Task, job: Job, time_zone: str, lake: str | None, name: str) -> EntregaOperator:
    """A task of the plan as an operator of Airflow."""
    return EntregaOperator(
        task_id=task["name"],
        operator=task["operator"],
        arguments={key: template(value, time_zone) for key, value in task["arguments"].items()},
        lake=lake,
        execution_timeout=timedelta(seconds=job["timeout_seconds"]),
        inlets=[asset(table, name) for table in task["reads"]],
        outlets=[asset(table, name) for table in task["writes"]],
    )


def asset(table: str, name: str = "entrega") -> Asset:
    """A table as an asset, which other DAGs can be scheduled on."""
    return Asset(name=f"{name}/{table}", uri=f"entrega://{name}/{table}")


def template(value: str, time_zone: str) -> str:
    """The plan's placeholders as templates of Airflow, which show in the task's rendered arguments.

    `{start}` and `{end}` are the interval's bounds in UTC, `{date}` is the local date of its start.
    """
    written = "strftime('%Y-%m-%dT%H:%M:%SZ')"
    templates = {
        "start": f"{{{{ data_interval_start.in_timezone('UTC').{written} }}}}",
        "end": f"{{{{ data_interval_end.in_timezone('UTC').{written} }}}}",
        "date": f"{{{{ data_interval_start.in_timezone('{time_zone}').strftime('%Y-%m-%d') }}}}",
    }
    return PLACEHOLDER.sub(lambda found: known(templates, found[1], value), value)


def known(choices: Mapping[str, Any], wanted: str, where: str) -> Any:
    """The entry of a name that the plan uses."""
    if wanted not in choices:
        raise WrongRequest(f"the plan's '{where}' names '{wanted}'", f"known are {', '.join(choices) or 'none'}")
    return choices[wanted]
