"""Questions about a record, typed and read-only: one interface for all who read."""

from __future__ import annotations

from chaukas.store.files.lines import UnreadableError
from chaukas.store.filter import FilterError
from chaukas.store.protocol import CursorError, NotFoundError, QuestionError

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
from .questions import OpenedRecord, Questions, Record
from .remote.failures import CollectorError
from .source import Source, is_of_files, open_source
from .stored import store_in

__all__ = (
    "CollectorError",
    "CursorError",
    "Diff",
    "DiffRow",
    "EventDetail",
    "FieldHelp",
    "FilterError",
    "NewLabel",
    "NotFoundError",
    "OpenedRecord",
    "PromptAnswer",
    "Query",
    "QuestionError",
    "Questions",
    "Record",
    "SessionDetail",
    "Source",
    "Span",
    "Status",
    "Summary",
    "TextDiff",
    "Tree",
    "Turn",
    "UnreadableError",
    "is_of_files",
    "open_source",
    "store_in",
    "to_json",
    "write_label",
)
