"""Models in real Spark: tables go in as Parquet under their own names, rows come out as Arrow.

The model's text is sent unchanged: `clean.orders` is the table `orders` of the database `clean`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
from compare import normal_type
from models import ARROW_TYPES
from pyspark.sql import DataFrame, SparkSession

LAYERS = ["landing", "clean", "summary", "features", "ops"]


class Engine:
    """A Spark session with a folder for its tables."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark = spark
        self.folder = folder
        for layer in LAYERS:
            spark.sql(f"CREATE DATABASE IF NOT EXISTS {layer}")

    def put(self, table: str, rows: pa.Table | DataFrame) -> None:
        """Makes `rows` the content of `table`, replacing what it held."""
        location = self.folder / table
        self.spark.sql(f"DROP TABLE IF EXISTS {table}")
        shutil.rmtree(location, ignore_errors=True)
        if isinstance(rows, DataFrame):
            rows.write.parquet(str(location))
            columns = ""
        else:
            location.mkdir(parents=True)
            parquet.write_table(rows, location / "rows.parquet")
            columns = f"({column_list(rows.schema)})"
        self.spark.sql(f"CREATE TABLE {table} {columns} USING parquet LOCATION '{location}'")

    def clear(self) -> None:
        """Drops every table, so that no test sees another's rows."""
        for layer in LAYERS:
            for row in self.spark.sql(f"SHOW TABLES IN {layer}").collect():
                self.spark.sql(f"DROP TABLE IF EXISTS {layer}.{row.tableName}")
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, sql: str) -> pa.Table:
        """The rows of a query. Decimals and zone-less timestamps arrive as they are."""
        return self.spark.sql(sql).toArrow()


def column_list(schema: pa.Schema) -> str:
    """The columns of a table as Spark declares them; declared, Spark need not look into the file for them."""
    words = {type_: word for word, type_ in ARROW_TYPES.items()}
    return ", ".join(f"`{field.name}` {words[normal_type(field.type)]}" for field in schema)
