"""
`chaukas doctor --faults`: checks the delivery promise on this machine.

Each check causes one way in which programs, disks and networks fail. It measures; the
sentence that it gives holds what was measured.
"""

from __future__ import annotations

import logging
import os
import random
import statistics
import struct
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaukas.cli.doctor.disk import existing_above
from chaukas.cli.doctor.finding import fail, ok, warn
from chaukas.cli.input import event_in
from chaukas.cli.output import count, ms
from chaukas.sdk.testing import Fault, Reply

from .child import CHILDREN, NAME, STAMPS
from .scenario import LateError, Scenario, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chaukas.cli.doctor.finding import Finding
    from chaukas.sdk.config import Config

__all__ = ("CHECKS", "check_faults")

_TOPIC: Final = "faults"
_BOUND_MS: Final = 50.0
_EXIT_S: Final = 1.5
"""What is promised is 1.2 s for chaukas; Python's own end comes on top."""
_KILLS: Final = 5
_REPORT: Final = "Please report this, with the output of: chaukas doctor --json"
_SLOW: Final = "The machine or its disk is busy or slow; nothing else is wrong."
_AGAIN: Final = "The machine may be busy: run it again, and report it if it stays so."


def check_faults(config: Config) -> Iterator[Finding]:
    """
    Cause every fault, one after the other, and yield what was measured.

    Args:
        config: Says on which disk, by its spool folder; nothing else of it counts.
    """
    if not hasattr(os, "fork"):
        text = "this system cannot fork"
        yield warn(_TOPIC, text, "Run it on Linux or macOS.")
        return
    above = _writable(Path(config.spool_dir).absolute())
    made = tempfile.TemporaryDirectory(prefix=".chaukas-doctor-", dir=above)
    with made as folder, _undisturbed():
        yield ok(_TOPIC, f"checked in {str(above)!r}, with a collector of their own")
        for check in CHECKS:
            yield _result_of(check, Path(folder))


