"""Runs the notebooks against a lake and keeps what they give.

    python notebooks/execute.py --lake LAKE --entrega BINARY --out FOLDER [--train-until DATE] [--test-until DATE] [--seeds 3]

Each notebook runs in a folder of its own that is thrown away, so no path of this machine gets into its outputs. Exit code 1,
with the failing cell and its error; the notebook is written as far as it came.
"""

import argparse
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError

HERE = pathlib.Path(__file__).resolve().parent
NOTEBOOKS = ["delivery_story", "late_deliveries"]
CELL_SECONDS = 3600
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True, help="folder or URL of the lake")
    parser.add_argument("--entrega", default="entrega", help="the program")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder for the executed notebooks")
    parser.add_argument("--train-until", default="2018-03-01", help="the training day")
    parser.add_argument("--test-until", default="2018-09-01", help="the end of the test, exclusive")
    parser.add_argument("--seeds", default="3", help="fits of each model")
    parser.add_argument("--only", choices=NOTEBOOKS, help="one notebook")
    return parser.parse_args()


def absolute(place):
    """A folder's full path; URLs stay as they are."""
    return place if "://" in place else str(pathlib.Path(place).resolve())


def settings(given):
    program = shutil.which(given.entrega)
    if program is None:
        sys.exit(f"{given.entrega} is not there\nhint: build it with `make build` and name it with --entrega")
    return {
        "ENTREGA": str(pathlib.Path(program).resolve()),
        "ENTREGA_LAKE": absolute(given.lake),
        "TRAIN_UNTIL": given.train_until,
        "TEST_UNTIL": given.test_until,
        "SEEDS": given.seeds,
        # LightGBM's threads wait for one another by spinning; where others use the machine, that takes six times as long.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def execute(name, environment, out):
    book = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    with tempfile.TemporaryDirectory(prefix="entrega-notebooks-") as folder:
        # Without times, a run that gives the same gives the same file.
        client = NotebookClient(
            book, timeout=CELL_SECONDS, kernel_name="python3", extra_arguments=["--log-level=ERROR"], record_timing=False,
            resources={"metadata": {"path": folder}})
        try:
            client.execute(env={**os.environ, **environment, "TMPDIR": folder})
        finally:
            nbformat.write(book, out / f"{name}.ipynb")


def main():
    given = arguments()
    environment = settings(given)
    given.out.mkdir(parents=True, exist_ok=True)
    for name in [given.only] if given.only else NOTEBOOKS:
        started = time.monotonic()
        try:
            execute(name, environment, given.out)
        except (CellControlSignal, DeadKernelError) as error:
            sys.exit(f"{name}: a cell failed\n\n{COLOURS.sub('', str(error))}")
        print(f"{name}: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
