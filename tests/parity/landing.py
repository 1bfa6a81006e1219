"""landing.<source>, built in Spark from the CSV drops of a lake by the contracts.

    landing/dt=…/[hr=…/]_manifest.json + <file>.csv
      └▶ trimmed text, drop and line ─▶ typed and judged ───────▶ last row of each key ─▶ parent's month
         (Python's csv)                 (Spark, by the contract)   (precedence, line)      (orphans left out)

An independent second implementation of what the embedded engine does: it shares the contracts with it, not the code.
Rows that break the contract are left out here, as the engine leaves them in the quarantine.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from models import CONTRACT_TYPES, Contract, contracts
from pyspark.sql import DataFrame, SparkSession

STATES = "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO".split()

# What counts as blank around a field: Unicode's White_Space, line breaks included.
BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

# The value of a trimmed field, where a plain try_cast is not it: 3.0 is a whole number.
VALUES = {"integer": "try_cast(regexp_replace({field}, '[.]0$', '') AS INT)", "zip": "lpad({field}, 5, '0')"}

# What a trimmed, non-empty field must look like to be a value of the type.
SHAPES = {
    "id": "{field} RLIKE '^[0-9a-f]{{32}}$'",
    "zip": "{field} RLIKE '^[0-9]{{1,5}}$'",
    "state": "{field} IN ('" + "', '".join(STATES) + "')",
    "timestamp": "{field} RLIKE '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}( [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}})?$'"
    " AND {value} IS NOT NULL",
    "money": "{field} RLIKE '^([0-9]{{1,10}}([.][0-9]{{0,2}}0*)?|[.][0-9]{{1,2}}0*)$'",
    "integer": "{value} IS NOT NULL",
    "number": "abs({value}) < double('Infinity')",
    "text": "true",
}


@dataclass(frozen=True, order=True)
class Drop:
    """One folder that has its manifest, in order of precedence."""

    precedence: str
    folder: Path
    interval_end: datetime
    files: frozenset[str]


def drops(lake: Path) -> list[Drop]:
    """The drops of a lake, the one that loses to all others first."""
    return sorted(read_drop(path) for path in (lake / "landing").rglob("_manifest.json"))


def read_drop(path: Path) -> Drop:
    """One manifest. The precedence is spelled as the crate `entrega-model` spells it (drops.rs)."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    start, end = datetime.fromisoformat(manifest["start"]), datetime.fromisoformat(manifest["end"])
    digest = hashlib.sha256(f"{start}\n{end}\n".encode())
    for name, file in sorted(manifest["files"].items()):
        digest.update(f"{name}\t{file['rows']}\t{file['sha256']}\t{file['content'].capitalize()}\n".encode())
    produced_at = datetime.fromisoformat(manifest["produced_at"])
    precedence = f"{end:%Y%m%dT%H%M%S}.{produced_at:%Y%m%dT%H%M%S}.{digest.hexdigest()[:12]}"
    return Drop(precedence, path.parent, end, frozenset(manifest["files"]))


def as_of(found: list[Drop]) -> datetime:
    """The lake's as-of time: the latest interval end of its drops."""
    return max(drop.interval_end for drop in found)


def text_rows(contract: Contract, found: list[Drop]) -> pa.Table:
    """A source's rows as trimmed text, with `_drop` and `_line`; of a snapshot those of the newest drop that has it."""
    with_file = [drop for drop in found if contract.file in drop.files]
    if contract.kind == "snapshot":
        with_file = with_file[-1:]
    names = [column["name"] for column in contract.columns]
    headers = [column.get("header", column["name"]) for column in contract.columns]
    columns: dict[str, list] = {name: [] for name in [*names, "_drop", "_line"]}
    for drop in with_file:
        with (drop.folder / contract.file).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            at = {header: position for position, header in enumerate(next(rows))}
            positions = [at[header] for header in headers]
            for line, row in enumerate(rows, start=2):
                if len(row) != len(at):
                    continue
                for name, position in zip(names, positions, strict=True):
                    columns[name].append(row[position].strip(BLANKS) or None)
                columns["_drop"].append(drop.precedence)
                columns["_line"].append(line)
    types = [(name, pa.string()) for name in [*names, "_drop"]] + [("_line", pa.int64())]
    return pa.table(columns, schema=pa.schema(types))


def judged(contract: Contract) -> str:
    """The SQL that types the rows of the view `text_rows` and keeps those that hold to the contract."""
    rules, values = [], []
    for column in contract.columns:
        field, type_ = f"`{column['name']}`", column["type"]
        value = VALUES.get(type_, f"try_cast({{field}} AS {CONTRACT_TYPES[type_]})").format(field=field)
        rules.append(f"({field} IS NULL OR {SHAPES[type_].format(field=field, value=value)})")
        if column.get("required"):
            rules.append(f"{field} IS NOT NULL")
        if "accepted" in column:
            accepted = ", ".join(f"'{word}'" for word in column["accepted"])
            rules.append(f"({field} IS NULL OR {field} IN ({accepted}))")
        for bound, sign in (("min", ">="), ("max", "<=")):
            if bound in column:
                rules.append(f"({field} IS NULL OR {value} {sign} {column[bound]})")
        values.append(f"{value} AS {field}")
    return f"SELECT {', '.join(values)}, _drop, _line FROM text_rows WHERE {' AND '.join(rules)}"


def landed(spark: SparkSession, source: str, found: list[Drop], orders: DataFrame | None) -> DataFrame:
    """landing.<source>; `orders` is landing.orders, for sources whose rows belong to an order."""
    contract = contracts()[source]
    spark.createDataFrame(text_rows(contract, found)).createOrReplaceTempView("text_rows")
    spark.sql(judged(contract)).createOrReplaceTempView("judged_rows")
    names = ", ".join(f"`{column['name']}`" for column in contract.columns)
    if source == "geolocation":  # its points are counted, not keyed
        return spark.sql(f"SELECT {names}, _drop FROM judged_rows")
    winners = spark.sql(f"""
        WITH ranked AS (
          SELECT *, row_number() OVER (PARTITION BY {", ".join(contract.key)} ORDER BY _drop DESC, _line DESC) AS place
          FROM judged_rows
        )
        SELECT {names}, _drop FROM ranked WHERE place = 1
    """)
    if contract.parent is None:
        return winners
    assert orders is not None, f"landing.{source} needs landing.orders for its months"
    winners.createOrReplaceTempView("winners")
    orders.createOrReplaceTempView("parent_orders")
    return spark.sql(f"""
        WITH months AS (
          SELECT {contract.parent["order_column"]} AS parent_key,
                 trunc(cast(order_purchase_timestamp AS DATE), 'MM') AS purchase_month
          FROM parent_orders
        )
        SELECT {names}, purchase_month, _drop
        FROM winners JOIN months ON {contract.parent["column"]} = parent_key
    """)