def _result_of(check: Callable[[Scenario], Finding], folder: Path) -> Finding:
    name = check.__name__.strip("_").replace("_", " ")
    try:
        with Scenario(folder) as scenario:
            return check(scenario)
    except LateError as error:
        return warn(_TOPIC, f"{name} could not be checked in time ({error})", _AGAIN)
    except (ScenarioError, OSError, ValueError, KeyError) as error:
        return fail(_TOPIC, f"{name} could not be checked ({error})", _REPORT)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep proxies out, and chaukas silent meanwhile."""
    logger = logging.getLogger("chaukas.sdk")
    level = logger.level
    names = ("NO_PROXY", "no_proxy")
    before = {name: os.environ.get(name) for name in names}
    logger.setLevel(logging.CRITICAL)
    os.environ.update(dict.fromkeys(names, "*"))
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _writable(spool_dir: Path) -> Path:
    above = existing_above(spool_dir)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return above
    return Path(tempfile.gettempdir())


def _time_to_the_file(scenario: Scenario) -> Finding:
    path = scenario.folder / "events.jsonl"
    wanted = 300
    process = scenario.start(
        "pacing", wanted, CHAUKAS_OUTPUT_MODE="file", CHAUKAS_OUTPUT_FILE=str(path)
    )
    waits_ms: list[float] = []
    data = b""
    while not path.exists() and process.poll() is None:
        time.sleep(0.001)
    with path.open("rb") as file:
        is_over = False
        while len(waits_ms) < wanted and not is_over:
            # Before it is read: nothing comes after that.
            is_over = process.poll() is not None
            data += file.read()
            seen_s = time.monotonic()
            *lines, data = data.split(b"\n")
            for line in lines:
                metadata = (event_in(line) or {}).get("metadata", {})
                if metadata.get("name") == NAME:
                    captured_s = float(metadata["data"]["at_s"])
                    waits_ms.append((seen_s - captured_s) * 1000)
            time.sleep(0.0005)
    scenario.lines(process)
    if len(waits_ms) < wanted:
        text = f"{wanted - len(waits_ms)} of {wanted} events did not reach the file"
        return fail(_TOPIC, text, _REPORT)
    median_ms, worst_ms = statistics.median(waits_ms), max(waits_ms)
    text = (
        f"events are in the file after: median {ms(median_ms)},"
        f" at most {ms(worst_ms)} of {wanted}"
    )
    facts = {"median_ms": median_ms, "worst_ms": worst_ms, "events": wanted}
    if worst_ms > _BOUND_MS:
        return warn(_TOPIC, text, _SLOW, **facts)
    return ok(_TOPIC, text, **facts)


def _kill_9(scenario: Scenario) -> Finding:
    total = older = missing = reported = 0
    unsure = 0
    for number in range(_KILLS):
        with Scenario(scenario.folder) as one:
            stamps, killed_s = _killed(one, number)
            lost_here = one.deliver().crash_lost
            here = one.numbers()
        gone = [n for n in range(len(stamps)) if n not in here]
        total += len(stamps)
        missing += len(gone)
        older += sum(killed_s - stamps[n] > _BOUND_MS / 1000 for n in gone)
        reported += lost_here
        # Killed after the capture and before its stamp: taken, but not known here.
        unsure += lost_here - len(gone)
    text = (
        f"events captured more than 50 ms before a kill -9: {older} of {total:,} lost"
        f" in {_KILLS} kills; of the last 50 ms {missing - older} lost,"
        f" {reported} reported"
    )
    if unsure > 0:
        text += f" ({unsure} captured in the very moment of a kill)"
    facts = {
        "events": total,
        "lost_older": older,
        "lost": missing,
        "reported": reported,
    }
    if not 0 <= unsure <= _KILLS:
        return fail(_TOPIC, text, _REPORT, **facts)
    if older:
        return warn(_TOPIC, text, _SLOW, **facts)
    return ok(_TOPIC, text, **facts)


def _killed(scenario: Scenario, number: int) -> tuple[list[float], float]:
    """Kill a recording program at some moment; return its stamps and that moment."""
    stamps = scenario.folder / "stamps"
    stamps.write_bytes(bytes(STAMPS * 8))
    process = scenario.start("stamping", stamps, number)
    scenario.first_line(process)
    # S311: any moment will do.
    time.sleep(0.1 + random.random() * 0.3)  # noqa: S311
    killed_s = time.monotonic()
    process.kill()
    process.wait()
    values = [value for (value,) in struct.iter_unpack("d", stamps.read_bytes())]
    return values[: values.index(0.0)], killed_s


def _torn_line(scenario: Scenario) -> Finding:
    wanted = 50
    scenario.collector.stop()
    stats = scenario.stats(scenario.start("leaving", wanted))
    (path,) = scenario.spool_dir.glob("*/*.seg")
    data = path.read_bytes()
    begin = data.rindex(b"\n", 0, -1) + 1
    os.truncate(path, (begin + len(data)) // 2)
    scenario.collector.start()
    lost = scenario.deliver().crash_lost
    here = scenario.numbers()
    text = (
        f"a line cut in half: {len(here)} of the {wanted - 1} others delivered,"
        f" {lost} of 1 reported lost"
    )
    is_right = here == set(range(wanted - 1)) and lost == 1 and stats["queued"] == 0
    return ok(_TOPIC, text) if is_right else fail(_TOPIC, text, _REPORT)


def _full_disk(scenario: Scenario) -> Finding:
    wanted = 200
    scenario.collector.stop()
    process = scenario.start("filling", wanted)
    waited = int(scenario.first_line(process))
    stats = scenario.stats(process)
    scenario.collector.start()
    scenario.deliver()
    lost = wanted - len(scenario.numbers())
    text = (
        f"a full disk: {count(waited, 'event')} waited in memory,"
        f" {lost} of {wanted} lost once there was room again"
    )
    if lost or stats["dropped"]:
        return fail(_TOPIC, text, _REPORT, dropped=stats["dropped"])
    return ok(_TOPIC, text) if waited else warn(_TOPIC, text, _SLOW)


def _full_spool(scenario: Scenario) -> Finding:
    wanted = 1000
    scenario.collector.stop()
    process = scenario.start("leaving", wanted, CHAUKAS_SPOOL_LIMIT="1MiB")
    stats = scenario.stats(process)
    scenario.collector.start()
    scenario.deliver()
    here, of_all = len(scenario.numbers()), len(scenario.all_arrived())
    return _spool_limit_finding(stats, wanted, here, of_all)


def _spool_limit_finding(
    stats: Mapping[str, Any], wanted: int, here: int, of_all: int
) -> Finding:
    """
    Say what became of events at the limit.

    Args:
        stats: The counts that the program printed; its own events and those of
            chaukas alike, but for `counted`.
        wanted: Events that it recorded.
        here: How many of these arrived.
        of_all: How many arrived of all in its stream.
    """
    dropped = sum(stats["dropped"].values())
    known = stats["acked"] + stats["spooled"] + stats["queued"] + dropped
    # A report of the loss may itself have found no room.
    others_lost = (stats["emitted"] - stats["counted"]) - (of_all - here)
    own_dropped = dropped - others_lost
    unexplained = wanted - here - own_dropped
    text = (
        f"a spool at its limit: {here} of {wanted:,} events delivered,"
        f" {own_dropped} dropped and counted, {unexplained} unexplained"
    )
    is_lawful = stats["emitted"] == known and stats["counted"] == wanted
    if not is_lawful or unexplained or others_lost < 0:
        return fail(_TOPIC, text, _REPORT, stats=stats)
    return ok(_TOPIC, text, stats=stats)


def _collector_back(scenario: Scenario) -> Finding:
    wanted = 200
    scenario.collector.stop()
    process = scenario.start("waiting", wanted)
    scenario.first_line(process)
    begun_s = time.monotonic()
    scenario.collector.start()
    stats = scenario.stats(process)
    taken_ms = (time.monotonic() - begun_s) * 1000
    if stats["spooled"]:
        raise LateError("events still waited on the disk")
    lost = wanted - len(scenario.numbers())
    text = (
        f"a collector that was away and came back: {lost} of {wanted} events lost,"
        f" all there and the program ended after {ms(taken_ms)}"
    )
    if lost or stats["dropped"]:
        return fail(_TOPIC, text, _REPORT)
    return ok(_TOPIC, text, back_ms=taken_ms)


def _black_hole(scenario: Scenario) -> Finding:
    wanted = 500
    scenario.collector.always = Reply(fault=Fault.SILENCE)
    process = scenario.start("ending", wanted)
    begun_s = float(scenario.first_line(process))
    taken_s = scenario.until_gone(process) - begun_s
    scenario.collector.always = None
    scenario.collector.restart()
    scenario.deliver()
    lost = wanted - len(scenario.numbers())
    text = (
        f"exit against a black hole: {taken_s:.2f} s;"
        f" {lost} of {wanted} events lost, the next process delivered them"
    )
    facts = {"exit_s": taken_s, "lost": lost}
    if lost:
        return fail(_TOPIC, text, _REPORT, **facts)
    if taken_s > _EXIT_S:
        return warn(_TOPIC, text, _SLOW, **facts)
    return ok(_TOPIC, text, **facts)


def _fork(scenario: Scenario) -> Finding:
    each = 25
    wanted = each * (CHILDREN + 1)
    scenario.lines(scenario.start("forking", each))
    scenario.deliver()
    lost = wanted - len(scenario.numbers())
    streams = scenario.streams()
    twice = len(scenario.arrived()) - len(scenario.numbers())
    text = (
        f"a fork into {CHILDREN}: {lost} of {wanted} events lost, {twice} twice,"
        f" {len(streams)} streams"
    )
    is_right = not lost and not twice and len(streams) == CHILDREN + 1
    return ok(_TOPIC, text) if is_right else fail(_TOPIC, text, _REPORT)


CHECKS: Final[tuple[Callable[[Scenario], Finding], ...]] = (
    _time_to_the_file,
    _kill_9,
    _torn_line,
    _full_disk,
    _full_spool,
    _collector_back,
    _black_hole,
    _fork,
)
"""The checks, in the order in which they are shown."""
