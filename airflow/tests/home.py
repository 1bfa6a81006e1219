"""A real Airflow with a home of its own.

Runs go through `airflow dags test`: it parses the DAG files, keeps them in the database as the scheduler would, and
runs every task by the scheduler's rules, with nothing else to start. What became of a run is read from the database.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path(__file__).resolve().parent
SECONDS = 180


def environment(home: Path) -> dict[str, str]:
    """What makes Airflow live in that folder, and find the package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "ENTREGA_"))}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow" / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "airflow" / "plugins"),
        "PYTHONPATH": str(ROOT / "python" / "src"),
    }


def airflow(arguments: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command of the Airflow that these tests run in."""
    command = [sys.executable, "-m", "airflow", *arguments]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=SECONDS)


@dataclass(frozen=True)
class Home:
    """An Airflow that has been set up, and what its tasks find in their environment."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, folder: Path) -> Home:
        """An empty database."""
        done = airflow(["db", "migrate"], environment(folder))
        assert done.returncode == 0, done.stdout + done.stderr
        return cls(folder)

    def copy(self, folder: Path, **settings: str) -> Home:
        """Another one, in its state."""
        folder.mkdir()
        # The database alone: what else lies beside it names the folder that it was made in.
        shutil.copy(self.folder / "airflow.db", folder)
        return Home(folder, settings)

    def run(self, dag: str, date: str) -> dict[str, str]:
        """Runs a DAG for a logical date; gives each task's state."""
        done = airflow(["dags", "test", dag, date], environment(self.folder) | self.settings)
        rows = self.rows(
            "select t.task_id, t.state from task_instance t join dag_run r"
            " on r.run_id = t.run_id and r.dag_id = t.dag_id where r.dag_id = ? and r.logical_date like ?",
            (dag, f"{date.replace('T', ' ')}%"),
        )
        assert rows, f"airflow dags test {dag} {date}\n{done.stdout}\n{done.stderr}"
        return dict(rows)

    def result(self, dag: str, task: str) -> Any:
        """What a task gave last: its XCom."""
        rows = self.rows(
            "select value from xcom where dag_id = ? and task_id = ? and key = 'return_value' order by timestamp desc",
            (dag, task),
        )
        assert rows, f"{dag}.{task} gave nothing"
        return json.loads(rows[0][0])

    def rows(self, query: str, values: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        """What Airflow's database says."""
        with closing(sqlite3.connect(self.folder / "airflow.db")) as database:
            return database.execute(query, values).fetchall()
