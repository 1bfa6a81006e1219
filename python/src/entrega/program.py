"""Finding the program and calling it.

Everything that this package does is done by one program, the same that runs on the command line: there is no second
implementation that could differ. Arguments hold no secrets, because every user of a machine can read them; keys of a
bucket reach the program through the environment, as they reach every AWS tool.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from entrega.errors import Failed, ProgramMissing, told

NAME = "entrega.exe" if os.name == "nt" else "entrega"


def find() -> str:
    """The program: what ENTREGA names, else the wheel's own, else the one on the PATH.

    The wheel's comes before the PATH's, so that package and program are of one version even where an older program is
    installed for the whole machine.
    """
    named = os.environ.get("ENTREGA")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ProgramMissing(f"ENTREGA names {named}, which is no program", "name the entrega program, or unset it")
        return found
    for folder in (str(Path(sys.executable).parent), sysconfig.get_path("scripts")):
        if found := shutil.which(NAME, path=folder):
            return found
    if found := shutil.which(NAME):
        return found
    raise ProgramMissing(
        "the program entrega was not found beside this Python, nor on the PATH",
        "install the wheel (pip install entrega), or name the program in the environment variable ENTREGA",
    )


def text(value: object) -> str:
    """An argument's value as the program reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        # Files: one a line.
        return "\n".join(text(part) for part in value)
    return str(value)


def operator_arguments(name: str, lake: object, arguments: Mapping[str, object]) -> list[str]:
    """The command line of one operator; arguments that are None are left to their defaults."""
    place = [] if lake is None else ["--lake", str(lake)]
    pairs = [f"{key}={text(value)}" for key, value in arguments.items() if value is not None]
    return ["op", name, *place, *pairs]


def output(arguments: list[str]) -> bytes:
    """What the program writes to standard output when it does well."""
    program = find()
    try:
        done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise ProgramMissing(f"{program} cannot be started: {error}", "is it built for this machine?") from error
    if done.returncode != 0:
        raise told(done.stderr.decode(errors="replace"), done.returncode)
    return done.stdout


def call(name: str, lake: object, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Runs one operator."""
    result: dict[str, Any] = answer(operator_arguments(name, lake, arguments))
    return result


def answer(arguments: list[str]) -> Any:
    """The program's answer, which is JSON."""
    return parsed(output(arguments))


def parsed(written: bytes | str) -> Any:
    """JSON that the program wrote."""
    try:
        return json.loads(written)
    except ValueError as error:
        raise Failed(f"the program's answer is not JSON: {written[:200]!r}") from error
