"""Spark runs the batches of a lake, and both engines come to the same tables."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from program import SHOP, Lake


def test_both_engines_give_the_same_rows(shop: Lake, environment: dict[str, str], tmp_path: Path) -> None:
    told = shop.run("parity", "--work", str(tmp_path))
    assert told.splitlines()[-1].endswith(" 0 differ"), told
    assert "features.at_purchase" in told
    lake = Lake(str(tmp_path / "spark"), environment)
    assert not (tmp_path / "spark" / "_staging").exists()
    assert "nothing to do" in lake.run("run", "all", "--engine", "spark")
    assert "nothing to do" in lake.run("run", "all")


def test_engines_may_take_turns_in_a_bucket(three_drops: tuple[Lake, list[str]], server: dict[str, str]) -> None:
    lake, drops = three_drops
    work = f"s3://{server['ENTREGA_TEST_BUCKET']}/{uuid.uuid4().hex}"
    told = lake.run("parity", "--work", work, "--alternate", *(word for drop in drops for word in ("--drops", drop)))
    assert told.splitlines()[-1].endswith(" 0 differ"), told


def test_different_rows_are_told(shop: Lake, environment: dict[str, str], tmp_path: Path) -> None:
    """A lake that has one drop more differs, and the differing rows are named."""
    for name, days in {"one": ["dt=2018-01-02"], "other": ["dt=2018-01-02", "dt=2018-01-05"]}.items():
        lake = Lake(str(tmp_path / name), environment)
        lake.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-01-05")
        lake.run("run", "all", *(argument for day in days for argument in ("--drop", f"landing/{day}")))
    done = Lake(str(tmp_path / "one"), environment).ask("parity", "--with", str(tmp_path / "other"))
    assert done.returncode == 1, done.stdout
    assert "only in the second lake" in done.stdout and "rows differ" in done.stderr


def test_a_damaged_file_ends_the_batch_and_says_so(new_lake: Callable[[str], Lake]) -> None:
    lake = new_lake("lake")
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-01-03")
    file = next(Path(lake.url).glob("landing/*/olist_orders_dataset.csv"))
    file.write_bytes(file.read_bytes() + b"x")
    done = lake.ask("run", "ingest", "--engine", "spark")
    assert done.returncode != 0
    assert "its manifest says" in done.stderr and "hint: " in done.stderr, done.stderr
    assert "Spark failed at 'landing: files as their manifests say'" in done.stderr
    assert "no batch" in done.stderr


def test_no_spark_is_a_clear_error(new_lake: Callable[[str], Lake]) -> None:
    lake = new_lake("lake")
    lake.run("replay", "--source", str(SHOP), "--cadence", "daily", "--to", "2018-01-03")
    done = lake.ask("run", "all", "--engine", "spark", "--remote", "sc://127.0.0.1:1")
    assert done.returncode == 1 and "hint: " in done.stderr, done.stderr
