"""Every model's example holds in real Spark, whatever the session's time zone."""

from __future__ import annotations

import pytest
from compare import differences
from engine import Engine
from models import arrow_schema, models, read_example

# The second is where the data comes from: its daylight-saving jumps of 2017 and 2018 must shift nothing.
TIME_ZONES = ["UTC", "America/Sao_Paulo"]


@pytest.mark.parametrize("time_zone", TIME_ZONES)
@pytest.mark.parametrize("table", models())
def test_example_holds(engine: Engine, table: str, time_zone: str) -> None:
    model = models()[table]
    assert model.example_path.exists(), f"{table} has no example\nhint: write {model.example_path.name} beside it"
    example = read_example(model)
    missing = set(model.inputs) - set(example.given)
    assert not missing, f"{model.example_path.name} gives no rows for {sorted(missing)}"
    engine.spark.conf.set("spark.sql.session.timeZone", time_zone)
    for given, rows in example.given.items():
        engine.put(given, rows)
    actual = engine.run(model.sql)
    assert list(actual.schema.names) == list(arrow_schema(model.types).names)
    lines = differences(actual, example.expect, model.grain, ("Spark", "the example"))
    assert not lines, f"{table}:\n" + "\n".join(lines)
