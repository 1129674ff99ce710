"""The one family of errors.

Every error carries what went wrong, where, and the remedy, and knows the exit code of its kind:
1 the answer is no, 2 bad input or usage, 3 the environment. `cli` makes the one line of text.
"""

from __future__ import annotations

from typing import ClassVar


class SonothequeError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(self.line())

    def line(self) -> str:
        """The error on one line: what, where, the remedy."""
        parts = [one_line(self.where), one_line(self.what)] if self.where else [one_line(self.what)]
        text = ": ".join(parts)
        return f"{text}. {one_line(self.remedy)}" if self.remedy else text


class Refused(SonothequeError):
    """The request was understood and the answer is no."""

    exit_code = 1


class NotFound(Refused):
    """The archive holds no such thing."""


class Corrupt(Refused):
    """Stored bytes do not match what was promised."""


class BadInput(SonothequeError):
    """Input or usage that cannot be acted on."""

    exit_code = 2


class EnvironmentFailure(SonothequeError):
    """The machine said no: disk full, permission, server away."""

    exit_code = 3


def one_line(text: str) -> str:
    """`text` with control characters escaped, so that a hostile file name stays on its line."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
