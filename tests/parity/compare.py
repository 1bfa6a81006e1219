"""Two tables, row by row.

Order does not matter, everything else does: the columns and their types, every value exactly (decimals, zone-less
timestamps, NULLs), doubles within one part in 10^9.
"""

from __future__ import annotations

import math

import pyarrow as pa

SHOWN = 10


def differences(actual: pa.Table, expected: pa.Table, grain: list[str], names: tuple[str, str]) -> list[str]:
    """What differs, as lines to read: first the columns, else the first rows by their keys. Empty if nothing does."""
    lines = column_differences(actual.schema, expected.schema, names)
    if lines:
        return lines
    left, right = by_key(actual, grain), by_key(expected, grain)
    for name, table, keyed in ((names[0], actual, left), (names[1], expected, right)):
        if len(keyed) != table.num_rows:
            lines.append(f"{name}: {table.num_rows} rows but {len(keyed)} keys of {grain}")
    if len(left) != len(right):
        lines.append(f"{len(left)} keys in {names[0]}, {len(right)} in {names[1]}")
    found = 0
    for key in sorted(left.keys() | right.keys(), key=sortable):
        for line in row_differences(key, left.get(key), right.get(key), names):
            found += 1
            if found <= SHOWN:
                lines.append(line)
    if found > SHOWN:
        lines.append(f"… and {found - SHOWN} more")
    return lines


def column_differences(actual: pa.Schema, expected: pa.Schema, names: tuple[str, str]) -> list[str]:
    """Columns that lack, are surplus, stand elsewhere or have another type."""
    left = [(field.name, normal_type(field.type)) for field in actual]
    right = [(field.name, normal_type(field.type)) for field in expected]
    if left == right:
        return []
    lines = [f"{names[0]} has {name} {type_}, {names[1]} has not" for name, type_ in left if (name, type_) not in right]
    lines += [f"{names[1]} has {name} {type_}, {names[0]} has not" for name, type_ in right if (name, type_) not in left]
    return lines or [f"order of columns: {[name for name, _ in left]} against {[name for name, _ in right]}"]


def normal_type(type_: pa.DataType) -> pa.DataType:
    """Arrow's several encodings of one type as one."""
    if pa.types.is_dictionary(type_):
        return normal_type(type_.value_type)
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return pa.string()
    return type_


def by_key(table: pa.Table, grain: list[str]) -> dict[tuple, dict]:
    """Rows by their key."""
    return {tuple(row[name] for name in grain): row for row in table.to_pylist()}


def row_differences(key: tuple, left: dict | None, right: dict | None, names: tuple[str, str]) -> list[str]:
    """What differs in the rows of one key."""
    if left is None or right is None:
        return [f"{key}: only in {names[0] if right is None else names[1]}: {left or right}"]
    return [
        f"{key}: {column} is {left[column]!r} in {names[0]}, {right[column]!r} in {names[1]}"
        for column in left
        if not same(left[column], right[column])
    ]


def same(left, right) -> bool:  # noqa: ANN001
    """Equality of two values."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return left == right


def sortable(key: tuple) -> tuple:
    """A key as something that sorts, NULLs first."""
    return tuple((part is not None, str(part)) for part in key)
