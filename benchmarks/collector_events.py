"""
Events as many agents at work would send them: runs, sessions, tenants, words.

The same ones each time, of about 1.5 KB, chained like those of a real process.
"""

from __future__ import annotations

import random
from datetime import datetime, timezone
from functools import cache
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.integrity import canonical, link

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("BATCH", "FREQUENT", "PAIR", "RARE", "SMALLEST", "TENANTS", "batches")

BATCH: Final = 500
"""Events of a request."""
TENANTS: Final = {"tiny": 1, "initech": 99, "globex": 300, "acme": 600}
"""And how many sessions of a thousand are theirs."""
SMALLEST: Final = "tiny"
FREQUENT: Final = "customer"
"""A word of nearly every text."""
RARE: Final = "quartzite"
"""A word of one run in five thousand."""
PAIR: Final = "invoice harbour"
"""Two words, each of which is in one text of three or four."""

_RARE_RUNS: Final = 5000
_TEXTS: Final = 3000
_WORDS: Final = 20_000
_TEXT_CHARS: Final = 1250
_RUNS_OF_SESSION: Final = 4
_FIRST_S: Final = 1_760_000_000
_RUN_S: Final = 20.0
"""From the beginning of one run to that of the next: 5 million are two months."""
_MODELS: Final = ("gpt-4o", "gpt-4o-mini", "o4", "sonnet", "own")
_TOOLS: Final = ("lookup", "refund", "search", "ship", "mail", "quote")


@cache
def _words() -> _Words:
    return _Words()


class _Words:
    """Texts of words of which a few are frequent and most are rare."""

    def __init__(self) -> None:
        # The same texts each time; nothing here is a secret.
        self._random = random.Random(7)  # noqa: S311
        letters = "aeioubcdfghklmnprstvw"
        vocabulary = [
            "".join(self._random.choices(letters, k=self._random.randint(3, 10)))
            for _ in range(_WORDS)
        ]
        weights = list(accumulate(1 / (rank + 3) for rank in range(_WORDS)))
        self._texts = [self._text(vocabulary, weights) for _ in range(_TEXTS)]

    def _text(self, vocabulary: list[str], weights: list[float]) -> str:
        words = self._random.choices(vocabulary, cum_weights=weights, k=220)
        words[1] = FREQUENT
        for word, share in zip(PAIR.split(), (0.35, 0.25), strict=True):
            if self._random.random() < share:
                words[self._random.randint(2, 90)] = word
        return " ".join(words)[:_TEXT_CHARS]

    def text(self, number: int) -> str:
        """Return a text, which comes again after many others."""
        return self._texts[number * 7919 % _TEXTS]


