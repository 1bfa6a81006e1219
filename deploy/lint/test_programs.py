"""The scripts of deploy/, run against stand-ins for `aws` and `entrega` that write down how they were called.

A stand-in cannot show that AWS does what it is asked; it shows what is asked, and what becomes of each answer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EMR = ROOT / "deploy/emr"
CONTAINERS = ROOT / "deploy/containers"

sys.path.insert(0, str(EMR / "programs"))
from run_sql import statements  # noqa: E402

AWS = """#!/usr/bin/env python3
import json, os, pathlib, sys
here = pathlib.Path(os.environ["STAND_IN"])
with open(here / "calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
answers = json.loads((here / "answers").read_text())
said = answers.get(" ".join(sys.argv[1:3]), "")
query = sys.argv[sys.argv.index("--query") + 1] if "--query" in sys.argv else ""
if isinstance(said, dict):
    said = said[query]
if isinstance(said, list):
    # One answer after the other; the last one stays.
    seen = here / ("seen-" + sys.argv[2])
    number = int(seen.read_text()) if seen.exists() else 0
    seen.write_text(str(number + 1))
    said = said[min(number, len(said) - 1)]
if said == "FAIL":
    sys.exit("An error occurred (AccessDenied)")
print(said)
"""
ENTREGA = """#!/usr/bin/env bash
echo "$*" >> "$STAND_IN/compiled"
[ "$1 $3 $5" = "compile --lake --out" ] || exit 2
cat "$STAND_IN/batch.sql" > "$6"
"""
STATE = "Step.Status.State"
WHY = "Step.Status.[FailureDetails.Reason, FailureDetails.Message, StateChangeReason.Message] | [?@]"
CLUSTER = ["--job", "ingest", "--lake", "s3://shop-data/lake", "--cluster", "j-ABC123"]
ROLE = "arn:aws:iam::123456789012:role/job"
SERVERLESS = ["--job", "features", "--lake", "s3://shop-data/lake", "--application", "00abc", "--role", ROLE]


class StandIns:
    """A folder with both programs, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("aws", AWS), ("entrega", ENTREGA)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        (folder / "batch.sql").write_text("select 1;\n")
        self.answers = {
            "emr describe-cluster": "WAITING",
            "emr add-steps": "s-1",
            "emr describe-step": {STATE: ["PENDING", "RUNNING", "RUNNING", "COMPLETED"], WHY: "None"},
            "emr-serverless start-job-run": "run1",
            "emr-serverless get-job-run": {"jobRun.state": ["SUBMITTED", "SUCCESS"], "jobRun.stateDetails": ""},
        }

    def run(self, script: str, arguments: list[str], **environment: str) -> subprocess.CompletedProcess:
        (self.folder / "answers").write_text(json.dumps(self.answers))
        own = {"PATH": f"{self.folder}:{os.environ['PATH']}", "STAND_IN": str(self.folder), "POLL_SECONDS": "0"}
        command = [str(EMR / script), *arguments]
        return subprocess.run(command, env=own | environment, capture_output=True, text=True, timeout=60)

    def calls(self, *verb: str) -> list[list[str]]:
        path = self.folder / "calls"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in calls if call[: len(verb)] == list(verb)]


@pytest.fixture
def stand(tmp_path: Path) -> StandIns:
    return StandIns(tmp_path)


def after(call: list[str], option: str) -> str:
    return call[call.index(option) + 1]


# ── submit-step.sh ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_is_compiled_uploaded_run_and_waited_for(stand: StandIns) -> None:
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 0, done.stderr
    compiled = (stand.folder / "compiled").read_text()
    assert compiled.startswith("compile ingest --lake s3://shop-data/lake --out /")
    (copy,) = stand.calls("s3", "cp")
    assert re.fullmatch(r"s3://shop-data/_emr/batches/ingest-\d{8}T\d{6}Z-[0-9a-f]{12}\.sql", copy[-1])
    (added,) = stand.calls("emr", "add-steps")
    (step,) = json.loads(after(added, "--steps"))
    assert step["Args"] == ["spark-sql", "-f", copy[-1]]
    assert step["Jar"] == "command-runner.jar" and step["ActionOnFailure"] == "CONTINUE"
    assert step["Name"].startswith("entrega ingest ")
    assert re.findall(r"step s-1: (\w+)", done.stdout) == ["PENDING", "RUNNING", "COMPLETED"]


def test_a_failed_step_says_why_and_where_its_log_is(stand: StandIns) -> None:
    stand.answers["emr describe-step"] = {STATE: ["RUNNING", "FAILED"], WHY: "Unknown Error.\tquery failed"}
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 1
    assert "error: step s-1 is FAILED: Unknown Error.\tquery failed" in done.stderr
    assert "hint: its log, some minutes later: aws s3 cp s3://shop-data/_emr/logs/j-ABC123/steps/s-1/" in done.stderr


def test_a_cancelled_step_without_a_reason_is_an_error_too(stand: StandIns) -> None:
    stand.answers["emr describe-step"] = {STATE: ["CANCELLED"], WHY: "None"}
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 1
    assert "error: step s-1 is CANCELLED: EMR gives no reason" in done.stderr


def test_a_batch_with_comments_only_is_not_submitted(stand: StandIns) -> None:
    (stand.folder / "batch.sql").write_text("-- nothing waits\n\n")
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 0 and "nothing to do" in done.stdout
    assert not stand.calls("emr", "add-steps") and not stand.calls("s3", "cp")


