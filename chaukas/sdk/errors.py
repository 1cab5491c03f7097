"""
Hold the errors that chaukas raises, each of which builds its own sentence.

They live on the lowest floor, so that any module may raise one without a cycle.

    ChaukasError
    └─ ConfigError    settings that cannot be used, when strict=True asks to know
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("ChaukasError", "ConfigError", "Problem")


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One setting that could not be used, told in the parts of its sentence.

    The parts never hold a secret: whoever makes a problem hides the value first.
    `str(problem)` is the whole line, as it is logged.
    """

    setting: str
    """Public name of the setting, such as `spool_limit`, or the unknown name."""
    event: str
    """What happened, with the place and the value."""
    meaning: str
    """What was expected, or what it means."""
    remedy: str
    """What chaukas does now, or what to do, as a sentence with its full stop."""
    correction: str = "Correct or remove it."
    """What to do where nothing takes the setting's place, as with `strict=True`."""

    def __str__(self) -> str:
        """Return the one line for people."""
        return f"chaukas: {self.event}: {self.meaning}. {self.remedy}"

    @property
    def refusal(self) -> str:
        """Return the line of `ConfigError`, under which no default is used."""
        return f"chaukas: {self.event}: {self.meaning}. {self.correction}"


class ChaukasError(Exception):
    """Base of every error that chaukas raises on purpose."""


class ConfigError(ChaukasError):
    """
    Raised by `enable_chaukas(strict=True)` when settings cannot be used.

    Args:
        *problems: What was found, in the order found; all are told in one line.

    Attributes:
        problems: The same, for programs that want the parts.
    """

    def __init__(self, *problems: Problem) -> None:
        """Join the sentences of *problems*."""
        self.problems = problems
        super().__init__(*problems)

    def __str__(self) -> str:
        """Return the sentences of all problems on one line."""
        told = " ".join(problem.refusal for problem in self.problems)
        return f"{told} chaukas is not enabled."
