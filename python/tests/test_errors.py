"""What the program refuses becomes an exception, by what to do next."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import pytest

from entrega import Busy, DataFault, Failed, Lake, ProgramMissing, WrongRequest, operators
from entrega.errors import told
from entrega.program import find, output


def test_a_drop_that_is_not_complete_is_a_fault_of_the_data(lake: Lake) -> None:
    with pytest.raises(DataFault) as raised:
        operators.validate(lake, "landing/dt=1999-01-01")
    assert raised.value.exit_code == 4
    assert raised.value.message == "drop landing/dt=1999-01-01, file _manifest.json: it is not there"
    assert raised.value.hint == "the producer writes it last, when all files are complete"


def test_a_flag_that_is_unknown_is_a_wrong_request(lake: Lake) -> None:
    with pytest.raises(WrongRequest, match="--nonsense"):
        output(["status", "--lake", lake.url, "--nonsense"])


def test_an_argument_that_is_wrong_is_a_wrong_request(lake: Lake) -> None:
    with pytest.raises(WrongRequest) as raised:
        operators.check(lake, "clean.nothing")
    assert "clean.deliveries" in (raised.value.hint or "")


def test_a_query_that_is_wrong_fails_with_the_programs_words(lake: Lake) -> None:
    with pytest.raises((Failed, WrongRequest), match="no_such_column"):
        lake.sql("select no_such_column from clean.orders").rows()


def test_a_busy_lake_can_be_told_from_a_failure_and_survives_another_process() -> None:
    error = told("reading …\nerror: the lake is busy\n  caused by: a lease\nhint: wait\nhint: or look", 3)
    assert isinstance(error, Busy)
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.hint, again.exit_code) == (
        "the lake is busy\n  caused by: a lease",
        "wait; or look",
        3,
    )


def test_a_program_that_was_killed_gave_no_reason() -> None:
    assert told("Killed\n", -9).message == "entrega ended with exit code -9 and gave no reason: Killed"


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENTREGA", str(tmp_path / "nothing"))
    with pytest.raises(ProgramMissing, match="nothing"):
        find()


def test_the_program_beside_python_comes_before_the_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = shutil.which(find())
    for folder in ("beside", "path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "entrega").symlink_to(str(program))
    monkeypatch.delenv("ENTREGA", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find() == str(tmp_path / "path" / "entrega")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    assert find() == str(tmp_path / "beside" / "entrega")
    monkeypatch.undo()
    monkeypatch.delenv("ENTREGA", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="beside this Python"):
        find()