def test_two_batches_do_not_run_at_once(stand: StandIns) -> None:
    stand.answers["emr list-steps"] = "s-0\tentrega summary 0123456789ab"
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 3
    assert "another batch waits or runs on j-ABC123: s-0" in done.stderr
    assert not (stand.folder / "compiled").exists()


def test_a_cluster_that_has_ended_is_named(stand: StandIns) -> None:
    stand.answers["emr describe-cluster"] = "TERMINATED"
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 1 and "cluster j-ABC123 is TERMINATED" in done.stderr


@pytest.mark.parametrize("verb", ["emr describe-cluster", "emr list-steps", "s3 cp", "emr add-steps", "emr describe-step"])
def test_every_refusal_of_aws_ends_it(stand: StandIns, verb: str) -> None:
    stand.answers[verb] = "FAIL"
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr and "hint:" in done.stderr


def test_a_compiler_that_fails_ends_it(stand: StandIns) -> None:
    (stand.folder / "entrega").write_text("#!/bin/sh\necho no lake >&2; exit 1\n")
    done = stand.run("submit-step.sh", CLUSTER)
    assert done.returncode == 1 and "entrega compile ingest failed" in done.stderr
    assert not stand.calls("emr", "add-steps")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--job", "all"],
        ["--lake", "demo-lake"],
        ["--lake", 's3://shop-data/a"b c'],
        ["--cluster", "cluster"],
        ["--colour"],
        ["--job"],
    ],
)
def test_wrong_arguments_are_told_before_anything_is_asked(stand: StandIns, wrong: list[str]) -> None:
    done = stand.run("submit-step.sh", CLUSTER + wrong)
    assert done.returncode == 2 and "hint:" in done.stderr
    assert not stand.calls()


# ── submit-serverless.sh ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_runs_on_the_application(stand: StandIns) -> None:
    done = stand.run("submit-serverless.sh", SERVERLESS)
    assert done.returncode == 0, done.stderr
    (copy,) = stand.calls("s3", "cp")
    (started,) = stand.calls("emr-serverless", "start-job-run")
    assert after(started, "--execution-role-arn") == ROLE
    # An empty sparkSubmitParameters is refused by AWS, so it is not there.
    assert json.loads(after(started, "--job-driver")) == {
        "sparkSubmit": {"entryPoint": "s3://shop-data/_emr/programs/run_sql.py", "entryPointArguments": [copy[-1]]}
    }


def test_parameters_for_spark_are_handed_on(stand: StandIns) -> None:
    done = stand.run("submit-serverless.sh", SERVERLESS, SPARK_PARAMETERS="--conf spark.executor.cores=2")
    assert done.returncode == 0, done.stderr
    (started,) = stand.calls("emr-serverless", "start-job-run")
    driver = json.loads(after(started, "--job-driver"))["sparkSubmit"]
    assert driver["sparkSubmitParameters"] == "--conf spark.executor.cores=2"


def test_a_failed_job_run_says_why(stand: StandIns) -> None:
    stand.answers["emr-serverless get-job-run"] = {"jobRun.state": ["FAILED"], "jobRun.stateDetails": "exit code 1"}
    done = stand.run("submit-serverless.sh", SERVERLESS)
    assert done.returncode == 1 and "error: job run run1 is FAILED: exit code 1" in done.stderr


def test_two_job_runs_do_not_run_at_once(stand: StandIns) -> None:
    stand.answers["emr-serverless list-job-runs"] = "run0\tentrega ingest 0123456789ab"
    done = stand.run("submit-serverless.sh", SERVERLESS)
    assert done.returncode == 3 and not stand.calls("emr-serverless", "start-job-run")


# ── run_sql.py, serve.sh, .env.example ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select 1;\n;\n  ;", ["select 1"]),
        ("-- a; comment\n/* and; /* a nested; */ one */", []),
        ("select ';' -- ;\n, \"a;b\", `c;d`; select 2", ["select ';' -- ;\n, \"a;b\", `c;d`", "select 2"]),
        (r"select 'it\'s;'; select 'it''s;'", [r"select 'it\'s;'", "select 'it''s;'"]),
        (r"select `a\`; select 1", [r"select `a\`", "select 1"]),
        ("select 4 - -2; select 6 / 2 * 3", ["select 4 - -2", "select 6 / 2 * 3"]),
        ("select 'never ended; ", ["select 'never ended;"]),
    ],
)
def test_a_script_is_cut_at_its_own_semicolons(script: str, expected: list[str]) -> None:
    assert statements(script) == expected


@pytest.mark.parametrize(("arguments", "hint"), [(["hive"], "s3, metastore"), (["spark-connect"], ".env.example")])
def test_the_services_image_says_what_is_wrong(tmp_path: Path, arguments: list[str], hint: str) -> None:
    environment = {"PATH": os.environ["PATH"], "DATA": str(tmp_path)}
    command = [str(CONTAINERS / "serve.sh"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "hint:" in done.stderr and hint in done.stderr


def test_the_recipe_of_the_example_fills_every_secret_with_another(tmp_path: Path) -> None:
    text = (CONTAINERS / ".env.example").read_text()
    recipe = "\n".join(re.findall(r"^#   (.+)$", text, re.MULTILINE))
    (tmp_path / ".env.example").write_text(text)
    subprocess.run(["bash", "-c", recipe], cwd=tmp_path, check=True, timeout=60)
    filled = dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / ".env").read_text(), re.MULTILINE))
    secrets = [value for name, value in filled.items() if re.search("KEY|TOKEN|SECRET", name)]
    assert len(secrets) == 4 and len(set(secrets)) == 4 and all(len(value) == 40 for value in secrets)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
