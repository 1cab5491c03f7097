"""
Records of any size for the benchmarks of reading: made up, the same at every run.

Each run has twelve events: a question, two model calls with a tool call between them,
and an answer, of words from a vocabulary of 5,000; 5 % fail, and some are retried.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("write_long_run", "write_runs")

_BEGIN_S = 1_767_268_800
_AGENTS = ("front desk", "billing", "forecaster", "researcher")
_MODELS = ("gpt-4o", "gpt-5-mini", "gpt-5.6-luna")
_TOOLS = ("lookup_order", "weather", "search_docs", "send_mail", "refund")


class _Writer:
    """Makes events of one process, numbered and placed."""

    def __init__(self, seed: int) -> None:
        # Nothing here is a secret.
        self.random = random.Random(seed)  # noqa: S311
        self.words = [self._word() for _ in range(5000)]
        self.seq = 0
        self.at_us = _BEGIN_S * 1_000_000

    def _word(self) -> str:
        return "".join(self.random.choices("abcdefghijklmnoprstuvwz", k=7))

    def text(self, words: int) -> str:
        """Return so many words."""
        return " ".join(self.random.choices(self.words, k=words))

    def line(self, kind: str, place: dict[str, Any], **content: Any) -> bytes:
        """Return the next event as a line."""
        self.seq += 1
        self.at_us += self.random.randrange(1000, 20_000)
        seconds, micros = divmod(self.at_us, 1_000_000)
        day, rest = divmod(seconds, 86_400)
        clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        days = day - _BEGIN_S // 86_400
        metadata = {
            "chaukas": {"sdk": "0.2.0", "seq": self.seq, "stream": "bench-0001"},
            "framework": "openai_agents",
            "run_id": place["run_id"],
            **content.pop("metadata", {}),
        }
        event = {
            "agent_id": place["agent"],
            "agent_name": place["agent"],
            "author": "AUTHOR_AGENT",
            "event_id": f"019b7a10-0000-7000-8000-{self.seq:012x}",
            "project_id": "default",
            "session_id": place["session"],
            "severity": "SEVERITY_INFO",
            "status": content.pop("status", "EVENT_STATUS_COMPLETED"),
            "tenant_id": place["tenant"],
            "timestamp": f"2026-{1 + days // 28:02d}-{1 + days % 28:02d}T{clock}"
            f".{micros:06d}Z",
            "trace_id": place["trace"],
            "type": f"EVENT_TYPE_{kind}",
            **content,
            "metadata": metadata,
            "content_hash": f"{self.seq:064x}",
            "hash_prev": f"{self.seq - 1:064x}",
        }
        return orjson.dumps(event) + b"\n"


def _run(writer: _Writer, number: int) -> Iterator[bytes]:
    pick = writer.random
    agent, model, tool = (pick.choice(all_) for all_ in (_AGENTS, _MODELS, _TOOLS))
    is_failed = pick.random() < 0.05
    place = {
        "agent": agent,
        "run_id": f"{number:016x}",
        "session": f"chat-{number // 4}",
        "tenant": f"tenant-{number % 7}",
        "trace": f"{pick.getrandbits(64):016x}{number:016x}",
    }
    span = {"span_id": place["run_id"], "parent_span_id": "0000000000000001"}
    question, answer = writer.text(24), writer.text(60)
    yield writer.line("AGENT_START", place, **span, status="EVENT_STATUS_STARTED")
    yield writer.line(
        "INPUT_RECEIVED", place, span_id=f"i{number:015x}",
        parent_span_id=span["span_id"], message={"role": "user", "text": question},
    )  # fmt: skip
    for turn in (1, 2):
        yield from _model_call(writer, place, (number, turn), model, question)
        if turn == 1:
            yield from _tool_call(writer, place, number, tool, is_failed=is_failed)
        question = writer.text(40)
    yield writer.line(
        "OUTPUT_EMITTED", place, span_id=f"o{number:015x}", is_final=True,
        parent_span_id=span["span_id"], message={"role": "assistant", "text": answer},
    )  # fmt: skip
    outcome = "failed" if is_failed else "completed"
    yield writer.line(
        "AGENT_END", place, **span, status=f"EVENT_STATUS_{outcome.upper()}",
        performance={"duration_ms": 100 + pick.randrange(3000)},
        metadata={"output": answer, "run": {"outcome": outcome, "duration_ms": 140}},
    )  # fmt: skip


def _model_call(
    writer: _Writer,
    place: dict[str, Any],
    which: tuple[int, int],
    model: str,
    question: str,
) -> Iterator[bytes]:
    number, turn = which
    span = {"span_id": f"m{turn}{number:014x}", "parent_span_id": place["run_id"]}
    call = {"model": model, "provider": "openai", "temperature": 0.2}
    request = {
        "input": [{"role": "user", "content": question}],
        "input_count": turn,
        "tools": list(_TOOLS),
    }
    yield writer.line(
        "MODEL_INVOCATION_START", place, **span, status="EVENT_STATUS_STARTED",
        llm_invocation={**call, "request": request},
    )  # fmt: skip
    used = writer.random.randrange(100, 4000)
    answer = {"text": writer.text(50)}
    tokens = {"prompt_tokens": used, "completion_tokens": 80, "total_tokens": used + 80}
    yield writer.line(
        "MODEL_INVOCATION_END", place, **span,
        llm_invocation={**call, "response": answer, **tokens, "finish_reason": "stop"},
        performance={"duration_ms": 40 + writer.random.randrange(900)},
        cost={"currency": "USD", "total_cost": used * 2.5e-6, "provider": "openai"},
    )  # fmt: skip


def _tool_call(
    writer: _Writer, place: dict[str, Any], number: int, tool: str, *, is_failed: bool
) -> Iterator[bytes]:
    span = {"span_id": f"t{number:015x}", "parent_span_id": place["run_id"]}
    yield writer.line(
        "TOOL_CALL_START", place, **span, status="EVENT_STATUS_STARTED",
        tool_call={"tool_id": f"call_{number}", "tool_name": tool,
                   "arguments": {"query": writer.text(6), "order": number}},
    )  # fmt: skip
    if is_failed:
        yield writer.line(
            "ERROR", place, span_id=f"e{number:015x}", parent_span_id=span["span_id"],
            status="EVENT_STATUS_FAILED",
            error={"error_code": "LookupError", "error_message": f"no order {number}"},
        )  # fmt: skip
    status = "EVENT_STATUS_FAILED" if is_failed else "EVENT_STATUS_COMPLETED"
    yield writer.line(
        "TOOL_CALL_END", place, **span, status=status,
        tool_response={"tool_call_id": f"call_{number}", "tool_name": tool,
                       "output": {"output": writer.text(40)}},
        performance={"duration_ms": 5 + writer.random.randrange(200)},
    )  # fmt: skip


def write_runs(path: Path, runs: int, *, limit_bytes: int = 1 << 62) -> int:
    """
    Write a record of many small runs; return how many events are in it.

    Args:
        path: Of the file, which is replaced.
        runs: How many, unless the limit comes first.
        limit_bytes: At which size to stop.
    """
    writer = _Writer(1)
    written = 0
    with path.open("wb") as file:
        for number in range(runs):
            data = b"".join(_run(writer, number))
            file.write(data)
            written += len(data)
            if written >= limit_bytes:
                break
    return writer.seq


def write_long_run(path: Path, events: int) -> int:
    """Write a record of one run with so many events, or a few more."""
    writer = _Writer(2)
    place = {
        "agent": "researcher", "run_id": f"{1:016x}", "session": "long",
        "tenant": "acme", "trace": f"{1:032x}",
    }  # fmt: skip
    span = {"span_id": place["run_id"], "parent_span_id": "0000000000000001"}
    with path.open("wb") as file:
        file.write(writer.line("AGENT_START", place, **span))
        number = 0
        while writer.seq < events - 1:
            number += 1
            file.writelines(_model_call(writer, place, (number, 1), "gpt-4o", "q"))
            tool = _tool_call(writer, place, number, "weather", is_failed=False)
            file.writelines(tool)
        file.write(
            writer.line("AGENT_END", place, **span, performance={"duration_ms": 1})
        )
    return writer.seq
