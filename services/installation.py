"""What the services are installed from: Python packages by requirements.txt, jars by pom.xml.

    CACHE/services/
      venv/    SeaweedFS, PySpark (Spark, Hive Metastore, beeline) and the AWS CLI, with a stamp
      jars/    Delta and S3A for Spark, with a stamp
      maven/   Maven's own store, so that all lies in one folder

A stamp holds the hash of what its folder was made from, and is written last: a folder whose stamp differs is made anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from state import Trouble

HERE = Path(__file__).resolve().parent
MINIMUM_JAVA = 17


def cache_folder() -> Path:
    """The cache beside Cargo's target folder, as in the Makefile."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or Path.home() / ".cache/entrega/target")
    return target.absolute().parent


class Installation:
    """The folder that holds what was installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / "venv"
        self.jars = folder / "jars"

    @property
    def spark_home(self) -> Path:
        """Spark's own folder inside PySpark."""
        found = sorted(self.venv.glob("lib/python3*/site-packages/pyspark"))
        if not found:
            raise Trouble(f"{self.venv} has no PySpark\nhint: remove {self.folder} and run `services.py install`")
        return found[-1]

    def program(self, name: str) -> Path:
        """A program that the Python packages bring."""
        return self.venv / "bin" / name

    def is_current(self, with_jars: bool) -> bool:
        """Whether everything is there, as today's requirements and pom ask for it."""
        python = stamp_of(self.venv) == python_stamp()
        return python and (not with_jars or stamp_of(self.jars) == jars_stamp())

    def install(self, with_jars: bool) -> None:
        """Installs what is missing or out of date."""
        if with_jars:
            check_java()
        if stamp_of(self.venv) != python_stamp():
            self.install_python()
        if with_jars and stamp_of(self.jars) != jars_stamp():
            self.install_jars()

    def install_python(self) -> None:
        """Makes the virtual environment anew."""
        remove(self.venv)
        run([sys.executable, "-m", "venv", str(self.venv)], "making a virtual environment")
        pip = [str(self.program("python")), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--requirement", str(HERE / "requirements.txt")], "installing Python packages (about 600 MB)")
        stamp_path(self.venv).write_text(python_stamp())

    def install_jars(self) -> None:
        """Copies the jars of pom.xml."""
        maven = shutil.which("mvn")
        if maven is None:
            raise Trouble("Maven (mvn) is not on the path\nhint: install it; on Debian: apt-get install maven")
        remove(self.jars)
        command = [maven, "--quiet", "--batch-mode", "--file", str(HERE / "pom.xml")]
        command += [f"-Dmaven.repo.local={self.folder / 'maven'}", f"-DoutputDirectory={self.jars}"]
        run(
            [*command, "-DincludeScope=runtime", "-Dstyle.color=never", "dependency:copy-dependencies"], "fetching jars"
        )
        stamp_path(self.jars).write_text(jars_stamp())


def java() -> Path | None:
    """The Java that Spark will use too: JAVA_HOME's, else the one on the path."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    return Path(found) if found else None


def check_java() -> None:
    """Fails with a hint if there is no Java, or an old one."""
    program = java()
    hint = f"hint: install Java {MINIMUM_JAVA} or newer; on Debian: apt-get install openjdk-17-jre-headless"
    if program is None:
        raise Trouble(f"Java is neither in JAVA_HOME nor on the path\n{hint}")
    text = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    version = text.split('"')[1] if '"' in text else ""
    if not version.split(".")[0].isdigit() or int(version.split(".")[0]) < MINIMUM_JAVA:
        raise Trouble(f"{program} is version {version or 'unknown'}, too old for Spark 4\n{hint}")


def python_stamp() -> str:
    """What the virtual environment is made from: the requirements, and this very Python."""
    return digest((HERE / "requirements.txt").read_bytes(), sys.version.encode(), sys.base_prefix.encode())


def jars_stamp() -> str:
    """What the jars are made from."""
    return digest((HERE / "pom.xml").read_bytes())


def digest(*parts: bytes) -> str:
    """One hash of several texts."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def stamp_path(folder: Path) -> Path:
    """Where the stamp of a folder lies."""
    return folder / "entrega-stamp"


def stamp_of(folder: Path) -> str | None:
    """The stamp of a folder, if it has one."""
    path = stamp_path(folder)
    return path.read_text() if path.is_file() else None


def remove(folder: Path) -> None:
    """Removes a folder, its stamp first: what is half removed must not look whole."""
    stamp_path(folder).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], doing: str) -> None:
    """Runs a step of the installation and says how long it took."""
    print(f"{doing} …", file=sys.stderr, flush=True)
    begun = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        last = "\n".join(f"  | {line}" for line in done.stdout.splitlines()[-25:])
        raise Trouble(
            f"{doing} failed ({command[0]} ended with {done.returncode}):\n{last}\n"
            "hint: packages come by name from PyPI and Maven Central; is a registry or a mirror of it within reach?"
        )
    print(f"{doing} took {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
