"""Entrega under Airflow: the plan's jobs as DAGs, and the parts that they are made of.

    plan ──dags_of──▶ one DAG for each job ── PlanTimetable: when, and for which interval
                          │                ── AfterJob: only after the jobs before it
                          └── one EntregaOperator for each task ── assets: tables read and written

Needs Airflow 3.1 or newer (`pip install "entrega[airflow]"`).
"""

from entrega.airflow.operator import EntregaOperator
from entrega.airflow.plan import dags_of
from entrega.airflow.sensor import AfterJob
from entrega.airflow.timetable import PlanTimetable

__all__ = ["AfterJob", "EntregaOperator", "PlanTimetable", "dags_of"]
