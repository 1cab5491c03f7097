"""What a form is: one place of a secret that is known by the words around it."""

import re
from typing import Final, NamedTuple

__all__ = ("APART", "GAP", "WORD", "Form")

# Words of a command line stand apart by spaces, or as the items of a list.
GAP: Final = r"(?:[ \t]+(?:\\?\r?\n[ \t]*)?|\\*[\"'],\s{0,4}\\*[\"'])"
WORD: Final = (
    r"(?:\\*[\"'])?(?P<secret>(?<=[\"'])[^\s\"'\\][^\s\"'\\]*|[^\s\"'|;&,\\]+)"
)
APART: Final = rf"(?:{GAP}|=)"


class Form(NamedTuple):
    """One place of a secret, known by the words around it."""

    needle: str
    """Lower-case text that any match contains."""
    regex: re.Pattern[str]
    """Searched in the lower-case text; each named group is a secret."""
    unless: re.Pattern[str] | None = None
    """What must not stand before it in the same line."""
    head: re.Pattern[str] | None = None
    """What stands before it, up to it; searched only where the rest was found."""
