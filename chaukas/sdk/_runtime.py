"""
The one global: the running instance, and how it starts, forks and ends.

Everything else is given what it needs; only this module knows the process.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chaukas.sdk.record.context import Run, Session
from chaukas.sdk.record.user_redact import UsersRedact
from chaukas.sdk.system.clock import SystemClock
from chaukas.sdk.system.ids import RandomIds
from chaukas.sdk.system.internal_errors import log, report
from chaukas.sdk.system.threads import original

from ._version import VERSION
from .events import EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaukas.sdk.capture.snapshot import Rules
    from chaukas.sdk.delivery.plan import SpoolPlan
    from chaukas.sdk.integrations import Known
    from chaukas.sdk.integrations.base import BaseIntegrationWrapper
    from chaukas.sdk.record.note import Note
    from chaukas.sdk.record.recorder import Recorder
    from chaukas.sdk.record.sessions import SessionBook
    from chaukas.sdk.system.clock import Clock
    from chaukas.sdk.system.ids import Ids

    from .config import Config
    from .pipeline import Stats
    from .sinks import Sink

__all__ = [
    "Runtime",
    "active",
    "data_access_names",
    "mend",
    "start",
    "stop",
]

_process_id = os.getpid
_EXIT_S = 1.0
_TICK_S = 5.0


data_access_names: set[str] = set()
"""Tools declared with `@chaukas.data_access`, kept across enable and disable."""


class Runtime:
    """
    One enabled chaukas: pipeline, recorder, sessions and integrations.

    A forked child keeps this object and renews what is inside it, so that
    wrappers which hold it go on working.

    Args:
        config: Settings in force.
        make_sink: Makes the sink, or the plan of several, once for each process.
        clock: Source of time; tests pass a fake.
        ids: Source of ids; tests pass a fake.
    """

    def __init__(
        self,
        config: Config,
        make_sink: Callable[[], Sink | SpoolPlan],
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self.config = config
        self.data_access_tools: frozenset[str] = frozenset(config.data_access_tools)
        self.integrations: list[BaseIntegrationWrapper] = []
        self._make_sink = make_sink
        self._has_own_clock = clock is None
        self._clock = clock or SystemClock()
        self._given_ids = ids
        self._default_session_id = config.session_id or ""
        self._claimed: dict[str, object] = {}
        self._renewals: dict[int, object] = {}
        self._missed = 0
        self._build()

    def _build(self) -> None:
        """Make what belongs to one process; again in each forked child."""
        # Late, so that importing chaukas costs little.
        from chaukas.sdk.capture.limits import Limits
        from chaukas.sdk.delivery.factory import pipeline_of, uses_grpc
        from chaukas.sdk.record.recorder import Recorder
        from chaukas.sdk.record.sessions import SessionBook

        config = self.config
        ids = self._given_ids or RandomIds()
        if uses_grpc(config):
            self._load_grpc()
        self.pipeline = pipeline_of(
            self._make_sink(),
            stream=ids.event_id(self._clock.time_ns()),
            memory_limit_bytes=config.memory_limit_bytes,
            integrity=config.integrity,
            report=self._report_of,
            report_adopted=self._report_adopted,
            # A clock that was given is not read behind the back of who gave it.
            tick=self._tick if self._has_own_clock else None,
            tick_interval_s=_TICK_S,
        )
        redact = None if config.redact is None else UsersRedact(config.redact)
        self._redact = redact
        self.recorder = Recorder(
            self.pipeline,
            config=config,
            rules=_rules_of(config, redact=redact, content=config.capture_content),
            hidden_rules=_rules_of(config, redact=redact, content=False),
            shown_rules=_rules_of(config, redact=None),
            fact_rules=_rules_of(
                config, redact=redact, limits=Limits(string_chars=_FACT_CHARS)
            ),
            clock=self._clock,
            ids=ids,
            version=VERSION,
            renewed=self._renewed,
        )
        # Kept in a forked child: it is the same conversation with the same user.
        self._default_session_id = self._default_session_id or ids.event_id(
            self._clock.time_ns()
        )
        self._sessions = SessionBook(self.recorder, default_id=self._default_session_id)
        # What chaukas says of itself stands in no session.
        session = Session("", config.tenant_id, config.project_id)
        self._own_run = Run(session, ids.trace_id())
        # Last: a process in which this failed is not the one it is for.
        self.pid = _process_id()

    def _load_grpc(self) -> None:
        """Load it now and not when a fork may have to wait for that."""
        from chaukas.sdk.sinks.collector.grpc import load

        try:
            load()
        except Exception as error:
            # The sender says what cannot be sent for want of it.
            report("load grpc", error)

    def stats(self) -> Stats:
        """Return the counts of the pipeline, and what fails in the user's own code."""
        counts = self.pipeline.stats()
        if self._redact is None or not self._redact.failure:
            return counts
        return replace(counts, errors={**counts.errors, "redact": self._redact.failure})

    def _renewed(self) -> Recorder:
        """
        Return the recorder of this process for an event, which is lost if it fails.

        Raises:
            Exception: It cannot be made now.
        """
        if self.pid != _process_id():
            try:
                self.renew()
            except Exception:
                self._missed += 1
                raise
        return self.recorder

    def try_to_renew(self) -> None:
        """Renew if this is a new process; the next call tries again if that fails."""
        try:
            if self.pid != _process_id():
                self.renew()
        except Exception as error:
            report("fork", error)

    @property
    def sessions(self) -> SessionBook:
        """Sessions of this process; others after a fork."""
        if self.pid != _process_id():
            self.try_to_renew()
        return self._sessions

    def system(
        self, name: str, message: str, data: Mapping[str, Any] | None = None
    ) -> None:
        """Record a SYSTEM event of chaukas itself."""
        facts: dict[str, Any] = {"name": name, "message": message}
        if data:
            facts["data"] = dict(data)
        self.recorder.emit(EventType.SYSTEM, self._own_run, {}, metadata=facts)

    def _report_of(self, stats: Stats) -> Note | None:
        """Return the pipeline's own SYSTEM event; runs on the writer's thread."""
        facts = {
            "emitted": stats.emitted,
            "written": stats.written,
            "acked": stats.acked,
            "spooled": stats.spooled,
            "queued": stats.queued,
            "dropped": dict(stats.dropped),
        }
        return self.recorder.report_note(
            self._own_run,
            {
                "name": "chaukas.pipeline",
                "message": "chaukas lost events, or stores them again",
                "data": facts,
            },
        )

    def _report_adopted(self, stream: str, counts: dict[str, int]) -> Note:
        """Return the SYSTEM event about a dead process; on a thread of chaukas."""
        return self.recorder.report_note(
            self._own_run,
            {
                "name": "chaukas.adopted",
                "message": "chaukas delivers what an ended process left in its spool",
                "data": {"stream": stream, **counts},
            },
        )

    def _tick(self) -> None:
        self._sessions.end_idle()

    def attach(self, known: Known) -> bool:
        """
        Install one integration, once.

        Returns:
            Whether this call did. False also if the module that goes by the
            framework's name is another package: nothing of it is touched.
        """
        claim = object()
        # One step, so that of two threads one installs and none waits for it.
        if self._claimed.setdefault(known.name, claim) is not claim:
            return False
        # Another thread may be importing it; this waits for the end of that.
        import_module(known.module)
        module_name, _, class_name = known.path.partition(":")
        integration = getattr(import_module(module_name), class_name)(self)
        if not integration.is_target_present():
            # A handler of the application's may raise.
            log(
                logging.INFO,
                f"chaukas: the package {known.module!r} is not the one that"
                f" {known.name!r} records: it is left alone. Nothing needs to be done.",
            )
            return False
        integration.install()
        self.integrations.append(integration)
        return True

    def state(self) -> dict[str, Any]:
        """Return versions, hook points and settings, for the SYSTEM event at enable."""
        from .config import summary_of

        return {
            "versions": {"chaukas": VERSION, "python": sys.version.split()[0]},
            "integrations": {
                integration.name: dict(integration.state())
                for integration in self.integrations
            },
            "configuration": {
                name: _whole(value)
                for name, value in summary_of(self.config).items()
                if value not in (None, [])
            },
        }

    def renew(self) -> None:
        """
        Swap the pipeline in a forked child; the parent's events stay its own.

        Raises:
            Exception: The system has no files or memory to give, now.
        """
        global _lock
        me, claim = _process_id(), object()
        # What is called below may record, and other threads may come meanwhile.
        if self._renewals.setdefault(me, claim) is not claim:
            raise RuntimeError("chaukas is not ready in this process yet")
        try:
            # The thread that held it may not exist here.
            _lock = original("_thread", "RLock")()
            self.recorder.pairs.forget()
            self.pipeline.abandon()
            self._build()
        finally:
            del self._renewals[me]
        missed, self._missed = self._missed, 0
        for _ in range(missed):
            self.pipeline.drop("fork_lost")

    def close(self, reason: str, timeout_s: float) -> bool:
        """End everything open, and write what waits."""
        try:
            self._end_open(reason)
        except Exception as error:
            report("disable", error)
        return self.pipeline.close(timeout_s)

    def _end_open(self, reason: str) -> None:
        pairs = self.recorder.pairs
        # First: else the START that another thread has in hand would follow its END.
        pairs.refuse()
        pairs.close_runs()
        self.sessions.end_all(reason)
        pairs.shut()
        self.system("chaukas.disabled", f"chaukas stops recording: {reason}")


