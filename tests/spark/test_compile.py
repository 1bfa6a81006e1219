"""A batch as a script, run by the real spark-sql."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from program import SHOP, Lake


def spark_sql(server: dict[str, str], script: Path) -> subprocess.CompletedProcess[str]:
    """`spark-sql -f`, with the settings of the server that runs beside."""
    command = [f"{server['ENTREGA_SPARK_HOME']}/bin/spark-sql", "--driver-memory", "2g", "-f", str(script)]
    settings = {name: server["ENTREGA_SPARK_CONF"] for name in ("SPARK_CONF_DIR", "HADOOP_CONF_DIR")}
    return subprocess.run(command, env=os.environ | settings, cwd=script.parent, capture_output=True, text=True)


def test_spark_sql_runs_a_batch(new_lake: Callable[[str], Lake], server: dict[str, str], tmp_path: Path) -> None:
    lake, other = new_lake("lake"), new_lake("other")
    for one in (lake, other):
        one.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-01-31")
    script = tmp_path / "ingest.sql"
    lake.run("compile", "ingest", "--out", str(script))
    late = tmp_path / "late.sql"
    late.write_text(script.read_text())
    done = spark_sql(server, script)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "nothing to do" in lake.run("run", "ingest")
    other.run("run", "ingest")
    assert lake.run("parity", "--with", other.url).endswith(" 0 differ\n")
    # A script is for one batch. It ends before it touches anything once another one is published.
    again = spark_sql(server, late)
    assert again.returncode != 0 and "another run published" in again.stderr, again.stderr[-4000:]
    assert lake.run("parity", "--with", other.url).endswith(" 0 differ\n")
