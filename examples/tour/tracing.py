"""Tracing: the SDK's own goes on beside the record, and its ids are shared."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agents import (
    RunConfig,
    Runner,
    TracingProcessor,
    add_trace_processor,
    custom_span,
    gen_trace_id,
    get_current_trace,
    set_trace_processors,
    trace,
)

from loopback import Text

from .scripted import bot, responses, say, served
from .stops import section

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ()

TABLE = "Tracing"


class Notebook(TracingProcessor):
    """A processor that notes what it is told, and sends nothing anywhere."""

    def __init__(self) -> None:
        self.traces: list[str] = []
        self.spans: list[str] = []

    def on_trace_start(self, trace: Any) -> None:
        """Note a trace."""
        self.traces.append(trace.trace_id)

    def on_trace_end(self, trace: Any) -> None:
        """Do nothing."""

    def on_span_start(self, span: Any) -> None:
        """Do nothing."""

    def on_span_end(self, span: Any) -> None:
        """Note the span's kind."""
        self.spans.append(span.span_data.type)

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self) -> None:
        """Do nothing."""


@contextmanager
def noted() -> Iterator[Notebook]:
    """Put a notebook beside what is there; fail if nobody wrote into it."""
    book = Notebook()
    set_trace_processors([book])
    try:
        yield book
    finally:
        set_trace_processors([])
    if not book.traces:
        raise AssertionError("the SDK's own tracing was disturbed")


@section(
    TABLE, "Tracing infrastructure", note="it works beside the record, and as before"
)
async def infrastructure() -> None:
    with noted():
        await Runner.run(bot(say("Hello")), "Hi")


@section(
    TABLE,
    "Trace creation",
    shows="AGENT_START.metadata.workflow_name",
    note="a run is a trace; its id is the application's, if that gives one",
)
async def trace_creation() -> None:
    with noted():
        config = RunConfig(trace_id=gen_trace_id(), workflow_name="Billing")
        await Runner.run(bot(say("Hello")), "Hi", run_config=config)


@section(
    TABLE,
    "Span creation",
    shows="SYSTEM.metadata.data",
    note="at the span's end, with its duration; the SDK's own spans have other events",
)
async def span_creation() -> None:
    data = {"table": "orders"}
    with noted() as book, trace("Workflow"), custom_span("own work", data):
        await Runner.run(bot(say("Hello")), "Hi")
    if "custom" not in book.spans:
        raise AssertionError(book.spans)


@section(
    TABLE,
    "Tracing context",
    shows="AGENT_START.metadata.sdk_trace_id",
    note="both runs are in one trace; its group is their session, if no other is named",
)
async def context() -> None:
    with noted(), trace("Workflow", group_id="chat-1"):
        if get_current_trace() is None:
            raise AssertionError("there is no trace")
        for text in ("Hello", "Bye"):
            await Runner.run(bot(say(text)), "Hi")


@section(
    TABLE,
    "Tracing processors",
    note="nothing of its own: processors get the same with chaukas and without",
)
async def processors() -> None:
    with noted():
        add_trace_processor(Notebook())
        await Runner.run(bot(say("Hello")), "Hi")


@section(
    TABLE,
    "External processors (Logfire, etc.)",
    note="nothing of its own: they are processors like others",
)
async def external() -> None:
    with noted():
        await Runner.run(bot(say("Hello")), "Hi")


@section(
    TABLE, "Model tracing", shows="MODEL_INVOCATION_END.llm_invocation.total_tokens"
)
async def model() -> None:
    async with served(Text("Hello")) as client:
        with noted() as book:
            await Runner.run(bot(model=responses(client)), "Hi")
    if "response" not in book.spans:
        raise AssertionError(book.spans)


@section(
    TABLE, "Disable tracing", note="the record does not depend on the SDK's tracing"
)
async def disabled() -> None:
    config = RunConfig(tracing_disabled=True)
    await Runner.run(bot(say("Hello")), "Hi", run_config=config)
