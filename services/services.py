#!/usr/bin/env python3
"""The real servers that the tests need, installed by package name and started without containers.

    services.py install          into the cache beside Cargo's target folder
    services.py start [NAME …]   s3, metastore, spark, thrift: these and what they need; all if none is named
    services.py env              how to reach them, as lines for the shell: eval "$(services.py env)"
    services.py status           what runs, where, and its log
    services.py stop [NAME …]    these and what needs them; all if none is named

`--state DIR`, before or after the verb, keeps ports, data, logs and processes in another folder, so that several sets
can run side by side. Messages go to standard error; only `env` and `status` write to standard output. See
docs/guides/services.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import processes
from hadoop import metastore_uri
from installation import Installation, cache_folder, check_java, digest
from s3 import BUCKET, s3_environment
from server import Place, Server, clean_environment
from servers import SERVERS
from state import LOOPBACK, State, Trouble

BY_NAME = {server.name: server for server in SERVERS}


def wanted(names: list[str]) -> list[Server]:
    """The named servers and all that they need, in the order in which they start."""
    needed = set(names or BY_NAME)
    for server in reversed(SERVERS):
        if server.name in needed:
            needed.update(server.needs)
    return [server for server in SERVERS if server.name in needed]


def dependent(names: list[str]) -> list[Server]:
    """The named servers and all that need them, in the order in which they end."""
    going = set(names or BY_NAME)
    for server in SERVERS:
        if going.intersection(server.needs):
            going.add(server.name)
    return [server for server in reversed(SERVERS) if server.name in going]


def running(place: Place, server: Server) -> bool:
    """Whether a server's process lives."""
    return processes.is_running(place.state.remembered()["processes"].get(server.name))


def install(place: Place, with_jars: bool) -> None:
    """Installs what is missing; never under the feet of running servers."""
    if place.installed.is_current(with_jars):
        return
    busy = [server.name for server in SERVERS if running(place, server)]
    if busy:
        raise Trouble(
            f"requirements.txt or pom.xml has changed, but {', '.join(busy)} run from what is installed\n"
            "hint: `services.py stop`, then again"
        )
    place.installed.install(with_jars)


def start(place: Place, names: list[str]) -> None:
    """Starts what does not run yet, or runs with another configuration than it would get now."""
    servers = wanted(names)
    with_java = any(server.needs_java for server in servers)
    if with_java:
        check_java()
    install(place, with_java)
    if not any(running(place, server) for server in SERVERS):
        # What a killed Spark left behind.
        shutil.rmtree(place.folder("tmp"), ignore_errors=True)
    place.folder("tmp").mkdir(parents=True, exist_ok=True)
    idle = [server for server in servers if not running(place, server)]
    for server in idle:
        # Its children may have outlived it, and hold its ports and files.
        end(place, server)
    place.state.choose_ports([port for server in idle for port in server.ports])
    for server in servers:
        start_one(place, server)


