"""The plan's DAGs, which do not wait for one another for long: a DAG file of the tests."""

import json
import os
from datetime import timedelta
from pathlib import Path

from entrega.airflow import dags_of

SECOND = timedelta(seconds=1)
plan = json.loads(Path(os.environ["ENTREGA_PLAN"]).read_text(encoding="utf-8"))
globals().update(dags_of(plan, name="impatient", wait=SECOND, look=SECOND))
