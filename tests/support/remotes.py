"""Remotes that answer as they are told, and pipelines in front of them."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.delivery.plan import Destination, Pace, SpoolPlan
from chaukas.sdk.pipeline import Pipeline
from chaukas.sdk.sinks.collector.responses import Action, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ("DOWN", "ScriptedRemote", "plan", "spooled")

DOWN = Answer(Action.RETRY, cause="refused", error="chaukas: cannot reach it.")


class ScriptedRemote:
    """
    Keeps what it is sent, after the answers that it was given.

    Each entry of `answers` serves one `send`; then `rule`, given the lines, may
    answer; else everything is acknowledged. While `gate` is cleared, `send` blocks.
    An entry of `lost_acks` counts batches that are kept though the answer is a
    failure.
    """

    def __init__(self, *answers: Answer | BaseException, name: str = "http") -> None:
        self.name = name
        self.answers = list(answers)
        self.rule: Callable[[Sequence[bytes]], Answer | None] = lambda lines: None
        self.lines: list[bytes] = []
        self.batches: list[int] = []
        self.lost_acks = 0
        self.gate = threading.Event()
        self.gate.set()
        self.is_sending = threading.Event()
        self.is_down = False
        self.is_closed = False
        self.is_abandoned = False

    def send(self, lines: Sequence[bytes]) -> Answer:
        self.is_sending.set()
        self.gate.wait()
        self.batches.append(len(lines))
        answer = self._answer(lines)
        if isinstance(answer, BaseException):
            raise answer
        if answer.action is Action.ACKED:
            rejected = {index for index, _ in answer.rejected}
            self.lines += [x for n, x in enumerate(lines) if n not in rejected]
            if self.lost_acks:
                self.lost_acks -= 1
                return DOWN
        return answer

    def overdue(self, now_s: float) -> str:
        return ""

    def close(self) -> None:
        self.is_closed = True

    def abandon(self) -> None:
        self.is_abandoned = True

    @property
    def numbers(self) -> list[int]:
        """The `n` of each kept event."""
        return [json.loads(line)["n"] for line in list(self.lines)]

    def _answer(self, lines: Sequence[bytes]) -> Answer | BaseException:
        if self.is_down:
            return DOWN
        if self.answers:
            return self.answers.pop(0)
        return self.rule(lines) or Answer(Action.ACKED)


def plan(
    folder: Path,
    *remotes: ScriptedRemote,
    limit_bytes: int = 1 << 28,
    pace: Pace | None = None,
) -> SpoolPlan:
    """Return a plan for these remotes, in a spool folder below *folder*."""
    return SpoolPlan(
        destinations=tuple(Destination(each.name, each) for each in remotes),
        spool_dir=str(folder / "spool"),
        limit_bytes=limit_bytes,
        pace=pace or Pace(flush_interval_s=0.01),
    )


def spooled(
    folder: Path, *remotes: ScriptedRemote, stream: str = "s", **settings: object
) -> Pipeline:
    """Return a pipeline that spools below *folder* and sends to the remotes."""
    return pipeline_of(
        plan(folder, *remotes),
        stream=stream,
        memory_limit_bytes=1 << 22,
        **settings,  # type: ignore[arg-type]
    )
