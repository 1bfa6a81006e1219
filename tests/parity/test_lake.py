"""The embedded engine's tables equal those that real Spark makes of the same inputs.

`ENTREGA_LAKE` names a local lake folder that the embedded engine has filled. Each model is run in Spark on the lake's
own input tables (landing.* is built anew from the drops) and compared with the lake's own table, row by row.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from compare import differences
from deltalake import DeltaTable
from engine import Engine
from landing import as_of, drops, landed
from models import arrow_schema, models

LAKE = os.environ.get("ENTREGA_LAKE")
NO_LAKE = "ENTREGA_LAKE is not set: no lake to compare with (make test sets it)"


@pytest.fixture(scope="module")
def lake() -> Path:
    """The lake's folder."""
    if not LAKE:
        pytest.skip(NO_LAKE)
    assert (Path(LAKE) / "landing").is_dir(), f"{LAKE} has no landing/: not a lake"
    return Path(LAKE)


@pytest.mark.parametrize("table", models())
def test_lake_equals_spark(engine: Engine, lake: Path, table: str) -> None:
    model = models()[table]
    own = stored(lake, table)
    for name in model.inputs:
        put_input(engine, lake, name)
    actual = engine.run(model.sql)
    names = ("Spark", "the lake")
    for name, rows in zip(names, (actual, own), strict=True):
        lines = differences(rows.slice(0, 0), arrow_schema(model.types).empty_table(), model.grain, (name, "the model"))
        assert not lines, f"{table}:\n" + "\n".join(lines)
    lines = differences(actual, own, model.grain, names)
    assert not lines, f"{table}:\n" + "\n".join(lines)


def stored(lake: Path, table: str) -> pa.Table:
    """A table of the lake at its newest version, in the model's order of columns."""
    layer, name = table.split(".")
    return DeltaTable(str(lake / layer / name)).to_pyarrow_table()


def put_input(engine: Engine, lake: Path, table: str) -> None:
    """Makes one input of a model known to Spark: a table of the lake, or landing.* from the drops."""
    layer, name = table.split(".")
    if table == "ops.as_of":
        moment = pa.table({"as_of": pa.array([as_of(drops(lake))], pa.timestamp("us"))})
        engine.put(table, moment)
    elif table == "landing.calendar":
        # Made by an operator, not dropped: what it made is found again in the table itself.
        engine.put(table, stored(lake, "clean.calendar").select(["date", "holiday", "peak_season"]))
    elif layer == "landing":
        found = drops(lake)
        orders = None if name == "orders" else landed(engine.spark, "orders", found, None)
        engine.put(table, landed(engine.spark, name, found, orders))
    else:
        engine.put(table, stored(lake, table))