def start_one(place: Place, server: Server) -> None:
    """Starts one server and waits until it answers."""
    state = place.state
    command, own = server.configure(place)
    environment = clean_environment() | {"TMPDIR": str(place.folder("tmp"))} | own
    fingerprint = digest(json.dumps([command, own]).encode(), *configuration(place.folder(server.name)))
    known = state.remembered()["processes"].get(server.name)
    if processes.is_running(known):
        if known["fingerprint"] == fingerprint:
            print(f"{server.name} runs already", file=sys.stderr)
            return
        end(place, server)
    begun = time.monotonic()
    print(f"starting {server.name} ({server.what}) …", file=sys.stderr, flush=True)
    log = state.log(server.name)
    process = processes.spawn(command, environment, place.folder(server.name) / "work", log)
    # Remembered before it is ready, so that `stop` finds it even if this call is killed now.
    state.remember("processes", server.name, process | {"fingerprint": fingerprint})
    try:
        processes.wait_until_ready(server.name, process, log, server.start_seconds, partial(server.is_ready, place))
        server.after_start(place)
    except BaseException:
        end(place, server)
        raise
    print(f"{server.name} is ready after {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)


def configuration(folder: Path) -> list[bytes]:
    """The files that `configure` wrote."""
    paths = [folder / "options", folder / "identities.json", *sorted((folder / "conf").glob("*"))]
    return [path.read_bytes() for path in paths if path.is_file()]


def end(place: Place, server: Server) -> bool:
    """Ends one server with all its processes, and forgets it. Whether there was anything to end."""
    process = place.state.remembered()["processes"].get(server.name)
    if process is None:
        return False
    ended = processes.end(process, server.end_seconds)
    server.after_end(place)
    place.state.remember("processes", server.name, None)
    return ended


def stop(place: Place, names: list[str]) -> None:
    """Ends the servers. Data, ports and credentials stay for the next start."""
    for server in dependent(names):
        if end(place, server):
            print(f"{server.name} is stopped", file=sys.stderr, flush=True)


def status(place: Place) -> None:
    """Prints what runs. Ends with 3 unless everything does, as service managers do."""
    remembered = place.state.remembered()
    down = 0
    for server in SERVERS:
        process = remembered["processes"].get(server.name)
        if processes.is_running(process):
            address = f"{LOOPBACK}:{remembered['ports'][server.ports[0]]}"
            print(f"{server.name:<10} runs     {address}  pid {process['pid']}  log {place.state.log(server.name)}")
            continue
        down += 1
        log = f"  log {place.state.log(server.name)}" if process else ""
        print(f"{server.name:<10} {'died' if process else 'stopped':<8}{log}")
    if down:
        sys.exit(3)


def env(place: Place) -> None:
    """Prints how to reach what runs, for the shell."""
    lines: dict[str, str] = {}
    for server in SERVERS:
        if not running(place, server):
            print(f"# {server.name} does not run: services.py start {server.name}")
            continue
        if server.name == "s3":
            lines |= s3_environment(place) | {"ENTREGA_TEST_BUCKET": BUCKET}
        elif server.name == "metastore":
            lines["ENTREGA_METASTORE_URI"] = metastore_uri(place)
        elif server.name == "spark":
            # Not SPARK_REMOTE: PySpark reads that name itself, and refuses to be a local Spark in the same shell.
            lines["ENTREGA_SPARK_REMOTE"] = f"sc://{LOOPBACK}:{place.port('spark')}"
            # For programs beside it: SPARK_CONF_DIR=$ENTREGA_SPARK_CONF $ENTREGA_SPARK_HOME/bin/spark-sql
            lines["ENTREGA_SPARK_CONF"] = str(place.folder("spark") / "conf")
            lines["ENTREGA_SPARK_HOME"] = str(place.installed.spark_home)
        elif server.name == "thrift":
            lines["ENTREGA_JDBC_URL"] = f"jdbc:hive2://{LOOPBACK}:{place.port('thrift')}/default"
    lines["ENTREGA_SERVICES_BIN"] = str(place.installed.venv / "bin")
    for name, value in lines.items():
        print(f"export {name}={shlex.quote(value)}")


def main() -> None:
    """Reads the command line and does one verb."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--state", type=Path, default=argparse.SUPPRESS, metavar="DIR", help="the state folder")
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="services.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[shared]
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("install", "start", "stop", "status", "env"):
        words = verbs.add_parser(verb, parents=[shared])
        if verb in ("install", "start", "stop"):
            words.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BY_NAME))
    asked = parser.parse_args()
    unknown = [name for name in getattr(asked, "names", []) if name not in BY_NAME]
    if unknown:
        parser.error(f"no service is called {unknown[0]}; there are {', '.join(BY_NAME)}")

    folder = cache_folder() / "services"
    state = State(getattr(asked, "state", folder / "state"))
    place = Place(state, Installation(folder))
    try:
        if asked.verb == "install":
            with state.locked():
                install(place, any(server.needs_java for server in wanted(asked.names)))
        elif asked.verb == "start":
            with state.locked():
                start(place, asked.names)
        elif asked.verb == "stop":
            with state.locked():
                stop(place, asked.names)
        elif asked.verb == "status":
            status(place)
        else:
            env(place)
    except Trouble as trouble:
        sys.exit(f"error: {trouble}")
    except KeyboardInterrupt:
        sys.exit("interrupted; what was starting has been ended")


if __name__ == "__main__":
    main()
