"""Questions about a record, typed and read-only: one interface for all who read."""

from __future__ import annotations

from chaukas.store.files.lines import UnreadableError
from chaukas.store.filter import FilterError
from chaukas.store.protocol import CursorError, NotFoundError

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
from .labels import NewLabel, write_label
from .query import Query
from .source import Source, open_source

__all__ = (
    "CursorError",
    "Diff",
    "DiffRow",
    "EventDetail",
    "FieldHelp",
    "FilterError",
    "NewLabel",
    "NotFoundError",
    "PromptAnswer",
    "Query",
    "SessionDetail",
    "Source",
    "Span",
    "Status",
    "Summary",
    "TextDiff",
    "Tree",
    "Turn",
    "UnreadableError",
    "open_source",
    "to_json",
    "write_label",
)
