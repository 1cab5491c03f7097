"""
A user's program, for the type checker only: it is never run.

Whoever writes against chaukas gets exact types, under either import, and an error for
a slip of the pen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import assert_type

import chaukas
from chaukas import sdk
from chaukas.sdk.testing import FakeClock, MemorySink, SequentialIds, capture_events

__all__ = ("application", "by_the_short_name", "in_tests", "own_events", "served")


def application() -> None:
    assert_type(sdk.enable_chaukas(), bool)
    assert_type(
        sdk.enable_chaukas(
            config={"retry_config": {"max_llm_retries": 5}},
            strict=True,
            tenant_id="acme",
            output_file="runs.jsonl",
            redact_keys=["customer"],
            sample_rate=0.5,
            spool_limit="1GB",
            flush_interval=None,
            api_key=lambda: "key",
            redact=lambda path, value: value,
        ),
        bool,
    )
    assert_type(sdk.is_enabled(), bool)
    assert_type(sdk.flush(timeout_s=1.0), bool)
    assert_type(sdk.end_session("chat-42"), bool)
    stats = sdk.stats()
    assert_type(stats, sdk.Stats)
    assert_type(stats.emitted + stats.written + stats.queued, int)
    assert_type(sdk.disable_chaukas(), bool)
    assert_type(sdk.__version__, str)


def own_events() -> None:
    sdk.event("cart.checked_out", {"items": 3})
    sdk.policy_decision("limit", "deny", rule_ids=["r1"], rationale="too much")
    sdk.score("helpfulness", 0.5, run_id="r1", metadata={"judge": "gpt"})
    sdk.state_update({"plan": {"old": "free", "new": "gold"}})
    sdk.data_access("orders", document_ids=["o-1"], chunk_ids=["c"], metadata={"n": 1})

    # A decorated function is the function it was.
    assert_type(search, Callable[[str], list[str]])
    name: str = sdk.EventType.TOOL_CALL_START.value
    assert_type(sdk.EventType(name), sdk.EventType)


def _search(query: str) -> list[str]:
    return [query]


search: Callable[[str], list[str]] = sdk.data_access(_search)
find: Callable[[str], list[str]] = sdk.retrieval_tool(_search)


async def served(tenant: str) -> str:
    async with sdk.session("chat-42", tenant_id=tenant, metadata={"n": 1}) as block:
        assert_type(block, sdk.session)
        assert_type(block.session_id, str)
    with sdk.session(traceparent=sdk.current_traceparent()) as inner:
        assert_type(sdk.current_traceparent(), str | None)
        return inner.session_id


def by_the_short_name() -> None:
    try:
        assert_type(chaukas.enable_chaukas(strict=True), bool)
    except chaukas.ConfigError as error:
        assert_type([problem.setting for problem in error.problems], list[str])
    with chaukas.session("chat-42"):
        asyncio.run(served("acme"))
    # Each suppression is an error that must be found: an unused one fails.
    # An argument that does not exist.
    chaukas.flush(seconds=1.0)  # type: ignore[call-arg]
    # A setting that does not exist.
    chaukas.enable_chaukas(tenant_idd="x")  # type: ignore[call-arg]
    # A setting of another kind of value.
    chaukas.enable_chaukas(output_file=3)  # type: ignore[arg-type]
    # A word that is none of the choices.
    chaukas.enable_chaukas(stream_events="all")  # type: ignore[arg-type]
    # A name that does not exist.
    chaukas.enable_chauka()  # type: ignore[attr-defined]
    # A name of another kind of value.
    chaukas.event(3)  # type: ignore[arg-type]


def in_tests() -> list[dict[str, Any]]:
    clock = FakeClock(step_ns=1)
    with capture_events(clock=clock, ids=SequentialIds(), tenant_id="t") as events:
        clock.skip(1.0)
        assert_type(events, Callable[[], list[dict[str, Any]]])
    assert_type(MemorySink().events, list[dict[str, Any]])
    return events()
