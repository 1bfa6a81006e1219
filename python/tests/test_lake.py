"""Tables come as they are: the same rows in every form, with their types."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from entrega import Lake, WrongRequest

FIRST = """-- a query may begin with a comment
select order_id, purchase_date, price, is_late, n_items, order_purchase_timestamp
from clean.deliveries order by order_id limit 3"""


def test_arrow_keeps_every_type(lake: Lake) -> None:
    row = lake.sql(FIRST).arrow().to_pylist()[0]
    assert {name: type(value) for name, value in row.items()} == {
        "order_id": str,
        "purchase_date": date,
        "price": Decimal,
        "is_late": bool,
        "n_items": int,
        "order_purchase_timestamp": datetime,
    }
    # A wall clock's time, which no time zone may shift.
    assert lake.sql(FIRST).arrow().schema.field("order_purchase_timestamp").type.tz is None


def test_every_form_has_the_same_rows(lake: Lake) -> None:
    query = lake.sql(FIRST)
    rows = query.arrow().to_pylist()
    assert len(rows) == 3
    assert query.polars().to_dicts() == rows
    assert query.pandas()["order_id"].tolist() == [row["order_id"] for row in rows]
    assert [row["order_id"] for row in query.rows()] == [row["order_id"] for row in rows]
    assert query.csv().splitlines()[0] == "order_id,purchase_date,price,is_late,n_items,order_purchase_timestamp"


def test_a_table_is_all_of_its_rows(lake: Lake) -> None:
    assert lake.table("clean.orders").polars().height == 30
    assert lake.table("clean.orders").pandas().shape[0] == 30


def test_an_answer_without_rows_keeps_its_columns(lake: Lake) -> None:
    nothing = lake.sql("select order_id, price from clean.deliveries where false")
    assert nothing.polars().columns == ["order_id", "price"]
    assert nothing.arrow().num_rows == 0
    assert nothing.rows() == []


def test_a_table_is_read_as_an_earlier_batch_left_it(lake: Lake) -> None:
    query = "select count(*) as n from ops.checks"
    first = lake.sql(query, as_of_batch=1).rows()[0]["n"]
    now = lake.sql(query).rows()[0]["n"]
    assert 0 < first < now


@pytest.mark.parametrize("name", ["orders", "clean.orders; select 1", "clean.orders where false", ""])
def test_a_table_is_a_name_and_nothing_else(lake: Lake, name: str) -> None:
    with pytest.raises(WrongRequest, match="no name of a table"):
        lake.table(name)