def _whole(value: object) -> object:
    """Return a setting as canonical JSON has it: whole numbers without a fraction."""
    return int(value) if type(value) is float and value.is_integer() else value


_FACT_CHARS = 256


def _rules_of(
    config: Config, *, redact: UsersRedact | None = None, **options: Any
) -> Rules:
    """Return the rules of *config*, with the *options* of `Rules` given here."""
    from chaukas.sdk.capture.snapshot import Rules

    return Rules(
        binary=config.capture_binary,
        keys=config.redact_keys,
        patterns=config.redact_patterns,
        redact=redact,
        **options,
    )


# Re-entrant: what is imported while an integration is installed may enable too.
_lock = original("_thread", "RLock")()
# What a module holds that is loaded again stays in force: it has its hooks everywhere.
_runtime: Runtime | None = globals().get("_runtime")
_hooked: set[str] = globals().get("_hooked", set())
_exit_registered: bool = globals().get("_exit_registered", False)


def active() -> Runtime | None:
    """Return what is running in this process, renewed if this is a new process."""
    runtime = _runtime
    if runtime is not None and runtime.pid != _process_id():
        # A fork that Python does not know of (called from C).
        runtime.try_to_renew()
    return runtime


def start(runtime: Runtime) -> bool:
    """
    Make *runtime* the one that is active and install its integrations.

    Returns:
        False if another one is active already; nothing changes then.
    """
    global _runtime
    # Late, so that importing the public functions costs little.
    from chaukas.sdk import integrations

    with _lock:
        if _runtime is not None:
            return False
        runtime.data_access_tools |= data_access_names
        _runtime = runtime
        for known in integrations.INTEGRATIONS:
            if known.is_wanted(runtime.config.integrations):
                _attach_or_wait(runtime, known)
        _register_process_hooks()
    try:
        runtime.system("chaukas.enabled", "chaukas records from here", runtime.state())
    except Exception as error:
        report("enable", error)
    return True


