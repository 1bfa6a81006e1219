"""When a job of the plan runs, and for which interval.

    cron tick            cron tick
        │◀── data interval ──▶│◀─ offset ─▶│ the run

Airflow's own timetable of data intervals starts a run the moment its interval ends. The order system needs a while to
write the interval's last drop, so the plan's jobs wait for an offset. Airflow accepts only timetables that a plug-in
names; `entrega.airflow.plugin` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import duration

if TYPE_CHECKING:
    from airflow.timetables.base import TimeRestriction
    from pendulum import DateTime


class PlanTimetable(CronDataIntervalTimetable):
    """Intervals between the ticks of a cron expression; each run begins an offset after its interval's end."""

    def __init__(self, cron: str, time_zone: str = "UTC", offset_seconds: int = 0) -> None:
        """The ticks are those of the time zone's clocks."""
        super().__init__(cron, time_zone)
        self.cron = cron
        self.time_zone = time_zone
        self.offset_seconds = offset_seconds

    @property
    def summary(self) -> str:
        """What the list of DAGs shows."""
        return self.cron if self.offset_seconds == 0 else f"{self.cron} + {self.offset_seconds} s"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanTimetable) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self.cron, self.time_zone, self.offset_seconds))

    def serialize(self) -> dict[str, Any]:
        """What Airflow keeps in its database."""
        return {"cron": self.cron, "time_zone": self.time_zone, "offset_seconds": self.offset_seconds}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PlanTimetable:
        """The timetable again."""
        return cls(**data)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next interval, to be run an offset after its end."""
        following = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        if following is None:
            return None
        return following._replace(run_after=following.run_after + duration(seconds=self.offset_seconds))

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """The interval of a run that somebody starts by hand.

        Airflow's logical date is an interval's first moment. A date that is exactly a tick names that interval, so a
        run for a date means the same by hand and by schedule; any other moment means the last interval before it.
        """
        start = self._align_to_prev(run_after)
        if start == run_after:
            return DataInterval(start=start, end=self._get_next(start))
        return DataInterval(start=self._get_prev(start), end=start)

    def intervals_ending_by(self, end: DateTime, *, after: DateTime) -> list[DataInterval]:
        """The intervals that end by a moment and later than another one; at least the last that ends by the first.

        So an hourly job waits for the day before it, and a daily job for its 24 hours.
        """
        intervals: list[DataInterval] = []
        tick = self._align_to_prev(end)
        while not intervals or tick > after:
            start = self._get_prev(tick)
            intervals.append(DataInterval(start=start, end=tick))
            tick = start
        return intervals[::-1]
