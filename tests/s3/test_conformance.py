"""The suite that every store must pass, on a bucket."""

from __future__ import annotations

import os
import subprocess

from program import ROOT


def test_a_bucket_is_a_store_like_any_other(server: dict[str, str]) -> None:
    command = ["cargo", "test", "--release", "--workspace", "--lib", "bucket", "--", "--ignored"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | server, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a_bucket_conforms ... ok" in done.stdout and "lease_of_a_bucket ... ok" in done.stdout, done.stdout
