"""A real S3 server, and lakes in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from program import ROOT, SHOP, Lake

SERVICES = [sys.executable, str(ROOT / "services" / "services.py")]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which every AWS tool finds the server."""
    state = str(tmp_path_factory.mktemp("services"))
    subprocess.run([*SERVICES, "start", "s3", "--state", state], check=True)
    try:
        lines = subprocess.run([*SERVICES, "env", "--state", state], check=True, capture_output=True, text=True).stdout
        pairs = (shlex.split(line)[1].split("=", 1) for line in lines.splitlines() if line.startswith("export "))
        yield dict(pairs)
    finally:
        subprocess.run([*SERVICES, "stop", "--state", state], check=True)


@pytest.fixture(scope="session")
def credentials(server: dict[str, str]) -> dict[str, str]:
    """What the program is told of the server."""
    return {name: value for name, value in server.items() if name.startswith("AWS_")}


@pytest.fixture(scope="session")
def bucket(server: dict[str, str]) -> str:
    """The bucket that the tests may fill."""
    return server["ENTREGA_TEST_BUCKET"]


@pytest.fixture
def new_lake(credentials: dict[str, str], bucket: str) -> Callable[..., Lake]:
    """Makes a lake in a prefix of its own; with an endpoint, by another way than the straight one."""

    def make(url: str | None = None, **environment: str) -> Lake:
        return Lake(url or f"s3://{bucket}/{uuid.uuid4().hex}/lake", credentials | environment)

    return make


@pytest.fixture
def lake(new_lake: Callable[..., Lake]) -> Lake:
    """A lake in a prefix of its own."""
    return new_lake()


@pytest.fixture(scope="session")
def aws(credentials: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The AWS CLI."""
    program = os.environ.get("AWS_CLI", "aws")

    def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([program, *arguments], env=os.environ | credentials, capture_output=True, text=True)
        assert done.returncode == 0 or not check, f"aws {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The fixture shop's daily drops, taken in a local folder: what every other way must come to."""
    lake = Lake(str(tmp_path_factory.mktemp("local") / "lake"))
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily")
    lake.run("run", "all")
    return lake


@pytest.fixture(scope="session")
def expected(local: Lake) -> dict[str, list[str]]:
    """The rows of that lake."""
    return local.contents()


@pytest.fixture(scope="session")
def landing(local: Lake) -> Path:
    """Its drops, as files."""
    return Path(local.url) / "landing"
