"""A real Spark with Delta, S3 and a metastore, and the program beside it."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import program
import pytest
from program import ROOT, SHOP, Lake

# Two tests share two cores, and planning in Spark takes its time.
program.SECONDS = 2400

SERVICES = [sys.executable, str(ROOT / "services" / "services.py")]


STATE = "ENTREGA_TEST_SERVICES"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Names the folder of the servers before pytest-xdist starts its workers, which inherit the name: all share one Spark."""
    if is_first(session):
        os.environ[STATE] = tempfile.mkdtemp(prefix="entrega-services-")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stops what any worker started."""
    if is_first(session) and STATE in os.environ:
        state = os.environ.pop(STATE)
        subprocess.run([*SERVICES, "stop", "--state", state], check=True)
        shutil.rmtree(state)


def is_first(session: pytest.Session) -> bool:
    """Whether this process is the one that others work for."""
    return not hasattr(session.config, "workerinput")


@pytest.fixture(scope="session")
def server() -> dict[str, str]:
    """The environment in which every tool finds the servers; started by the first worker that needs them."""
    state = os.environ[STATE]
    with open(os.path.join(state, "starting"), "w", encoding="utf-8") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        subprocess.run([*SERVICES, "start", "spark", "--state", state], check=True)
    lines = subprocess.run([*SERVICES, "env", "--state", state], check=True, capture_output=True, text=True).stdout
    return dict(shlex.split(line)[1].split("=", 1) for line in lines.splitlines() if line.startswith("export "))


@pytest.fixture(scope="session")
def environment(server: dict[str, str]) -> dict[str, str]:
    """What the program is told of the servers."""
    found = {name: value for name, value in server.items() if name.startswith("AWS_")}
    metastore = {"ENTREGA_METASTORE_URI": server["ENTREGA_METASTORE_URI"]}
    return found | metastore | {"SPARK_REMOTE": server["ENTREGA_SPARK_REMOTE"]}


@pytest.fixture
def new_lake(environment: dict[str, str], tmp_path: Path) -> Callable[[str], Lake]:
    """Makes a lake in a folder of its own."""
    return lambda name: Lake(str(tmp_path / name), environment)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Lake:
    """The fixture shop's daily drops, not taken yet."""
    lake = Lake(str(tmp_path_factory.mktemp("shop") / "lake"), environment)
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily")
    return lake


@pytest.fixture(scope="session")
def three_drops(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], shop: Lake) -> tuple[Lake, list[str]]:
    """A lake, and three drops of it that nobody has taken: of the real data set where it is at hand, a baseline and two days."""
    archive = os.environ.get("OLIST_ZIP")
    if not archive:
        return shop, ["dt=2018-01-02", "dt=2018-02-02", "dt=2018-02-16"]
    lake = Lake(str(tmp_path_factory.mktemp("slice") / "lake"), environment)
    lake.run("replay", "--source", archive, "--cadence", "daily", "--from", "2017-01-05", "--to", "2017-01-06")
    return lake, ["dt=2017-01-04", "dt=2017-01-05", "dt=2017-01-06"]
