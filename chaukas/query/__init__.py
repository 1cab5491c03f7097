"""Questions about a record, typed and read-only: one interface for all who read."""

from __future__ import annotations

from .answers import (
    Diff,
    DiffRow,
    EventDetail,
    FieldHelp,
    PromptAnswer,
    SessionDetail,
    Span,
    Status,
    Summary,
    TextDiff,
    Tree,
    Turn,
    to_json,
)

__all__ = (
    "Diff",
    "DiffRow",
    "EventDetail",
    "FieldHelp",
    "PromptAnswer",
    "SessionDetail",
    "Span",
    "Status",
    "Summary",
    "TextDiff",
    "Tree",
    "Turn",
    "to_json",
)
