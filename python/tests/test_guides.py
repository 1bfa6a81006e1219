"""The examples of the read-me and the guides run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from entrega import Lake, operators

GUIDES = ROOT / "docs" / "guides"


def examples(page: Path) -> list[str]:
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"{page} has no example in Python"
    return found


@pytest.fixture
def at_the_shop(tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the pages assume it: the CSV files in `shop/`."""
    (tmp_path / "shop").symlink_to(shop)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_quick_start_comes_to_late_items_and_orders(at_the_shop: Path) -> None:
    names: dict = {}
    exec(compile(examples(ROOT / "python" / "README.md")[0], "README.md", "exec"), names)
    assert names["late"].to_dicts() == [{"seller_id": "5e000000000000000000000000000003", "items": 2}]
    assert len(names["orders"]) == 30


def test_the_guides_examples_run_one_after_the_other(at_the_shop: Path) -> None:
    names: dict = {}
    for number, example in enumerate(examples(GUIDES / "python.md")):
        exec(compile(example, f"python.md, example {number}", "exec"), names)
    assert names["per_state"].height > 0
    assert names["waiting"] == []
    assert isinstance(names["refused"].hint, str)


def test_luigis_tasks_run_once_and_know_that_they_have(at_the_shop: Path) -> None:
    (at_the_shop / "shop_tasks.py").write_text(examples(GUIDES / "luigi.md")[0], encoding="utf-8")
    lake = Lake.make(at_the_shop / "lake")
    operators.land(lake, files=sorted(Path("shop").glob("*.csv")), day="2018-03-30", whole=True)
    command = [sys.executable, "-m", "luigi", "--module", "shop_tasks", "Report", "--lake", lake.url]
    command += ["--day", "2018-03-30", "--local-scheduler"]
    environment = {"PYTHONPATH": f"{ROOT / 'python' / 'src'}:{at_the_shop}"}

    def run() -> str:
        import os

        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "3 ran successfully" in run()
    report = (at_the_shop / "late_to_carrier_2018-03-30.csv").read_text(encoding="utf-8")
    assert report.splitlines() == ["seller_id,late_items", "5e000000000000000000000000000003,2"]
    assert "Did not run any tasks" in run()
