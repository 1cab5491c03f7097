"""
The front door of chaukas: one call puts every agent run on record.

    import chaukas

    chaukas.enable_chaukas()

Light on purpose: nothing here loads a framework, protobuf, grpc or an event loop.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import _runtime
from ._guard import report
from ._version import VERSION
from .errors import ChaukasError, ConfigError
from .events import EventType
from .scope import current_traceparent, point, session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .config import Config
    from .pipeline import Stats

__all__ = [
    "ChaukasError",
    "ConfigError",
    "EventType",
    "Stats",
    "__version__",
    "current_traceparent",
    "data_access",
    "disable_chaukas",
    "enable_chaukas",
    "end_session",
    "event",
    "flush",
    "is_enabled",
    "policy_decision",
    "session",
    "state_update",
    "stats",
]

__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Load `Stats` when it is asked for: nothing else here needs the pipeline."""
    if name == "Stats":
        from .pipeline import Stats

        return Stats
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


_LOGGER = logging.getLogger("chaukas.sdk")
_F = TypeVar("_F")


def enable_chaukas(
    *,
    config: Mapping[str, Any] | None = None,
    strict: bool = False,
    **settings: Any,
) -> bool:
    """
    Record every agent run of this process from now on.

    Call it once at start-up; before or after importing the frameworks, both work.
    Without any setting, events go to `chaukas_events.jsonl` in the working
    folder. Each setting is looked up on its own: argument, then *config*, then
    environment, then default.

    Args:
        config: Settings as a mapping, `retry_config` among them.
        strict: Raise on settings that cannot be used, instead of logging a line.
        **settings: Any setting of docs/CONFIGURATION.md, such as `tenant_id`,
            `output_file`, `capture_content`, `redact_keys`, `sample_rate`.

    Returns:
        Whether this call enabled chaukas. False if it was enabled already, which
        changes nothing, or is switched off by `CHAUKAS_ENABLED=false`.

    Raises:
        TypeError: An argument that is no setting.
        ConfigError: With *strict*, settings that cannot be used.

    .. versionadded:: 0.2.0
    """
    from ._outputs import output_of
    from .config import load

    _refuse_unknown(settings)
    loaded = load(settings, config, os.environ)
    if strict and loaded.problems:
        raise ConfigError(*loaded.problems)
    chosen = _in_one_place(loaded.config)
    if _is_enabled_already(chosen):
        return False
    if chosen.log_level:
        _LOGGER.setLevel(chosen.log_level)
    for problem in loaded.problems:
        _LOGGER.warning("%s", problem)
    if not chosen.enabled:
        return False
    try:
        runtime = _runtime.Runtime(chosen, lambda: output_of(chosen))
        if _runtime.start(runtime):
            return True
    except Exception as error:
        report("enable_chaukas", error)
        return is_enabled()
    _is_enabled_already(chosen)
    return False


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    from .config import SETTINGS, SWITCHES

    known = {name for row in (*SETTINGS, *SWITCHES) for name in row.spellings}
    unknown = sorted(set(settings) - known - {"retry_config", "retry"})
    if unknown:
        message = (
            "enable_chaukas() got an unexpected keyword argument "
            f"{unknown[0]!r}: see docs/CONFIGURATION.md"
        )
        raise TypeError(message)


_PATHS = (
    "output_file",
    "spool_dir",
    "api_key_file",
    "ca_file",
    "client_cert",
    "client_key",
)


def _in_one_place(config: Config) -> Config:
    """Return *config* with full paths: the program may change its folder."""
    named = {name: getattr(config, name) for name in _PATHS}
    try:
        whole = {name: path.absolute() for name, path in named.items() if path}
    except OSError:
        # The working folder is gone; the sink will tell if that matters.
        return config
    return replace(config, **whole)


def _is_enabled_already(config: Config) -> bool:
    runtime = _runtime.active()
    if runtime is None:
        return False
    if config.enabled and runtime.config != config:
        _LOGGER.warning(
            "chaukas: already enabled with another configuration: this call changes"
            " nothing. To change it, call disable_chaukas() first."
        )
    return True


def disable_chaukas(timeout_s: float = 1.0) -> bool:
    """
    Stop recording: every original is put back, open sessions end, events are written.

    Args:
        timeout_s: Longest wait for the last events, in seconds.

    Returns:
        Whether all events were written, or taken by the collector. What was not
        waits in the spool for the next process. True if chaukas was not enabled.
    """
    return _runtime.stop("disabled", timeout_s)