def stop(reason: str = "disabled", timeout_s: float = _EXIT_S) -> bool:
    """Undo every patch, write what is open or waits; return whether all was written."""
    global _runtime
    with _lock:
        runtime = _runtime
        if runtime is None:
            return True
        _runtime = None
        for integration in reversed(runtime.integrations):
            _detach(integration)
    try:
        is_written = runtime.close(reason, timeout_s)
        log(logging.INFO, _farewell(reason, runtime.pipeline.stats()))
    except Exception as error:
        report("disable", error)
        return False
    return is_written


def _farewell(reason: str, stats: Stats) -> str:
    waiting, lost = stats.spooled + stats.queued, sum(stats.dropped.values())
    return (
        f"chaukas: recording ended ({reason}): {stats.emitted} events,"
        f" {stats.acked} stored or delivered, {waiting} waiting, {lost} lost."
    )


def _attach_or_wait(runtime: Runtime, known: Known) -> None:
    # None there means that somebody keeps it from being imported.
    if sys.modules.get(known.module) is not None:
        _attach(runtime, known)
        return
    if known.name in _hooked:
        return
    _hooked.add(known.name)
    from wrapt import register_post_import_hook

    def imported(_module: object) -> None:
        try:
            _attach_late(known)
        # An error here would be the host's import that fails.
        except Exception as error:
            report(f"import of {known.module}", error)

    register_post_import_hook(imported, known.module)


