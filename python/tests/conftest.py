"""A lake of the fixture shop, filled by the program itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrega import Lake
from entrega.program import output

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "tests" / "fixtures" / "shop"


@pytest.fixture(scope="session")
def shop() -> Path:
    """The nine CSV files."""
    return SHOP


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """All days taken in; tests only read it."""
    place = str(tmp_path_factory.mktemp("lake") / "lake")
    output(["replay", "--source", str(SHOP), "--lake", place, "--cadence", "daily"])
    output(["run", "all", "--lake", place])
    return Lake(place)