def batches(sender: int, senders: int, events: int) -> Iterator[bytes]:
    """
    Yield the bodies that one of several senders sends, as JSON lines.

    Args:
        sender: Which one, from 0.
        senders: How many there are.
        events: Of this sender; whole batches of them.
    """
    lines = _lines(sender, senders)
    for _ in range(events // BATCH):
        yield b"".join(islice(lines, BATCH))


def _lines(sender: int, senders: int) -> Iterator[bytes]:
    words = _words()
    # The same runs each time.
    chance = random.Random(sender)  # noqa: S311
    number = sequence = 0
    hashed = ""
    run = sender
    while True:
        at_s = _FIRST_S + run * _RUN_S
        for step, event in enumerate(_run(run, words, chance)):
            sequence += 1
            number += 1
            moment_s = at_s + step * 0.37
            event["event_id"] = (
                f"{int(moment_s * 1000):012x}-7{sender:03x}-{number:016x}"
            )
            event["timestamp"] = _time(moment_s)
            metadata = event.setdefault("metadata", {})
            metadata["framework"] = "openai-agents"
            metadata["chaukas"] = {"stream": f"process-{sender}", "seq": sequence}
            line, hashed = link(canonical(event), hashed)
            yield line
        run += senders


def _time(moment_s: float) -> str:
    at = datetime.fromtimestamp(moment_s, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _run(run: int, words: _Words, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the events of one run: 10 to 40."""
    session = run // _RUNS_OF_SESSION
    tenant = _tenant(session)
    agent = f"agent-{session % 9}"
    place: dict[str, Any] = {
        "tenant_id": tenant,
        "project_id": f"project-{session % 2}",
        "session_id": f"session-{session:08x}",
        "trace_id": f"{run * 2654435761 % (1 << 64):016x}{run:016x}",
        "agent_name": agent,
        "status": "EVENT_STATUS_COMPLETED",
    }
    top = f"{run:012x}0000"
    user = {"user_id": f"user-{session % 5000}", "run_id": top}
    rare = RARE if run % _RARE_RUNS == 0 else ""
    asked = f"order {run} {rare} {words.text(run)}"
    yield _event(place, "AGENT_START", top, "", metadata=dict(user))
    message = {"role": "user", "text": asked}
    yield _event(place, "INPUT_RECEIVED", "", top, message=message)
    is_failed = chance.random() < 0.03
    for turn in range(chance.randint(1, 8)):
        yield from _turn(place, top, run, turn, words, chance)
    answer = {"role": "assistant", "text": words.text(run + 1)}
    yield _event(place, "OUTPUT_EMITTED", "", top, message=answer)
    if is_failed:
        error = {"error_code": "TimeoutError", "error_message": f"no answer to {run}"}
        yield _event(place, "ERROR", "", top, error=error, status=_FAILED)
    ended = {
        **user,
        "run": {
            "outcome": "failed" if is_failed else "completed",
            "duration_ms": 9000 + run % 5000,
        },
    }
    status = _FAILED if is_failed else place["status"]
    yield _event(place, "AGENT_END", top, "", metadata=ended, status=status)


_FAILED: Final = "EVENT_STATUS_FAILED"


def _turn(
    place: dict[str, Any],
    top: str,
    run: int,
    turn: int,
    words: _Words,
    chance: random.Random,
) -> Iterator[dict[str, Any]]:
    model = {"provider": "openai", "model": _MODELS[(run + turn) % len(_MODELS)]}
    span = f"{run:012x}{turn:02x}01"
    text = words.text(run * 9 + turn)
    request = {"input": [{"role": "user", "content": text}], "input_count": turn + 1}
    start = {**model, "request": request}
    yield _event(place, "MODEL_INVOCATION_START", span, top, llm_invocation=start)
    end = {
        **model,
        "prompt_tokens": 900 + run % 700,
        "completion_tokens": 80 + turn,
        "total_tokens": 980 + run % 700 + turn,
        "response": {"text": words.text(run * 9 + turn + 1)},
    }
    yield _event(
        place, "MODEL_INVOCATION_END", span, top, llm_invocation=end,
        performance={"duration_ms": round(chance.expovariate(1 / 900), 3)},
        cost={"total_cost": 0.0021, "currency": "USD"},
    )  # fmt: skip
    tool = _TOOLS[(run + turn) % len(_TOOLS)]
    span = f"{run:012x}{turn:02x}02"
    arguments = {"order": run, "note": words.text(run + turn)[:700]}
    call = {"tool_name": tool, "arguments": arguments}
    yield _event(place, "TOOL_CALL_START", span, top, tool_call=call)
    answer = {"tool_name": tool, "output": words.text(run * 5 + turn)}
    yield _event(
        place, "TOOL_CALL_END", span, top, tool_response=answer,
        performance={"duration_ms": round(chance.expovariate(1 / 150), 3)},
    )  # fmt: skip


def _event(
    place: dict[str, Any], kind: str, span: str, parent: str, **content: Any
) -> dict[str, Any]:
    ids = {"span_id": span, "parent_span_id": parent}
    named = {name: value for name, value in ids.items() if value}
    return {**place, "type": f"EVENT_TYPE_{kind}", **named, **content}


def _tenant(session: int) -> str:
    place = session * 7919 % sum(TENANTS.values())
    for name, share in TENANTS.items():
        if place < share:
            return name
        place -= share
    raise AssertionError
