"""One function for each operator, in the order of the data's way.

Written by generate.py from `entrega op list --json`: do not edit. Each call runs the program once and gives its JSON
result; a failure is raised as one of `entrega.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from os import PathLike
from typing import Any, TypeAlias

from entrega.lake import Lake
from entrega.program import call

Place: TypeAlias = "str | PathLike[str] | Lake"
"""A lake: a folder, or a URL such as `s3://bucket/prefix`."""

Value: TypeAlias = "str | int | date | PathLike[str]"
"""An argument's value; moments (a `datetime` is a `date`, too) are written in ISO 8601."""

Files: TypeAlias = "Sequence[str | PathLike[str]]"
"""Names of files."""

Result: TypeAlias = "dict[str, Any]"
"""What the operator did, as the program tells it."""


def discover(lake: Place) -> Result:
    """List the drops that wait, and folders without a manifest.

    On the command line: `entrega op discover --lake demo-lake`
    """
    return call("discover", lake, {})


def land(
    lake: Place,
    *,
    files: Files | None = None,
    drop: Value | None = None,
    day: Value | None = None,
    from_: Value | None = None,
    to: Value | None = None,
    whole: bool | None = None,
) -> Result:
    """Make a drop of CSV files that have no manifest: files of this machine, or a folder of the landing zone.

    files: CSV files, one of each source; on the command line simply their names.
    drop: instead of files: a folder of the landing zone that holds files but no manifest.
    day: day that the files tell of; a folder dt=…[/hr=…] says it itself.
    from_: instead of a day: the interval's start.
    to: the interval's end (exclusive).
    whole: true if the files hold everything there is: rows that they lack are gone.

    On the command line: `entrega op land --lake demo-lake olist_sellers_dataset.csv day=2018-10-30`
    """
    return call("land", lake, {"files": files, "drop": drop, "day": day, "from": from_, "to": to, "whole": whole})


def validate(lake: Place, drop: Value) -> Result:
    """Check one drop's manifest against the contracts, without reading its files.

    drop: folder of the drop, for example landing/dt=2018-03-01.

    On the command line: `entrega op validate --lake demo-lake drop=landing/dt=2018-10-29`
    """
    return call("validate", lake, {"drop": drop})


def load(lake: Place, drop: Value, source: Value) -> Result:
    """Read one file of a drop by its contract and count what is accepted and rejected; nothing is written.

    drop: folder of the drop.
    source: source, for example orders.

    On the command line: `entrega op load --lake demo-lake drop=landing/dt=2018-10-29 source=orders`
    """
    return call("load", lake, {"drop": drop, "source": source})


def ingest(lake: Place, *, drop: Value | None = None, until: Value | None = None) -> Result:
    """Take waiting drops as one batch: clean tables, deliveries, quarantine, published together.

    drop: folder of one drop; default all that wait.
    until: only drops whose interval ends by this moment.

    On the command line: `entrega op ingest --lake demo-lake`
    """
    return call("ingest", lake, {"drop": drop, "until": until})


def summarise(lake: Place) -> Result:
    """Recompute the daily tables for the days that changed or have ended.

    On the command line: `entrega op summarise --lake demo-lake`
    """
    return call("summarise", lake, {})


def features(lake: Place) -> Result:
    """Compute the features of decisions that are new or could see a change, and the labels that matured.

    On the command line: `entrega op features --lake demo-lake`
    """
    return call("features", lake, {})


def erase(lake: Place, customer_unique_id: Value, *, receipt: Value | None = None) -> Result:
    """Forget a person: gone from landing, clean, summary details and quarantine, and from older versions.

    customer_unique_id: the person, as in clean.customers.
    receipt: file for the receipt, which names nobody.

    On the command line: `entrega op erase --lake demo-lake customer_unique_id=0000366f3b9a7992bf8c76cfdf3221e2`
    """
    return call("erase", lake, {"customer_unique_id": customer_unique_id, "receipt": receipt})


def check(lake: Place, table: Value) -> Result:
    """Run a table's checks over all of its published rows.

    table: table, for example clean.deliveries.

    On the command line: `entrega op check --lake demo-lake table=clean.deliveries`
    """
    return call("check", lake, {"table": table})


def analyze(lake: Place, *, table: Value | None = None) -> Result:
    """Look how tables lie in the lake, and say what is worth doing about it; no row is read.

    table: only this table.

    On the command line: `entrega op analyze --lake demo-lake table=clean.orders`
    """
    return call("analyze", lake, {"table": table})


def optimize(lake: Place, *, table: Value | None = None) -> Result:
    """Write files again where fewer or sorted ones help; the rows stay the same.

    table: only this table.

    On the command line: `entrega op optimize --lake demo-lake`
    """
    return call("optimize", lake, {"table": table})


def vacuum(
    lake: Place,
    *,
    table: Value | None = None,
    keep_hours: Value | None = None,
    dry_run: bool | None = None,
) -> Result:
    """Delete files that no version needs which was published in the last days.

    table: only this table.
    keep_hours: for how long what was published stays readable; default 168.
    dry_run: true to only say what would be deleted.

    On the command line: `entrega op vacuum --lake demo-lake dry_run=true`
    """
    return call("vacuum", lake, {"table": table, "keep_hours": keep_hours, "dry_run": dry_run})


def reconcile(lake: Place) -> Result:
    """Compare rows in with rows accounted for, for every file of every batch.

    On the command line: `entrega op reconcile --lake demo-lake`
    """
    return call("reconcile", lake, {})
