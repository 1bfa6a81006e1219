"""The plan's jobs as Airflow DAGs.

The plan is read from the file that ENTREGA_PLAN names, else the program is asked for it. The file is what to use where
many schedulers parse this: `entrega plan --json > plan.json` once, at each release. The lake is the workers'
ENTREGA_LAKE.
"""

import json
import os
from pathlib import Path

from entrega.airflow import dags_of
from entrega.program import answer

named = os.environ.get("ENTREGA_PLAN")
plan = json.loads(Path(named).read_text(encoding="utf-8")) if named else answer(["plan", "--json"])
globals().update(dags_of(plan))
