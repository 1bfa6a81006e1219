"""The tests of the lake's own crate that need a bucket."""

from __future__ import annotations

import os
import subprocess

from program import ROOT


def test_only_one_holds_the_lease(server: dict[str, str]) -> None:
    command = ["cargo", "test", "--release", "--workspace", "--lib", "lease_of_a_bucket", "--", "--ignored"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | server, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lease_of_a_bucket ... ok" in done.stdout, done.stdout
