"""
What every test starts with: a clean environment, and nothing recorded.

In one place, because a test that leaves a patch or a variable behind fails others
in an order of its own choosing.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

import hypothesis
import pytest

from chaukas.sdk.delivery.spool.crash_counters import remove_page
from chaukas.sdk.sinks.disk import Disk
from tests.support.browser import browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

__all__: tuple[str, ...] = ()

# The same examples at every run: a law that fails, fails for everyone. Longer
# searches are for people: `pytest --hypothesis-profile=search tests/laws`.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("same")

# What collecting ten thousand tests makes lives until the end: to look through it again
# and again takes as long as the rest of collecting.
gc.disable()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts pytest in the background has all programs ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # The same with `nohup`. What pytest starts begins without this handler.
    signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_collection_finish() -> None:
    """Keep what lives as long as the session out of every garbage collection."""
    # Ten thousand tests and the frameworks are a million objects; to look through
    # them takes the tests of what is left behind a third of a second each time.
    gc.collect()
    gc.freeze()
    gc.enable()
    # The end of the process collects it, as without us.
    atexit.register(gc.unfreeze)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests of a file together, so that what they share is made once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """Let the garbage collector see all objects, for tests that ask it for some."""
    gc.unfreeze()
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """
    Yield one browser for all tests: Playwright starts once in a process.

    The page that is opened in it is built, whichever test comes first.
    """
    from chaukas.viewer.build import build

    build(lambda _line: None)
    with browser() as started:
        yield started


@pytest.fixture(autouse=True)
def _clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Hide the settings of the machine, and undo what a test left enabled."""
    for name in list(os.environ):
        is_ours = name.startswith(("CHAUKAS_", "OPENAI_"))
        if is_ours or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # Internal errors are swallowed in production; here they fail the test.
    monkeypatch.setenv("CHAUKAS_RAISE_INTERNAL", "1")
    monkeypatch.chdir(tmp_path)
    _quiet_agents()
    yield
    runtime = sys.modules.get("chaukas.sdk._runtime")
    if runtime is not None and runtime.active() is not None:
        runtime.stop("disabled")
    _quiet_agents()
    # A spool that a test left behind has a part of it in shared memory.
    for page in tmp_path.rglob("page"):
        if page.is_file():
            remove_page(str(page), Disk())


def _quiet_agents() -> None:
    """Leave the SDK's tracing on, but let it upload nothing."""
    agents = sys.modules.get("agents")
    # Half imported while pytest collects, or not at all in most unit tests.
    if agents is None or not hasattr(agents, "set_trace_processors"):
        return
    agents.set_trace_processors([])
    agents.set_tracing_disabled(False)
    from agents.run import set_default_agent_runner

    set_default_agent_runner(None)
