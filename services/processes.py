"""Starts processes that outlive the call, finds them again, and ends them with all their children.

A process is known by its id *and* the moment it started: ids are used again, and a service that died long ago must
never cost a stranger's process its life. Each is the leader of its own session and group, so that its children are
found and ended too, even when it died before them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from state import Trouble

TAIL_LINES = 25
POLL_SECONDS = 0.2


def spawn(command: list[str], environment: dict[str, str], folder: Path, log: Path) -> dict:
    """Starts a process in a folder, with a fresh log, and gives what is needed to find it again."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Trouble(f"cannot start {command[0]}: {error}\nhint: run `services.py install`") from None
    finally:
        os.close(descriptor)
    return {"pid": child.pid, "started": listed().get(child.pid, {}).get("started", "")}


def listed() -> dict[int, dict]:
    """All living processes: group, session and start of each, by id. A zombie does not live."""
    columns = "pid=,pgid=,sess=,stat=,lstart="
    text = subprocess.run(
        ["ps", "-A", "-o", columns], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in text.splitlines():
        pid, group, session, state, started = line.split(None, 4)
        if not state.startswith("Z"):
            found[int(pid)] = {"group": int(group), "session": session, "started": started.strip()}
    return found


def is_running(process: dict | None) -> bool:
    """Whether it still lives."""
    return process is not None and listed().get(process["pid"], {}).get("started") == process["started"]


def members(process: dict) -> list[int]:
    """The living processes of its group, itself included; none if its id is another process's by now."""
    pid = process["pid"]
    living = listed()
    if pid in living and living[pid]["started"] != process["started"]:
        return []
    return [other for other, facts in living.items() if facts["group"] == pid]


def end(process: dict, patience_seconds: float) -> bool:
    """Ends the whole group: asks first, and kills what has not gone in time. Whether there was anything to end."""
    if not members(process):
        return False
    for sign, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(process["pid"], sign)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            reap(process["pid"])
            if not members(process):
                return True
            time.sleep(POLL_SECONDS)
    raise Trouble(
        f"processes {members(process)} do not end, not even by SIGKILL\n"
        "hint: `ps -o pid,stat,wchan,args -p PID` shows what they wait for"
    )


def reap(pid: int) -> None:
    """Takes leave of a child of ours that has ended; a process that is not our child is init's to bury."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def wait_until_ready(name: str, process: dict, log: Path, seconds: float, is_ready: Callable[[], bool]) -> None:
    """Waits until a service answers. If it ends instead, or takes too long, the error shows how its log ends."""
    deadline = time.monotonic() + seconds
    while True:
        reap(process["pid"])
        if not is_running(process):
            what = f"{name} ended while it was starting"
            break
        if is_ready():
            return
        if time.monotonic() > deadline:
            what = f"{name} did not answer within {seconds:.0f} seconds"
            break
        time.sleep(POLL_SECONDS)
    raise Trouble(
        f"{what}; {log} ends with:\n{tail(log)}\nhint: the reason is in these lines or above them in that file"
    )


def tail(log: Path) -> str:
    """The last lines of a log, indented."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  | {line}" for line in lines[-TAIL_LINES:]) or "  | (nothing)"
