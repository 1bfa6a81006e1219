"""Waiting for another job.

A job that comes after another one takes what that one published up to the end of its own interval. So it waits until
the other's last interval that ends by then has succeeded, and until none of the intervals within its own is still at
work. An earlier interval may have failed or may never have been run, after a pause for instance: jobs take all that
waits until their interval's end, so the last one has done the others' work.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from entrega.airflow.timetable import PlanTimetable

if TYPE_CHECKING:
    from airflow.sdk import Context

AT_WORK = ["queued", "running"]


class AfterJob(BaseSensorOperator):
    """Waits for the runs of another job whose intervals end by this run's end.

    :param dag_id: the other job's DAG.
    :param cron: the other job's ticks.
    :param time_zone: the clocks that the ticks are of.
    """

    def __init__(self, *, dag_id: str, cron: str, time_zone: str = "UTC", **options: Any) -> None:
        """Between two looks it holds no slot of a worker, unless asked to with another mode."""
        options.setdefault("mode", "reschedule")
        super().__init__(**options)
        # `dag_id` is the name of this task's own DAG.
        self.other_dag_id = dag_id
        self.cron = cron
        self.time_zone = time_zone

    def poke(self, context: Context) -> bool:
        """Whether the other job has come far enough."""
        starts = self.starts(context["data_interval_start"], context["data_interval_end"])
        count: Callable[..., int] = context["ti"].get_dr_count
        if count(dag_id=self.other_dag_id, logical_dates=starts[-1:], states=["success"]) == 0:
            self.log.info("%s has not succeeded for the interval from %s", self.other_dag_id, starts[-1])
            return False
        at_work = count(dag_id=self.other_dag_id, logical_dates=starts, states=AT_WORK)
        if at_work:
            self.log.info("%s is still at work on %d of %d intervals", self.other_dag_id, at_work, len(starts))
        return at_work == 0

    def starts(self, start: Any, end: Any) -> list[datetime]:
        """The first moments (Airflow: logical dates) of the intervals that are waited for."""
        other = PlanTimetable(self.cron, self.time_zone)
        return [interval.start for interval in other.intervals_ending_by(end, after=start)]
