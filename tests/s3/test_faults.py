"""A server that fails: nothing is lost, nothing doubled."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from program import SHOP, Lake, assert_same

FAULTS = Path(__file__).with_name("faults.py")
FEWEST = 200
# Of all requests; with more, most runs fail and are begun again.
SHARE = 0.08


@contextmanager
def failing(endpoint: str, seed: int, share: float, log: Path) -> Iterator[str]:
    """A way to the server on which requests fail; gives its endpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = os.environ.get("MITMDUMP", "mitmdump")
    options = ["--mode", f"reverse:{endpoint}", "--listen-host", "127.0.0.1", "--listen-port", str(port),
               "--set", "keep_host_header=true", "--set", f"confdir={log.parent}", "--quiet", "-s", str(FAULTS)]
    settings = {"FAULT_SEED": str(seed), "FAULT_SHARE": str(share), "FAULT_LOG": str(log)}
    proxy = subprocess.Popen([program, *options], env=os.environ | settings)
    try:
        for _ in range(150):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert proxy.poll() is None, "the proxy has ended"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait(timeout=30)


def until_done(lake: Lake, *arguments: str, tries: int = 20) -> int:
    """Runs again until it does well, as a scheduler would; gives how often it failed."""
    for failed in range(tries):
        done = lake.ask(*arguments)
        if done.returncode == 0:
            return failed
        assert done.returncode in (1, 3) and "hint:" in done.stderr, done.stderr
    raise AssertionError(f"{arguments} failed {tries} times; at last: {done.stderr}")


def test_nothing_is_lost_and_nothing_doubled(
    new_lake: Callable[..., Lake], server: dict[str, str], tmp_path: Path, expected: dict[str, list[str]]
) -> None:
    straight = new_lake()
    faults, failures = [], 0
    for seed, last in enumerate(["2018-02-10", "2018-03-31"]):
        log = tmp_path / f"faults-{seed}.jsonl"
        with failing(server["AWS_ENDPOINT_URL"], seed, SHARE, log) as endpoint:
            lake = new_lake(url=straight.url, AWS_ENDPOINT_URL=endpoint, AWS_ENDPOINT_URL_S3=endpoint)
            failures += until_done(lake, "replay", "--source", str(SHOP), "--cadence", "daily", "--to", last)
            failures += until_done(lake, "run", "all")
            faults += [json.loads(line) for line in log.read_text().splitlines()]
    kinds = Counter(fault["fault"] for fault in faults)
    lost_commits = sum(fault["fault"] == "lost" and fault["conditional"] for fault in faults)
    print(f"{len(faults)} faults, {dict(kinds)}, {lost_commits} answers to conditional puts lost; {failures} runs failed")
    assert len(faults) >= FEWEST and len(kinds) == 6 and lost_commits > 0
    assert_same(expected, straight.contents())
