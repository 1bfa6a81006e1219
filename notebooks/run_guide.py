"""Runs the first Python example of a guide in a folder that holds its training set.

    python notebooks/run_guide.py docs/guides/features.md FOLDER
"""

import os
import pathlib
import re
import sys


def main():
    guide, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
    example = re.search(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    if example is None:
        sys.exit(f"{guide} has no example in Python")
    os.chdir(folder)
    exec(compile(example[1], str(guide), "exec"), {})  # noqa: S102


if __name__ == "__main__":
    main()
