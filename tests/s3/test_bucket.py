"""A lake in a bucket is a lake like any other."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from program import SHOP, Lake, assert_same


def test_the_same_tables_as_in_a_folder(lake: Lake, expected: dict[str, list[str]]) -> None:
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily")
    lake.run("run", "all")
    assert_same(expected, lake.contents())
    assert "nothing to do" in lake.run("run", "all")


def test_drops_by_and_by(lake: Lake, expected: dict[str, list[str]]) -> None:
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-02-10")
    lake.run("run", "all")
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily")
    lake.run("run", "ingest")
    lake.run("run", "all")
    assert_same(expected, lake.contents())


def test_files_that_the_aws_cli_copied_are_landed(lake, aws, landing: Path, expected) -> None:
    aws("s3", "cp", "--recursive", "--quiet", str(landing), f"{lake.url}/landing")
    lake.run("run", "all")
    assert_same(expected, lake.contents())


def test_what_the_program_copies_the_aws_cli_sees(lake, aws, landing: Path, tmp_path: Path) -> None:
    lake.run("lake", "init")
    assert "0 were there already" in lake.run("lake", "put", str(landing), "landing/")
    files = sorted(str(file.relative_to(landing)) for file in landing.rglob("*") if file.is_file())
    listed = aws("s3", "ls", "--recursive", f"{lake.url}/landing/").stdout.splitlines()
    assert sorted(line.split("/landing/")[1] for line in listed) == files
    assert f"{len(files)} were there already" in lake.run("lake", "put", str(landing), "landing/")
    assert [entry["path"] for entry in json.loads(lake.run("lake", "ls", "--json"))] == ["landing/", "_entrega.json"]
    used = {entry["folder"]: entry for entry in json.loads(lake.run("lake", "du", "--json"))}
    assert used["landing"]["files"] == len(files)
    assert used["landing"]["bytes"] == sum((landing / file).stat().st_size for file in files)
    lake.run("lake", "get", "landing", str(tmp_path / "copy"))
    assert all((tmp_path / "copy" / file).read_bytes() == (landing / file).read_bytes() for file in files)
    refused = lake.ask("lake", "rm", "landing")
    assert refused.returncode == 1 and "--recursive" in refused.stderr
    lake.run("lake", "rm", "--recursive", "landing")
    assert aws("s3", "ls", "--recursive", f"{lake.url}/landing/", check=False).stdout == ""


@pytest.mark.parametrize("path", ["clean/orders", "ops", "landing/../clean"])
def test_tables_are_not_changed_by_hand(lake: Lake, path: str) -> None:
    lake.run("lake", "init")
    done = lake.ask("lake", "rm", "--recursive", path)
    assert done.returncode == 1 and "hint: other folders belong to tables" in done.stderr


def test_the_doctor_finds_a_bucket_well(lake: Lake) -> None:
    findings = json.loads(lake.run("doctor", "--json"))
    assert {finding["about"] for finding in findings} >= {"conditional put", "conditional replace", "clock", "deleting"}
    assert all(finding["health"] == "well" for finding in findings), findings


def test_wrong_keys_are_told_and_never_shown(new_lake) -> None:
    stranger = new_lake(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="s3cr3t-of-nobody")
    for arguments in (["doctor"], ["run", "all"]):
        done = stranger.ask(*arguments)
        assert done.returncode == 1 and "hint:" in done.stderr, done.stderr
        assert "s3cr3t" not in done.stdout + done.stderr


def test_keys_in_a_url_are_refused_and_not_repeated(new_lake, bucket: str) -> None:
    done = new_lake(url=f"s3://key:s3cr3t@{bucket}/lake").ask("run", "all")
    assert done.returncode == 1 and "the URL holds credentials" in done.stderr
    assert "s3cr3t" not in done.stderr


def test_an_endpoint_without_tls_must_be_meant(new_lake) -> None:
    away = {"AWS_ENDPOINT_URL": "http://192.0.2.1:9000", "AWS_ALLOW_HTTP": "false"}
    done = new_lake(**away).ask("run", "all")
    assert done.returncode == 1 and "AWS_ALLOW_HTTP=true" in done.stderr


def test_a_run_waits_its_turn(lake: Lake, aws, tmp_path: Path) -> None:
    lake.run("replay", "--source", str(SHOP), "--as", "one-drop")
    other = tmp_path / "lease"
    other.write_text("of a run that lives")
    bucket, key = lake.url.removeprefix("s3://").split("/", 1)
    hold = ("s3api", "put-object", "--bucket", bucket, "--key", f"{key}/_lease", "--body", str(other))
    aws(*hold)
    waiting = lake.start("run", "all")
    time.sleep(3)
    other.write_text("renewed")
    aws(*hold)
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 3 and "being changed by another run" in errors, errors
    # The holder is gone now, and nobody renews: the next run takes over.
    assert "batch 000001" in lake.run("run", "ingest")
    assert aws("s3", "ls", f"{lake.url}/_lease", check=False).stdout == "", "the lease is given back"


def test_a_killed_run_leaves_a_lake_that_the_next_one_mends(lake: Lake, expected: dict[str, list[str]]) -> None:
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily")
    assert sum(lake.kill_after(seconds, "run", "all", "--one-by-one") for seconds in (0.6, 1.5, 4.0)) == 3
    lake.run("run", "all")
    assert_same(expected, lake.contents())
