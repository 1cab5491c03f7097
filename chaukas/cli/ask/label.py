"""`chaukas label`: say what one thinks of a run, beside the record."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from chaukas.cli.output import say, say_json
from chaukas.query import NewLabel

from .source import fail, json_option, opened, read, source_argument

if TYPE_CHECKING:
    from pathlib import Path

    from chaukas.query import OpenedRecord
    from chaukas.store.answers import Label

__all__ = ("label",)


@click.command()
@click.argument("run")
@click.argument("name")
@click.argument("value")
@source_argument
@click.option("--comment", default="", help="Why, for people.")
@click.option("--span", default="", help="Id of the one call of the run that is meant.")
@json_option
def label(
    run: str,
    name: str,
    value: str,
    source: tuple[Path | str, ...],
    comment: str,
    span: str,
    *,
    as_json: bool,
) -> None:
    """
    Label a run, such as `chaukas label 4f2a61c0 helpfulness 0.8`, or note a text.

    RUN is an id or its end, `last` the newest. VALUE is a number, true, false or a
    text; the name `note` is for free texts. The label is an event of its own in a
    file beside the record, which stays as it is; of a collector it is sent there, with
    a key that may. See `chaukas export --table labels`.
    """
    with opened(source) as record:
        read(record)
        with closing(record.query()) as query:
            found = query.run(query.find_run(run))
        new = NewLabel(
            name=name,
            value=_value(value),
            comment=comment,
            trace_id=found.trace_id,
            span_id=span,
            session_id=found.session_id,
            tenant_id=found.tenant_id,
            project_id=found.project_id,
        )
        made = _kept(record, new)
    if as_json:
        say_json(asdict(made))
    else:
        say(f"{name} {value} on run {found.trace_id}")


def _kept(record: OpenedRecord, new: NewLabel) -> Label:
    try:
        return record.label(new, time.time_ns())
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write beside the record: {error.strerror}. Copy it elsewhere.")


def _value(text: str) -> str | float | bool:
    if text in {"true", "false"}:
        return text == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    return number if number - number == 0 else text
