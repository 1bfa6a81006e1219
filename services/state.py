"""The state folder: what must be known from one call of services.py to the next.

    STATE/
      state.json         ports, and the process of each service that was started     (mode 0600)
      credentials.json   the random access key and secret of the S3 server           (mode 0600)
      lock               held by a call that starts or stops
      log/SERVICE.log    what each service said since its last start
      SERVICE/           its configuration (mode 0600) and its data

The folder itself has mode 0700. Removing it while nothing runs is safe: the next start makes a new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import string
from collections.abc import Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"


class Trouble(Exception):
    """What happened and where, and after `hint:` what to do."""


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read; a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


class State:
    """The state folder, and what it remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.path = self.folder / "state.json"

    def make(self) -> None:
        """Makes the folder if need be."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lets one call at a time start or stop services; the lock goes with the process that holds it."""
        self.make()
        with open(self.folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Trouble(
                    f"another services.py is starting or stopping services in {self.folder}\n"
                    "hint: wait for it, or choose another folder with --state"
                ) from None
            yield

    def remembered(self) -> dict:
        """What the last call wrote: `ports` and `processes`, each by name."""
        try:
            return json.loads(self.path.read_text())
        except FileNotFoundError:
            return {"ports": {}, "processes": {}}
        except json.JSONDecodeError as error:
            raise Trouble(
                f"{self.path} cannot be read: {error}\nhint: end the processes that `ps -ef` shows with "
                f"{self.folder} in their command line, then remove that file"
            ) from None

    def remember(self, kind: str, name: str, value: object) -> None:
        """Notes one port or process; None forgets it."""
        known = self.remembered()
        known[kind].pop(name, None)
        if value is not None:
            known[kind][name] = value
        write_private(self.path, json.dumps(known, indent=2, sort_keys=True) + "\n")

    def port(self, name: str) -> int:
        """The port that was chosen under this name."""
        return self.remembered()["ports"][name]

    def choose_ports(self, names: list[str]) -> None:
        """Chooses a free port for each name. A port of the last time is kept where nothing else has taken it since."""
        known = self.remembered()["ports"]
        with contextlib.ExitStack() as held:
            for name in names:
                taken = bound(known.get(name, 0)) or bound(0)
                assert taken is not None
                held.enter_context(taken)
                self.remember("ports", name, taken.getsockname()[1])

    def credentials(self) -> dict[str, str]:
        """The access key and secret of the S3 server, made at random once for each state folder."""
        path = self.folder / "credentials.json"
        if not path.exists():
            key = "".join(secrets.choice(string.ascii_uppercase) for _ in range(20))
            write_private(path, json.dumps({"access_key": key, "secret_key": secrets.token_hex(20)}) + "\n")
        return json.loads(path.read_text())

    def log(self, service: str) -> Path:
        """The log file of a service."""
        return self.folder / "log" / f"{service}.log"


def bound(port: int) -> socket.socket | None:
    """A socket that holds a port of the loopback address (0: any free one), or None if it is taken."""
    holder = socket.socket()
    # A port that was listened on a moment ago is free for a server, which sets the same option.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return None
    return holder
