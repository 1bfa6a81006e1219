"""The program under test, run against one lake."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "tests" / "fixtures" / "shop"
PROGRAM = os.environ.get("ENTREGA", str(ROOT / "target" / "release" / "entrega"))
SECONDS = 600


@dataclass(frozen=True)
class Lake:
    """A lake and the environment in which the program finds it."""

    url: str
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The program, begun."""
        settings = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return subprocess.Popen(
            [PROGRAM, *arguments, "--lake", self.url],
            env=settings | {"AWS_EC2_METADATA_DISABLED": "true"} | self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The program, ended, however it ended."""
        process = self.start(*arguments)
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def run(self, *arguments: str) -> str:
        """What the program says when it does well."""
        done = self.ask(*arguments)
        assert done.returncode == 0, f"entrega {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def kill_after(self, seconds: float, *arguments: str) -> bool:
        """Begins the program and kills it; says whether it still ran."""
        process = self.start(*arguments)
        time.sleep(seconds)
        alive = process.poll() is None
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return alive

    def contents(self) -> dict[str, list[str]]:
        """Every row of every table that says something of the shop, as text, sorted."""
        names = re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?`?(\w+)`?\.`?(\w+)`?", self.run("tables", "--ddl"))
        tables = [f"{layer}.{name}" for layer, name in names if layer != "ops"]
        assert len(tables) > 15, tables
        found = {}
        for table in tables:
            header, *rows = self.run("sql", "--output", "csv", f"select * from {table}").splitlines()
            found[table] = [header, *sorted(rows)]
        return found


def assert_same(expected: dict[str, list[str]], found: dict[str, list[str]]) -> None:
    """Both lakes have the same rows; names the first that differ."""
    assert expected.keys() == found.keys()
    for table, rows in expected.items():
        if rows != found[table]:
            lacking = [row for row in rows if row not in set(found[table])][:3]
            beyond = [row for row in found[table] if row not in set(rows)][:3]
            raise AssertionError(f"{table}: {len(rows)} and {len(found[table])} lines; lacking {lacking}, beyond {beyond}")