def is_enabled() -> bool:
    """Tell whether chaukas records in this process."""
    return _runtime.active() is not None


def end_session(
    session_id: str | None = None,
    *,
    tenant_id: str | None = None,
    project_id: str | None = None,
) -> bool:
    """
    End a session: its SESSION_END is recorded, and its next run opens a new one.

    A run of it that goes on, this one perhaps, comes to its end first.

    Args:
        session_id: The session to end; without it the one in force here.
        tenant_id: Its tenant; without it the one in force here.
        project_id: Its project; without it the one in force here.

    Returns:
        Whether such a session was open.
    """
    runtime = _runtime.active()
    return runtime is not None and runtime.sessions.end(
        session_id, tenant_id=tenant_id, project_id=project_id
    )


def flush(timeout_s: float = 5.0) -> bool:
    """
    Wait until all events emitted so far are stored, or taken by the collector.

    A collector that cannot be reached is tried once more and not waited for.

    Args:
        timeout_s: Longest wait, in seconds.

    Returns:
        Whether they are. True if chaukas is not enabled.
    """
    runtime = _runtime.active()
    return runtime is None or runtime.pipeline.flush(timeout_s)


def stats() -> Stats:
    """
    Return what became of all events so far.

    `emitted = acked + spooled + queued + sum(dropped.values())` at any quiet moment.
    All zero when chaukas is not enabled.
    """
    runtime = _runtime.active()
    if runtime is not None:
        return runtime.pipeline.stats()
    from .pipeline import Stats

    return Stats()


def event(name: str, data: Mapping[str, Any] | None = None) -> None:
    """
    Record an event of your own, as SYSTEM with `metadata.name`.

    It stands under the agent, tool or session in force. Bounded and redacted as
    everything else.

    Args:
        name: What happened, such as `"cart.checked_out"`.
        data: Facts about it.
    """
    point(
        EventType.SYSTEM, "metadata", facts={"name": name}, content={"data": data}
    )


def policy_decision(
    policy_id: str,
    outcome: str,
    *,
    rule_ids: Sequence[str] = (),
    rationale: str = "",
) -> None:
    """
    Record a decision of a policy of your own as POLICY_DECISION.

    Args:
        policy_id: Which policy decided.
        outcome: `"allow"`, `"deny"` or `"review"`.
        rule_ids: Rules that led to it.
        rationale: Why, for people.
    """
    point(
        EventType.POLICY_DECISION,
        "policy",
        facts={"policy_id": policy_id, "outcome": outcome, "rule_ids": rule_ids},
        content={"rationale": rationale},
    )


def state_update(changes: Mapping[str, Any]) -> None:
    """
    Record that state of your application changed, as STATE_UPDATE.

    Args:
        changes: New values by name, or `{"name": {"old": …, "new": …}}`.
    """
    point(EventType.STATE_UPDATE, "state_update", facts={}, content=changes)


@overload
def data_access(
    what: str,
    *,
    document_ids: Sequence[str] = (),
    chunk_ids: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> None: ...
@overload
def data_access(what: _F) -> _F: ...
def data_access(
    what: Any,
    *,
    document_ids: Sequence[str] = (),
    chunk_ids: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """
    Record an access to data, or declare a tool as one that retrieves.

        chaukas.data_access("orders-db", document_ids=["o-1"])

        @function_tool
        @chaukas.data_access
        def search_kb(query: str) -> str: ...

    Args:
        what: Name of the data source, or the tool's function (or the tool).
        document_ids: Documents that were read.
        chunk_ids: Parts of documents that were read.
        metadata: Further facts.

    Returns:
        Nothing, or as a decorator what was decorated, unchanged.
    """
    if type(what) is not str:
        return _declare_retrieval(what)
    point(
        EventType.DATA_ACCESS,
        "data_access",
        facts={
            "datasource": what,
            "document_ids": document_ids,
            "chunk_ids": chunk_ids,
        },
        content={"metadata": metadata},
    )
    return None


def _declare_retrieval(tool: _F) -> _F:
    name = getattr(tool, "name", None) or getattr(tool, "__name__", None)
    if type(name) is not str:
        message = (
            "chaukas.data_access needs a data source's name or a tool's function, "
            f"not {type(tool).__name__}"
        )
        raise TypeError(message)
    _runtime.data_access_names.add(name)
    runtime = _runtime.active()
    if runtime is not None:
        runtime.data_access_tools |= {name}
    return tool
