"""What a server is, and what all have in common.

Everything listens on the loopback address only. Secrets go into configuration files of mode 0600, never into a command
line, which every user of the machine can read.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from installation import Installation
from state import LOOPBACK, State


@dataclass(frozen=True)
class Place:
    """Where things are: the state folder and the installation."""

    state: State
    installed: Installation

    def folder(self, service: str) -> Path:
        """The folder of a service."""
        return self.state.folder / service

    def port(self, name: str) -> int:
        """A chosen port."""
        return self.state.port(name)


@dataclass(frozen=True)
class Server:
    """One server. `configure` writes its files and gives its command and its own environment variables."""

    name: str
    what: str
    needs: list[str]
    ports: list[str]
    needs_java: bool
    configure: Callable[[Place], tuple[list[str], dict[str, str]]]
    is_ready: Callable[[Place], bool]
    start_seconds: float
    # How long it may take to end by itself, before it is killed.
    end_seconds: float
    after_start: Callable[[Place], None] = lambda place: None
    after_end: Callable[[Place], None] = lambda place: None


def answers(port: str) -> Callable[[Place], bool]:
    """A check whether something accepts connections on a port."""

    def check(place: Place) -> bool:
        with socket.socket() as connection:
            connection.settimeout(2)
            return connection.connect_ex((LOOPBACK, place.port(port))) == 0

    return check


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would bend the servers: other credentials, other Sparks, Java options."""
    bending = (
        "AWS_",
        "SPARK_",
        "PYSPARK_",
        "HADOOP_",
        "HIVE_",
        "YARN_",
        "PYTHON",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(bending)}
