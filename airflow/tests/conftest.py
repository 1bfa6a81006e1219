"""Lakes, an Airflow for each test, and a real S3 server."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Airflow makes its home when it is imported: not the one of whoever runs the tests.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="entrega-airflow-")

from entrega import Lake  # noqa: E402
from entrega.program import output  # noqa: E402
from home import ROOT, TESTS, Home  # noqa: E402

SHOP = ROOT / "tests" / "fixtures" / "shop"
SERVICES = [sys.executable, str(ROOT / "services" / "services.py")]
# A day with drops of rows in five of its hours, and before it one drop with all that was.
DAY = "2018-02-05"


def pytest_unconfigure() -> None:
    """Removes that home."""
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Airflow's database, set up once."""
    return Home.new(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def new_home(empty_home: Home, tmp_path: Path) -> Callable[..., Home]:
    """Makes an Airflow whose tasks work on a lake."""

    def make(lake: Lake, plan: Path = TESTS / "plan.json", **settings: str) -> Home:
        return empty_home.copy(tmp_path / "home", ENTREGA_LAKE=lake.url, ENTREGA_PLAN=str(plan), **settings)

    return make


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake to which the day was delivered hour by hour; nothing is taken yet."""
    lake = Lake(tmp_path_factory.mktemp("delivered") / "lake")
    days = ["--cadence", "hourly", "--from", DAY, "--to", DAY]
    output(["replay", "--source", str(SHOP), "--lake", lake.url, *days])
    return lake


@pytest.fixture
def new_lake(delivered: Lake, tmp_path: Path) -> Callable[[str], Lake]:
    """Makes a lake with the same drops."""

    def make(name: str) -> Lake:
        return Lake(shutil.copytree(delivered.url, tmp_path / name))

    return make


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which every AWS tool finds a real S3 server, started for these tests alone."""
    state = str(tmp_path_factory.mktemp("services"))
    subprocess.run([*SERVICES, "start", "s3", "--state", state], check=True)
    try:
        lines = subprocess.run([*SERVICES, "env", "--state", state], check=True, capture_output=True, text=True).stdout
        pairs = (shlex.split(line)[1].split("=", 1) for line in lines.splitlines() if line.startswith("export "))
        yield dict(pairs)
    finally:
        subprocess.run([*SERVICES, "stop", "--state", state], check=True)