def _attach_late(known: Known) -> None:
    now = active()
    if now is None or not known.is_wanted(now.config.integrations):
        return
    if not _attach(now, known):
        return
    for integration in tuple(now.integrations):
        if integration.name == known.name:
            _undo_if_stopped(now, integration)
    state = {one.name: dict(one.state()) for one in now.integrations}
    now.system(
        "chaukas.integration",
        f"chaukas records {known.name} from here",
        {"integrations": {known.name: state.get(known.name, {})}},
    )


def _attach(runtime: Runtime, known: Known) -> bool:
    try:
        return runtime.attach(known)
    except Exception as error:
        report(f"install {known.name}", error)
        return False


def mend() -> None:
    """Patch again what the program undid since, by loading a framework anew, say."""
    runtime = active()
    for integration in () if runtime is None else tuple(runtime.integrations):
        _renew(integration)
        _undo_if_stopped(runtime, integration)


def _undo_if_stopped(
    runtime: Runtime | None, integration: BaseIntegrationWrapper
) -> None:
    """
    Take off what was installed while another thread stopped *runtime*.

    Afterwards, since no lock may be held meanwhile: an installation imports.
    """
    if _runtime is not runtime:
        _detach(integration)


def _renew(integration: BaseIntegrationWrapper) -> None:
    try:
        integration.renew()
    except Exception as error:
        report(f"install {integration.name}", error)


def _detach(integration: BaseIntegrationWrapper) -> None:
    try:
        integration.uninstall()
    except Exception as error:
        report(f"uninstall {integration.name}", error)


def _register_process_hooks() -> None:
    global _exit_registered
    if _exit_registered:
        return
    _exit_registered = True
    atexit.register(_at_exit)
    os.register_at_fork(after_in_child=_in_child)
    from wrapt import register_post_import_hook

    register_post_import_hook(_watch_multiprocessing, "multiprocessing.util")


def _at_exit() -> None:
    runtime = _runtime
    if runtime is None or runtime.pid != _process_id():
        return
    with contextlib.suppress(Exception):
        stop("exit", _EXIT_S)


def _in_child() -> None:
    global _lock
    # The thread that held it may not exist here.
    _lock = original("_thread", "RLock")()
    runtime = _runtime
    if runtime is not None:
        runtime.try_to_renew()


class _Marker:
    """Something that `multiprocessing` can hold weakly."""


_marker = _Marker()


def _watch_multiprocessing(util: Any) -> None:
    """Have children of `multiprocessing` flush: they end without atexit."""

    def in_child(_marker: object) -> None:
        util.Finalize(None, _at_exit, exitpriority=0)

    util.register_after_fork(_marker, in_child)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        util.Finalize(None, _at_exit, exitpriority=0)
