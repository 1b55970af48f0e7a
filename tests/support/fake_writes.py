"""Writes to the outside world of the operator: counted, and each a place where its process may die."""

from dataclasses import dataclass, field

from holded_operator.exceptions import OperatorError


class KilledError(BaseException):
    """The operator's process died here; no handler of the operator's may catch it."""


@dataclass
class Writes:
    """Everything written to the outside, in order; `kill_at` counts from 1."""

    done: list[str] = field(default_factory=list)
    tried: int = 0
    kill_at: int | None = None
    kill_after_effect: bool = False

    def begin(self, what: str) -> None:
        self.tried += 1
        if self.tried == self.kill_at and not self.kill_after_effect:
            raise KilledError(what)

    def end(self, what: str) -> None:
        self.done.append(what)
        if self.tried == self.kill_at and self.kill_after_effect:
            raise KilledError(what)


class Fake:
    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.error: OperatorError | None = None
        """Raised by every call while it is set."""

    def call(self) -> None:
        if self.error is not None:
            raise self.error
