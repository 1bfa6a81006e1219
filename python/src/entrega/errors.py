"""What can go wrong, by what the caller does next.

The program's exit codes are its promise to schedulers: 1 failed, 2 a wrong request, 3 busy, 4 the delivered data is at
fault. Each is an exception of its own here, so that `except Busy` is all it takes to try again later. The text keeps
the program's own words; its hint stands apart, for logs and messages that want one line.
"""

from __future__ import annotations


class EntregaError(Exception):
    """The program did not do what was asked."""

    def __init__(self, message: str, hint: str | None = None, exit_code: int | None = None) -> None:
        """The program's words, what to do about them, and how it ended."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"

    def __reduce__(self) -> tuple[type[EntregaError], tuple[str, str | None, int | None]]:
        """Pickles as it is: schedulers hand exceptions from one process to another."""
        return type(self), (self.message, self.hint, self.exit_code)


class ProgramMissing(EntregaError):
    """The program itself was not found, or cannot be started."""


class Failed(EntregaError):
    """It failed; the lake is as readers saw it before, so it may be tried again."""


class WrongRequest(EntregaError):
    """The request is wrong: the same one fails again."""


class Busy(EntregaError):
    """Somebody else writes to the lake: try later."""


class DataFault(EntregaError):
    """The delivered data is at fault: a check failed, or a drop is damaged. Trying again does not help."""


KINDS: dict[int, type[EntregaError]] = {1: Failed, 2: WrongRequest, 3: Busy, 4: DataFault}


def told(standard_error: str, exit_code: int) -> EntregaError:
    """The exception for what the program told on its standard error before it ended."""
    kind = KINDS.get(exit_code, Failed)
    lines = standard_error.strip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if not starts:
        # Killed by a signal, or by what stands before the program, such as a container's limit.
        last = f": {lines[-1]}" if lines else ""
        return kind(f"entrega ended with exit code {exit_code} and gave no reason{last}", exit_code=exit_code)
    message: list[str] = []
    hints: list[str] = []
    for line in lines[starts[-1] :]:
        if line.startswith("hint: "):
            hints.append(line.removeprefix("hint: "))
        elif hints:
            hints[-1] += f"\n{line}"
        else:
            message.append(line)
    text = "\n".join(message).removeprefix("error: ").strip()
    return kind(text, "; ".join(hints) or None, exit_code)
