"""The functions are the program's operators, and call them."""

from __future__ import annotations

import inspect
import json
from datetime import datetime
from pathlib import Path

import pytest

import generate
from entrega import Lake, operators
from entrega.program import output


def registry() -> list[dict]:
    listed = output(["op", "list", "--json"])
    if not listed.startswith(b"["):
        pytest.skip("this program does not know `op list --json` yet")
    return json.loads(listed)


def test_the_functions_are_those_that_the_program_lists() -> None:
    assert generate.TARGET.read_text(encoding="utf-8") == generate.module(registry())


def test_every_operator_of_the_program_has_a_function() -> None:
    listed = output(["op", "list"]).decode()
    functions = [name for name, _ in inspect.getmembers(operators, inspect.isfunction) if name != "call"]
    assert len(functions) >= 13
    assert [name for name in functions if f"entrega op {name} " not in listed] == []
    assert listed.count("entrega op ") == len(functions)


def test_operators_that_only_look_answer_about_the_lake(lake: Lake) -> None:
    drop = "landing/dt=2018-02-05"
    assert operators.discover(lake)["waiting"] == []
    assert operators.validate(lake, drop)["drop"] == drop
    assert operators.load(lake, drop, "orders")["rejected"] == {}
    assert operators.check(lake, "clean.deliveries")["table"] == "clean.deliveries"
    assert [table["table"] for table in operators.analyze(lake, table="clean.orders")["tables"]] == ["clean.orders"]
    assert operators.vacuum(lake, keep_hours=200, dry_run=True)["dry_run"] is True
    assert operators.reconcile(lake)["reconciled"] is True


def test_files_with_odd_names_and_moments_reach_the_program(tmp_path: Path, shop: Path) -> None:
    odd = tmp_path / "a=b --lake c"
    odd.mkdir()
    file = odd / "olist_sellers_dataset.csv"
    file.write_bytes((shop / file.name).read_bytes())
    lake = Lake.make(tmp_path / "lake")
    landed = operators.land(lake, files=[file], from_=datetime(2018, 2, 5, 1), to=datetime(2018, 2, 5, 2))
    assert landed["interval"] == "[2018-02-05 01:00, 2018-02-05 02:00)"
    assert landed["files"][file.name]["rows"] == 5
    assert operators.discover(lake)["waiting"] == [landed["drop"]]
