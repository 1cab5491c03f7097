"""Send what was recorded earlier, as spans, to where it was not sent then."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from chaukas.sdk.sinks.collector.responses import Action
from chaukas.sdk.sinks.otlp.factory import sink_of

from .input import UnreadableError, recorded_event_in
from .output import count, say
from .settings import loaded_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from chaukas.sdk.config import Config
    from chaukas.sdk.sinks.collector.responses import Answer
    from chaukas.sdk.sinks.otlp.sink import OtlpSink

__all__ = ("send_spans",)

_LEFT: Final = 1
_UNREAD: Final = 2
_BATCH: Final = 256
_TRIES: Final = 6
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0


class _StoppedError(Exception):
    """The receiver takes no more; the text is a line for people."""


@dataclass(slots=True)
class _Done:
    """What became of the lines so far."""

    events: int = 0
    refused: int = 0
    open: int = 0
    """Spans that were sent without their END."""


def send_spans(
    lines: Iterable[bytes], endpoint: str, given: tuple[str, ...]
) -> NoReturn:
    """
    Send recorded events as OpenTelemetry spans, say what became of them, and end.

    Spans keep the ids of the record, so what is sent twice is the same span. A span
    whose END is in no file is sent as one that its process left open.

    Args:
        lines: Events as recorded, those of a stream in their order.
        endpoint: Of the OTLP receiver.
        given: Settings, as `NAME=VALUE`.

    Raises:
        SystemExit: 0: all was sent. 1: something was not. 2: the events cannot be
            read, or the address is none.
    """
    config = _config_with(endpoint, given)
    sink, done = sink_of(config, os.environ), _Done()
    try:
        _send_all(sink, _events_in(lines), done)
    except UnreadableError as error:
        say(f"chaukas: {error}", err=True)
        sys.exit(_UNREAD)
    except _StoppedError as stopped:
        say(str(stopped), err=True)
        say(f"chaukas: {count(sink.sent, 'span')} had been sent by then.", err=True)
        sys.exit(_LEFT)
    finally:
        sink.close()
    say(f"{count(done.events, 'event')}, {count(sink.sent, 'span')} sent.")
    if done.open:
        say(f"{count(done.open, 'span')} had no END: marked as incomplete.")
    if done.refused:
        say(f"chaukas: {count(done.refused, 'event')} refused for good.", err=True)
    sys.exit(_LEFT if done.refused or not done.events else 0)


def _config_with(endpoint: str, given: tuple[str, ...]) -> Config:
    loaded = loaded_with((*given, f"otlp_endpoint={endpoint}", "output_mode=otlp"))
    wrong = [each for each in loaded.problems if each.setting == "otlp_endpoint"]
    for problem in loaded.problems:
        say(str(problem), err=True)
    if wrong:
        sys.exit(_UNREAD)
    return replace(loaded.config, otlp_endpoint=endpoint)


def _events_in(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield each event with the stream that it is of."""
    for line in lines:
        event = recorded_event_in(line)
        if event is not None:
            own = event.get("metadata", {}).get("chaukas", {})
            yield str(own.get("stream", "")), line


def _send_all(sink: OtlpSink, events: Iterator[tuple[str, bytes]], done: _Done) -> None:
    waiting: dict[str, list[bytes]] = {}
    for stream, line in events:
        done.events += 1
        batch = waiting.setdefault(stream, [])
        batch.append(line)
        if len(batch) >= _BATCH:
            _send(sink, stream, batch, done)
            batch.clear()
    for stream, batch in waiting.items():
        _send(sink, stream, batch, done)
        before = sink.sent
        answer = _tried(partial(sink.send_rest, stream))
        done.open += sink.sent - before
        done.refused += answer.action is not Action.ACKED
        sink.drop(stream)


def _send(sink: OtlpSink, stream: str, lines: Sequence[bytes], done: _Done) -> None:
    """Send a batch, in halves where need be, in order."""
    waiting = [tuple(lines)] if lines else []
    while waiting:
        batch = waiting.pop()
        answer = _tried(partial(sink.send_from, stream, batch))
        is_good = answer.action is Action.ACKED
        if not is_good and len(batch) > 1:
            half = len(batch) // 2
            waiting += [batch[half:], batch[:half]]
            continue
        done.refused += len(answer.rejected) if is_good else 1
        sink.settle(stream, batch)


def _tried(send: Callable[[], Answer]) -> Answer:
    """Return the answer, once the receiver gives one that does not mean to wait."""
    wait_s = _FIRST_WAIT_S
    for attempt in range(_TRIES):
        answer = send()
        if answer.action is Action.PARK:
            break
        if answer.action is not Action.RETRY:
            return answer
        if attempt < _TRIES - 1:
            time.sleep(min(max(wait_s, answer.retry_after_s or 0.0), _LONGEST_WAIT_S))
            wait_s *= 2
    raise _StoppedError(answer.error)
