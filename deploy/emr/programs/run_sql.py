"""Runs a SQL script on EMR Serverless, statement by statement, and ends at the first that fails.

    spark-submit run_sql.py s3://bucket/_emr/batches/batch.sql

EMR Serverless starts Python and Java programs but not `spark-sql -f`; this is what stands in for it. It needs nothing
but PySpark, so it is one file.
"""

from __future__ import annotations

import sys
import time


def statements(script: str) -> list[str]:
    """The script's statements, without the semicolons between them and without what is only comment.

    A semicolon inside a string, a quoted name or a comment ends nothing. Strings end at their quote; a backslash in
    front of it keeps it, as in Spark (a doubled quote closes and opens again, which comes to the same here).
    """
    found = []
    begun = at = 0
    told = False  # whether there was anything but comment and blanks since the last semicolon
    while at < len(script):
        one, two = script[at], script[at : at + 2]
        if two == "--":
            end = script.find("\n", at)
            at = len(script) if end < 0 else end + 1
        elif two == "/*":
            at = end_of_comment(script, at)
        elif one in "'\"`":
            at = end_of_quoted(script, at)
            told = True
        elif one == ";":
            if told:
                found.append(script[begun:at].strip())
            at += 1
            begun = at
            told = False
        else:
            told = told or not one.isspace()
            at += 1
    if told:
        found.append(script[begun:].strip())
    return found


def end_of_comment(script: str, at: int) -> int:
    """Where a bracketed comment that begins here is over; they nest in Spark."""
    depth = 0
    while at < len(script):
        two = script[at : at + 2]
        if two == "/*":
            depth += 1
            at += 2
        elif two == "*/":
            depth -= 1
            at += 2
            if depth == 0:
                return at
        else:
            at += 1
    return at


def end_of_quoted(script: str, at: int) -> int:
    """Where a string or quoted name that begins here is over."""
    quote = script[at]
    at += 1
    while at < len(script):
        if script[at] == "\\" and quote != "`":
            at += 2
        elif script[at] == quote:
            return at + 1
        else:
            at += 1
    return at


def main() -> None:
    """Reads the script by Spark, which has the credentials, and runs it."""
    from pyspark.sql import SparkSession

    if len(sys.argv) != 2:
        sys.exit("usage: run_sql.py SCRIPT")
    spark = SparkSession.builder.appName("entrega").enableHiveSupport().getOrCreate()
    (row,) = spark.read.text(sys.argv[1], wholetext=True).collect()
    todo = statements(row.value)
    for number, statement in enumerate(todo, 1):
        begun = time.monotonic()
        print(f"{number}/{len(todo)} {' '.join(statement.split())[:120]}", flush=True)
        try:
            rows = spark.sql(statement).collect()
        except Exception as error:
            print(f"error: statement {number} of {len(todo)} failed:\n{statement}\n{error}", file=sys.stderr)
            sys.exit(1)
        for found in rows:
            print("  ", *found)
        print(f"  took {time.monotonic() - begun:.1f} s", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
