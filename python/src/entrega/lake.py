"""Reading a lake: its published tables, as the libraries of data people know them.

    Lake("s3://shop/lake").table("clean.orders").pandas()

A query is held, and asked when a form is chosen; every call asks anew, so it sees what is published then. Rows come as
an Arrow stream, with their types, and nothing but the form's own library is needed to read it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from entrega.errors import WrongRequest
from entrega.program import output

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

TABLE = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")


@dataclass(frozen=True)
class Query:
    """A question to a lake, which is asked by choosing a form."""

    lake: str
    text: str
    as_of_batch: str | int | None = None

    def arrow(self) -> pyarrow.Table:
        """The rows as an Arrow table (needs pyarrow)."""
        import pyarrow.ipc

        with pyarrow.ipc.open_stream(self._output("arrow")) as stream:
            return stream.read_all()

    def pandas(self) -> pandas.DataFrame:
        """The rows as a pandas frame (needs pandas and pyarrow)."""
        return self.arrow().to_pandas()

    def polars(self) -> polars.DataFrame:
        """The rows as a Polars frame (needs polars)."""
        import polars

        return polars.read_ipc_stream(self._output("arrow"))

    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries: needs no library, and is meant for few rows. NULLs are left out."""
        return [json.loads(line) for line in self._output("json").splitlines() if line.strip()]

    def csv(self) -> str:
        """The rows as comma-separated values with a header."""
        text = self._output("csv").decode()
        # The program ends what it prints with a line break, also where the text has one.
        return text.removesuffix("\n") if text.endswith("\n\n") else text

    def _output(self, form: str) -> bytes:
        batch = [] if self.as_of_batch is None else ["--as-of-batch", str(self.as_of_batch)]
        # A query may begin with a comment, `-- …`: nothing after the two dashes is read as a flag.
        return output(["sql", "--lake", self.lake, "--output", form, *batch, "--", self.text])


@dataclass(frozen=True, init=False)
class Lake:
    """A lake in a folder or a bucket, as its readers see it."""

    url: str

    def __init__(self, url: str | PathLike[str]) -> None:
        """A folder, or a URL such as `s3://bucket/prefix`; nothing is opened yet."""
        object.__setattr__(self, "url", fspath(url))

    @classmethod
    def make(cls, url: str | PathLike[str]) -> Lake:
        """Makes a place a lake; one that is a lake already stays as it is."""
        lake = cls(url)
        output(["lake", "init", "--lake", lake.url])
        return lake

    def __str__(self) -> str:
        return self.url

    def table(self, name: str, *, as_of_batch: str | int | None = None) -> Query:
        """All rows of a table, for example `clean.orders`."""
        if not TABLE.fullmatch(name):
            raise WrongRequest(f"'{name}' is no name of a table", "write layer.table, for example clean.orders")
        return self.sql(f"select * from {name}", as_of_batch=as_of_batch)

    def sql(self, query: str, *, as_of_batch: str | int | None = None) -> Query:
        """A query in Spark SQL over the published tables, now or as a batch (name or number) published them."""
        return Query(self.url, query, as_of_batch)
