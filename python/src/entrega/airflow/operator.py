"""One operator of the program as a task.

The task is a process of its own that Airflow can end. Its result, JSON, becomes the task's XCom; what it says while it
works goes to the task's log line by line. Whether a failure is tried again is the exit code's to say: a request that is
wrong and data that is at fault fail the same way again, so they end the task at once; everything else, such as a
lake that is busy or a bucket that does not answer, goes the way of the DAG's retries.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from entrega.errors import DataFault, WrongRequest, told
from entrega.program import find, operator_arguments, parsed

if TYPE_CHECKING:
    from airflow.sdk import Context

# How long a process that was asked to end may take before it is made to. It loses nothing: an unpublished batch is
# undone by the next one.
GRACE_SECONDS = 10
# Lines of the log that are kept to find the reason of a failure in.
KEPT_LINES = 200


class EntregaOperator(BaseOperator):
    """Runs `entrega op <operator>`.

    :param operator: the operator's name; `entrega op list` has them.
    :param arguments: its arguments, by name (templated).
    :param lake: a folder or URL (templated); by default the program's own settings, such as ENTREGA_LAKE.
    """

    template_fields: Sequence[str] = ("lake", "arguments")
    template_fields_renderers = {"arguments": "json"}
    ui_color = "#dfe9d8"

    def __init__(
        self, *, operator: str, arguments: Mapping[str, Any] | None = None, lake: str | None = None, **options: Any
    ) -> None:
        """Keeps what is to be run."""
        super().__init__(**options)
        self.operator = operator
        self.arguments = dict(arguments or {})
        self.lake = lake
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> Any:
        """Runs the operator and gives its result."""
        command = [find(), *operator_arguments(self.operator, self.lake, self.arguments)]
        self.log.info("Running %s", command)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A group of its own, so that ending it ends whatever it started.
            start_new_session=True,
        )
        self._process = process
        assert process.stdout is not None
        assert process.stderr is not None
        lines: list[str] = []
        reader = threading.Thread(target=self._pass_on, args=(process.stderr, lines), daemon=True)
        reader.start()
        try:
            written = process.stdout.read()
            code = process.wait()
        finally:
            # Whatever ends the waiting, a limit of time for instance, ends the process too.
            self.on_kill()
        reader.join()
        if code == 0:
            return parsed(written)
        error = told("".join(lines), code)
        if isinstance(error, (DataFault, WrongRequest)):
            raise AirflowFailException(str(error)) from error
        raise error

    def on_kill(self) -> None:
        """Ends the process: asks first, then insists."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _pass_on(self, errors: IO[str], lines: list[str]) -> None:
        for line in errors:
            self.log.info("%s", line.rstrip())
            lines.append(line)
            del lines[:-KEPT_LINES]
