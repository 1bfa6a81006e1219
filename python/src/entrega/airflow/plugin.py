"""The plug-in that makes the plan's timetable known to Airflow; the wheel declares it as an entry point."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from entrega.airflow.timetable import PlanTimetable


class EntregaPlugin(AirflowPlugin):
    """Names the timetable."""

    name = "entrega"
    timetables = [PlanTimetable]
