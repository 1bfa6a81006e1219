"""Writes src/entrega/operators.py: one typed function for each operator of the program.

    python generate.py [REGISTRY.json]

The program's registry is the one list of operators; this reads it (`entrega op list --json`) and writes Python that an
editor can complete and a type checker can check. The result is committed, so that a wheel is built without running the
program first, and a test compares it with a fresh one. With a file, the registry is read from there.
"""

from __future__ import annotations

import json
import keyword
import sys
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE / "src" / "entrega" / "operators.py"
WIDTH = 120

HEAD = '''"""One function for each operator, in the order of the data's way.

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
'''


def kind(argument: dict[str, Any]) -> str:
    """The Python type of an argument. The registry has text only; its documentation says what is a switch."""
    if argument["name"] == "files":
        return "Files"
    return "bool" if argument["doc"].startswith("true ") else "Value"


def safe(name: str) -> str:
    """A name that Python accepts: `from` becomes `from_`."""
    return f"{name}_" if keyword.iskeyword(name) else name


def paragraph(text: str) -> str:
    """A line of a docstring, broken where it is too long."""
    broken = textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False)
    return "\n".join(broken)


def function(operator: dict[str, Any]) -> str:
    """The function of one operator."""
    arguments = sorted(operator["arguments"], key=lambda argument: not argument["required"])
    parameters, star = ["lake: Place"], False
    for argument in arguments:
        name, of = safe(argument["name"]), kind(argument)
        if argument["required"]:
            parameters.append(f"{name}: {of}")
        else:
            parameters += [f"{name}: {of} | None = None"] if star else ["*", f"{name}: {of} | None = None"]
            star = True
    signature = f"def {safe(operator['name'])}({', '.join(parameters)}) -> Result:"
    if len(signature) > WIDTH:
        lines = "".join(f"    {parameter},\n" for parameter in parameters)
        signature = f"def {safe(operator['name'])}(\n{lines}) -> Result:"
    doc = [f'    """{operator["summary"]}.']
    if arguments:
        doc += ["", *(paragraph(f"{safe(argument['name'])}: {argument['doc']}.") for argument in arguments)]
    if operator["reads"] or operator["writes"]:
        doc.append("")
        doc += [
            paragraph(f"{verb.title()} {', '.join(operator[verb])}.") for verb in ("reads", "writes") if operator[verb]
        ]
    doc += ["", f"    On the command line: `{operator['example']}`", '    """']
    pairs = [f'"{argument["name"]}": {safe(argument["name"])}' for argument in arguments]
    call = f'    return call("{operator["name"]}", lake, {{{", ".join(pairs)}}})'
    if len(call) > WIDTH:
        lines = "".join(f"        {pair},\n" for pair in pairs)
        call = f'    arguments = {{\n{lines}    }}\n    return call("{operator["name"]}", lake, arguments)'
    return "\n".join([signature, *doc, call]) + "\n"


def module(registry: list[dict[str, Any]]) -> str:
    """The whole module."""
    return "\n\n".join([HEAD, *(function(operator) for operator in registry)])


def main() -> None:
    """Reads the registry and writes the module."""
    if len(sys.argv) > 1:
        registry = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    else:
        sys.path.insert(0, str(HERE / "src"))
        from entrega.program import answer

        registry = answer(["op", "list", "--json"])
    TARGET.write_text(module(registry), encoding="utf-8")


if __name__ == "__main__":
    main()
