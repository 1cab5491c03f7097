"""
Labels and notes: events of their own, in a file beside the record or at its collector.

The record itself stays as it is. A label has the form of `chaukas.sdk.score`, so
that both are found, counted and exported together.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from chaukas.sdk._version import VERSION
from chaukas.sdk.integrity import canonical, link
from chaukas.sdk.system.ids import RandomIds
from chaukas.store.answers import Label
from chaukas.store.files.place import labels_file_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ("NewLabel", "label_line", "write_label")

_NAME_CHARS = 200
_TEXT_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A label that is to be written; see `Label`."""

    name: str
    value: str | float | bool | None
    comment: str = ""
    trace_id: str = ""
    span_id: str = ""
    session_id: str = ""
    tenant_id: str = "default"
    project_id: str = "default"


def write_label(source: Sequence[Path], new: NewLabel, now_ns: int) -> Label:
    """
    Write a label beside a record.

    Args:
        source: The paths of the record.
        new: The label.
        now_ns: The present, in nanoseconds since 1970.

    Raises:
        ValueError: It has no name, or judges nothing.
        OSError: The file cannot be written.
    """
    label, line = label_line(new, now_ns)
    path = labels_file_of(source)
    # One write of one line: it stands whole between those of other processes.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    fd = os.open(path, flags, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)
    return label


def label_line(new: NewLabel, now_ns: int) -> tuple[Label, bytes]:
    """
    Return a label, and the event that it is, as a line.

    Args:
        new: The label.
        now_ns: The present, in nanoseconds since 1970.

    Raises:
        ValueError: It has no name, or judges nothing.
    """
    name = new.name.strip()[:_NAME_CHARS]
    if not name:
        raise ValueError("a label needs a name, such as helpfulness, or note")
    if not (new.trace_id or new.session_id):
        raise ValueError("a label needs a run or a session that it judges")
    ids = RandomIds()
    label = Label(
        event_id=ids.event_id(now_ns),
        at_us=now_ns // 1000,
        name=name,
        value=new.value[:_TEXT_CHARS] if type(new.value) is str else new.value,
        comment=new.comment[:_TEXT_CHARS],
        trace_id=new.trace_id,
        span_id=new.span_id,
        session_id=new.session_id,
    )
    line, _ = link(canonical(_event(label, new, ids.span_id())), "")
    return label, line


def _event(label: Label, new: NewLabel, span_id: str) -> dict[str, object]:
    seconds, micros = divmod(label.at_us, 1_000_000)
    score: dict[str, object] = {
        "name": label.name,
        "value": label.value,
        "comment": label.comment,
        "trace_id": label.trace_id,
        "span_id": label.span_id,
    }
    event = {
        "type": "EVENT_TYPE_SYSTEM",
        "status": "EVENT_STATUS_COMPLETED",
        "severity": "SEVERITY_INFO",
        "author": "AUTHOR_USER",
        "event_id": label.event_id,
        "timestamp": _time(seconds, micros),
        "tenant_id": new.tenant_id,
        "project_id": new.project_id,
        "session_id": label.session_id,
        "trace_id": label.trace_id,
        "span_id": span_id,
        "metadata": {
            "name": "chaukas.score",
            "chaukas": {"sdk": VERSION},
            "score": {key: one for key, one in score.items() if one not in ("", None)},
        },
    }
    # As JSON it is what readers will see: a number of another type would not last.
    plain: dict[str, object] = orjson.loads(orjson.dumps(event))
    return {key: one for key, one in plain.items() if one != ""}


def _time(seconds: int, micros: int) -> str:
    from datetime import datetime, timezone

    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
