"""The repository's models, contracts and examples, as data.

    models/<layer>/<name>.sql           Spark SQL with a TOML front matter  -> Model
    models/<layer>/<name>.example.toml  given tables and expected rows      -> Example
    models/landing/<source>.toml        the contract of a source file       -> Contract

Nothing here knows Spark: the types are Arrow's, so that the same tables can be handed to any engine.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa

MODELS = Path(__file__).resolve().parents[2] / "models"

# The words of the front matter for types.
ARROW_TYPES = {
    "STRING": pa.string(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DECIMAL(12,2)": pa.decimal128(12, 2),
    "DECIMAL(22,2)": pa.decimal128(22, 2),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
}

# The types of a contract, as the column of landing.<source> that they become.
CONTRACT_TYPES = {
    "id": "STRING",
    "text": "STRING",
    "zip": "STRING",
    "state": "STRING",
    "timestamp": "TIMESTAMP",
    "money": "DECIMAL(12,2)",
    "integer": "INT",
    "number": "DOUBLE",
}

# Tables that no contract and no model describes.
MADE_TABLES = {
    "landing.calendar": {"date": "DATE", "holiday": "STRING", "peak_season": "STRING"},
    "ops.as_of": {"as_of": "TIMESTAMP"},
}

FRONT_MATTER = re.compile(r"\A/\*---\n(?P<toml>.*?)\n---\*/\n", re.DOTALL)
TABLE_REFERENCE = re.compile(r"\b(?:from|join)\s+((?:landing|clean|summary|features|ops)\.\w+)", re.IGNORECASE)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Contract:
    """What one source file promises to hold."""

    source: str
    file: str
    kind: str
    key: tuple[str, ...]
    parent: dict | None
    columns: tuple[dict, ...]

    def landing_types(self) -> dict[str, str]:
        """The columns of landing.<source>, with the words of the front matter for types."""
        types = {column["name"]: CONTRACT_TYPES[column["type"]] for column in self.columns}
        if self.parent:
            types["purchase_month"] = "DATE"
        types["_drop"] = "STRING"
        return types


@dataclass(frozen=True)
class Model:
    """One SQL file: one table."""

    table: str
    path: Path
    front_matter: dict
    sql: str

    @property
    def types(self) -> dict[str, str]:
        """The declared columns, in output order."""
        return {column[0]: column[1] for column in self.front_matter["columns"]}

    @property
    def grain(self) -> list[str]:
        """The columns that identify a row."""
        return self.front_matter["grain"]

    @property
    def inputs(self) -> list[str]:
        """The tables that the SQL reads."""
        return sorted(set(TABLE_REFERENCE.findall(COMMENT.sub("", self.sql))))

    @property
    def example_path(self) -> Path:
        """Where the model's example belongs."""
        return self.path.with_suffix(".example.toml")


@dataclass(frozen=True)
class Example:
    """Given tables and the rows that a model makes of them."""

    given: dict[str, pa.Table]
    expect: pa.Table


@cache
def contracts() -> dict[str, Contract]:
    """Every contract by its source's name."""
    found = {}
    for path in sorted((MODELS / "landing").glob("*.toml")):
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = Contract(
            source=path.stem,
            file=text["file"],
            kind=text["kind"],
            key=tuple(text["key"]),
            parent=text.get("parent"),
            columns=tuple(text["column"]),
        )
    return found


@cache
def models() -> dict[str, Model]:
    """Every model by its table's name, inputs before the models that read them."""
    found = {}
    for path in sorted(MODELS.glob("*/*.sql")):
        match = FRONT_MATTER.match(path.read_text(encoding="utf-8"))
        if match is None:
            raise ValueError(f"{path}: does not begin with a front matter, /*--- … ---*/")
        table = f"{path.parent.name}.{path.stem}"
        sql = path.read_text(encoding="utf-8")[match.end() :]
        found[table] = Model(table, path, tomllib.loads(match["toml"]), sql)
    ordered: dict[str, Model] = {}

    def visit(table: str) -> None:
        if table in found and table not in ordered:
            for parent in found[table].inputs:
                visit(parent)
            ordered[table] = found[table]

    for table in found:
        visit(table)
    return ordered


def column_types(table: str) -> dict[str, str]:
    """The columns of any table that a model may read: landed, modelled or made."""
    if table in MADE_TABLES:
        return MADE_TABLES[table]
    if table in models():
        return models()[table].types
    layer, name = table.split(".")
    if layer == "landing" and name in contracts():
        return contracts()[name].landing_types()
    raise KeyError(f"{table}: neither a contract nor a model describes it")


def arrow_schema(types: dict[str, str]) -> pa.Schema:
    """Columns as an Arrow schema."""
    return pa.schema([pa.field(name, ARROW_TYPES[type_]) for name, type_ in types.items()])


def read_example(model: Model) -> Example:
    """The example beside a model."""
    text = tomllib.loads(model.example_path.read_text(encoding="utf-8"))
    given = {table: read_csv(rows, column_types(table), table) for table, rows in text["given"].items()}
    return Example(given, read_csv(text["expect"]["rows"], model.types, model.table))


def read_csv(text: str, types: dict[str, str], what: str) -> pa.Table:
    """CSV text with a header as a typed table; empty fields are NULL, columns left out are NULL throughout."""
    header, *rows = [row for row in csv.reader(io.StringIO(text.strip("\n")), strict=True) if row]
    if unknown := [name for name in header if name not in types]:
        raise ValueError(f"{what}: no column {unknown}; there are {list(types)}")
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"{what}: {len(row)} fields under a header of {len(header)}: {row}")
    columns = {name: [parse(row[at], types[name]) for row in rows] for at, name in enumerate(header)}
    schema = arrow_schema(types)
    return pa.table({name: columns.get(name, [None] * len(rows)) for name in schema.names}, schema=schema)


def parse(field: str, type_: str):  # noqa: ANN201
    """One field as a Python value of a declared type."""
    field = field.strip()
    if field == "":
        return None
    match type_:
        case "STRING":
            return field
        case "INT" | "BIGINT":
            return int(field)
        case "DOUBLE":
            return float(field)
        case "DATE":
            return date.fromisoformat(field)
        case "TIMESTAMP":
            return datetime.fromisoformat(field)
        case "BOOLEAN":
            return {"true": True, "false": False}[field]
        case _:
            return Decimal(field)
