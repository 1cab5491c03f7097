"""
What users call: one function puts every agent run on record.

    import chaukas

    chaukas.enable_chaukas()

Light on purpose: nothing here loads a framework, protobuf, grpc or an event loop.
"""

from __future__ import annotations

import errno
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from chaukas.sdk.system.internal_errors import guarded, is_systems, log, place_of

from . import _runtime
from ._session import current_traceparent as _current_traceparent
from ._session import id_of, point, said, session
from ._version import VERSION
from .errors import ChaukasError, ConfigError, Problem
from .events import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Unpack

    from .config import Config
    from .pipeline import Stats
    from .typing import Settings

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
    "retrieval_tool",
    "score",
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
    **settings: Unpack[Settings],
) -> bool:
    """
    Record every agent run of this process from now on.

    Call it once at start-up; before or after importing the frameworks, both work.
    Without any setting, events go to `chaukas_events.jsonl` in the working
    folder. Each setting is looked up on its own: argument, then *config*, then
    environment, then default. One line at level INFO of the logger `chaukas.sdk`
    says where events go.

    Args:
        config: Settings as a mapping, `retry_config` among them.
        strict: Raise on settings that cannot be used, instead of logging a line.
        **settings: Any setting of docs/CONFIGURATION.md, such as `tenant_id`,
            `output_file`, `capture_content`, `redact_keys`, `sample_rate`;
            `chaukas.sdk.typing.Settings` has them all.

    Returns:
        Whether this call enabled chaukas. False if it was enabled already, which
        changes no setting and mends what the program undid since, or is switched
        off by `CHAUKAS_ENABLED=false`.

    Raises:
        TypeError: An argument that is no setting.
        ConfigError: With *strict*, settings that cannot be used.

    .. versionadded:: 0.2.0
    """
    slip = _slip_in(settings)
    if slip:
        raise TypeError(slip)
    return _enable(config, settings, strict=strict)


@guarded(default=False, where="enable_chaukas", passing=(ConfigError,))
def _enable(
    config: Mapping[str, Any] | None, settings: Mapping[str, object], *, strict: bool
) -> bool:
    try:
        return _enabled(config, settings, strict=strict)
    except ConfigError:
        raise
    except Exception as error:
        refusal = _cannot_start((*settings, *_names_in(config)), error)
        if strict:
            raise ConfigError(refusal) from error
        log(logging.WARNING, str(refusal))
        if is_systems(error):
            return False
        raise


def _enabled(
    config: Mapping[str, Any] | None, settings: Mapping[str, object], *, strict: bool
) -> bool:
    from .config import load

    loaded = load(settings, config, os.environ)
    if strict and loaded.problems:
        raise ConfigError(*loaded.problems)
    chosen = _in_one_place(loaded.config)
    if _is_enabled_already(chosen):
        _runtime.mend()
        return False
    if chosen.log_level:
        _LOGGER.setLevel(chosen.log_level)
    for problem in loaded.problems:
        log(logging.WARNING, str(problem))
    if not chosen.enabled:
        return False
    if _started(chosen):
        return True
    # Another thread was faster.
    _is_enabled_already(chosen)
    return False


def _started(config: Config) -> bool:
    from chaukas.sdk.delivery.factory import output_of, places_of

    runtime = _runtime.Runtime(config, lambda: output_of(config))
    if not _runtime.start(runtime):
        return False
    alone = "" if config.integrations != () else " No integration is on."
    log(logging.INFO, f"chaukas: recording to {places_of(config)}.{alone}")
    return True


def _cannot_start(names: Sequence[str], error: Exception) -> Problem:
    given = ", ".join(names[:_NAMES_SHOWN]) or "none"
    if is_systems(error):
        # No setting is wrong: there are no files to be had, or no working folder.
        number = int(error.errno or 0)
        what = f"{errno.errorcode.get(number, number)}, {os.strerror(number)}"
        advice = "Look at the working folder and the limits of this process."
        event = f"cannot start, as the system refuses ({what})"
    else:
        kind, place = place_of(error)
        advice = "Correct them; if they are right, please report it."
        event = f"cannot start with the settings given ({given}; {kind} at {place})"
    return Problem(given, event, "nothing is recorded", advice, advice)


def _names_in(config: object) -> list[str]:
    """Return the names given in *config* and in the environment."""
    keys = list(config) if type(config) is dict else []
    names = [key for key in keys if type(key) is str and key.isidentifier()]
    return names + [name for name in os.environ if name.startswith("CHAUKAS_")]


_NAMES_SHOWN = 8


@guarded(default="", where="enable_chaukas")
def _slip_in(settings: Mapping[str, object]) -> str:
    """Return what is wrong with the names of arguments, empty if nothing is."""
    from .config import SETTINGS, SWITCHES, closest, shown

    rows = (*SETTINGS, *SWITCHES)
    names = [name for row in rows for name in row.spellings]
    known = (*names, "retry_config", "retry", "config", "strict")
    unknown = sorted(set(settings).difference(known))
    if not unknown:
        return ""
    meant = closest(unknown[0], known)
    return (
        f"enable_chaukas() got an unexpected keyword argument {shown(unknown[0])}."
        + (f" Did you mean {meant!r}?" if meant else "")
        + " The settings are listed in docs/CONFIGURATION.md, and by"
        " help(chaukas.sdk.typing.Settings)."
    )


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
        log(
            logging.WARNING,
            "chaukas: already enabled with another configuration: this call changes"
            " nothing. To change it, call disable_chaukas() first.",
        )
    return True


def _seconds(name: str, timeout_s: object, default_s: float) -> float:
    """Return a time to wait that can be waited; what is none is the default."""
    if issubclass(type(timeout_s), (int, float)) and type(timeout_s) is not bool:
        number: Any = timeout_s
        if number <= 0:
            return 0.0
        if number > 0:
            return float(min(number, _LONGEST_WAIT_S))
    from .config import shown

    log(
        logging.WARNING,
        f"chaukas: {name}(timeout_s={shown(timeout_s)}): expected a number of seconds."
        f" Waiting {default_s:g} s at most.",
    )
    return default_s


_LONGEST_WAIT_S = 366 * 86_400.0


@guarded(default=False, where="disable_chaukas")
def disable_chaukas(timeout_s: float = 1.0) -> bool:
    """
    Stop recording: every original is put back, open sessions end, events are written.

    One line at level INFO of the logger `chaukas.sdk` says what became of them.

    Args:
        timeout_s: Longest wait for the last events, in seconds.

    Returns:
        Whether all events were written, or taken by the collector. What was not
        waits in the spool for the next process. True if chaukas was not enabled.
    """
    return _runtime.stop("disabled", _seconds("disable_chaukas", timeout_s, 1.0))


@guarded(default=False, where="is_enabled")
def is_enabled() -> bool:
    """Tell whether chaukas records in this process."""
    return _runtime.active() is not None


current_traceparent = guarded(default=None, where="current_traceparent")(
    _current_traceparent
)


@guarded(default=False, where="end_session")
def end_session(
    session_id: str | None = None,
    *,
    tenant_id: str | None = None,
    project_id: str | None = None,
) -> bool:
    """
    End a session: its SESSION_END is recorded, and its next run opens a new one.

    A run of it that goes on, this one perhaps, comes to its end first. Ids are read
    as `session` reads them: a `UUID` or a number may stand for its text.

    Args:
        session_id: The session to end; without it the one in force here.
        tenant_id: Its tenant; without it the one in force here.
        project_id: Its project; without it the one in force here.

    Returns:
        Whether such a session was open.
    """
    runtime = _runtime.active()
    if runtime is None:
        return False
    ids: list[str | None] = []
    for given in (session_id, tenant_id, project_id):
        ids.append(id_of(given) or None)
        if ids[-1] is None and given is not None and type(given) is not str:
            # Not the one in force, which is another than was meant.
            return False
    return runtime.sessions.end(ids[0], tenant_id=ids[1], project_id=ids[2])


@guarded(default=False, where="flush")
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
    if runtime is None:
        return True
    return runtime.pipeline.flush(_seconds("flush", timeout_s, 5.0))


def stats() -> Stats:
    """
    Return what became of all events so far.

    `emitted = acked + spooled + queued + sum(dropped.values())` at any quiet moment.
    All zero when chaukas is not enabled.
    """
    counted = _stats()
    if counted is not None:
        return counted
    from .pipeline import Stats

    return Stats()


@guarded(default=None, where="stats")
def _stats() -> Stats | None:
    runtime = _runtime.active()
    return None if runtime is None else runtime.stats()


def _count_lost() -> None:
    """Count an event of the application that chaukas could not make."""
    runtime = _runtime.active()
    if runtime is not None:
        runtime.pipeline.drop("capture_error")


@guarded(default=None, where="event", count=_count_lost)
def event(name: str, data: Mapping[str, Any] | None = None) -> None:
    """
    Record an event of your own, as SYSTEM with `metadata.name`.

    It stands under the agent, tool or session in force. Bounded and redacted as
    everything else.

    Args:
        name: What happened, such as `"cart.checked_out"`.
        data: Facts about it.
    """
    point(EventType.SYSTEM, "metadata", facts={"name": name}, content={"data": data})


_OUTCOMES = ("allow", "deny", "review", "override")
_LINES_LIMIT = 16
_told: set[str] = set()
"""Lines about wrong arguments that were logged already."""


@guarded(default=None, where="policy_decision", count=_count_lost)
def policy_decision(
    policy_id: str,
    outcome: str,
    *,
    rule_ids: Sequence[str] = (),
    rationale: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """
    Record a decision of a policy of your own as POLICY_DECISION.

    Args:
        policy_id: Which policy decided.
        outcome: `"allow"`, `"deny"`, `"review"` (a person decides) or `"override"`
            (something else was done instead). Another word is recorded as
            `policy.metadata.outcome`, without being an outcome, and logged once.
        rule_ids: Rules that led to it.
        rationale: Why, for people.
        metadata: Further facts, such as severity, or who has to approve.
    """
    facts: dict[str, object] = {"policy_id": policy_id, "rule_ids": rule_ids}
    content: dict[str, object] = {"rationale": said(rationale)}
    word = _outcome_of(outcome)
    if word:
        facts["outcome"] = word
        content["metadata"] = metadata
    elif metadata is None:
        content["metadata"] = {"outcome": outcome}
    else:
        content["metadata"] = {"outcome": outcome, "further": metadata}
    point(EventType.POLICY_DECISION, "policy", facts=facts, content=content)


@guarded(default=None, where="score", count=_count_lost)
def score(
    name: str,
    value: float | str,
    *,
    comment: str = "",
    run_id: str | None = None,
    span_id: str | None = None,
    trace_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """
    Record how good a run, or one call of it, was: an evaluation, or a user's thumb.

    It is a SYSTEM event named `chaukas.score`. Inside of a run it judges what is in
    force; afterwards it names what it judges by the ids that the events have.

    Args:
        name: What was judged, such as `"helpfulness"`.
        value: The score: a number, a bool, or a short text such as `"good"`.
        comment: Why, for people.
        run_id: The run, as `metadata.run_id` of its events.
        span_id: The call, as `span_id` of its events.
        trace_id: The trace; the score stands in it, and is sampled with it.
        metadata: Further facts, such as who or which model judged.
    """
    ids = {"run_id": run_id, "span_id": span_id, "trace_id": trace_id}
    told = {} if said(comment) is None else {"comment": comment}
    judged = {key: given for key, given in ids.items() if given is not None}
    point(
        EventType.SYSTEM,
        "metadata",
        facts={
            "name": "chaukas.score",
            "score": {"name": name, "value": value, **judged},
        },
        content={"score": told, "data": metadata},
        trace_id=trace_id,
    )


def _outcome_of(outcome: object) -> str:
    """Return the outcome, empty and with a line if it is none."""
    if type(outcome) is str and outcome in _OUTCOMES:
        return outcome
    from .config import plain_text, shown

    word = (plain_text(outcome) or "").strip().lower()
    if word in _OUTCOMES:
        return word
    if is_enabled():
        _tell_once(
            f"chaukas: policy_decision() got the outcome {shown(outcome)}: it is"
            f" recorded, but not as an outcome. Use one of {', '.join(_OUTCOMES)}."
        )
    return ""


def _tell_once(line: str) -> None:
    if line not in _told and len(_told) < _LINES_LIMIT:
        _told.add(line)
        log(logging.WARNING, line)


@guarded(default=None, where="state_update", count=_count_lost)
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
    Record an access to data.

        chaukas.data_access("orders-db", document_ids=["o-1"])

    As a decorator it is `retrieval_tool`.

    Args:
        what: Name of the data source; a text, or an enum of texts.
        document_ids: Documents that were read.
        chunk_ids: Parts of documents that were read.
        metadata: Further facts.

    Returns:
        Nothing, or as a decorator what was decorated, unchanged.
    """
    if not issubclass(type(what), str):
        return retrieval_tool(what)
    facts = {"document_ids": document_ids, "chunk_ids": chunk_ids}
    _record_access(what, facts, metadata)
    return None


@guarded(default=None, where="data_access", count=_count_lost)
def _record_access(
    source: str, facts: Mapping[str, object], metadata: Mapping[str, Any] | None
) -> None:
    point(
        EventType.DATA_ACCESS,
        "data_access",
        # The text of an enum, not its name.
        facts={"datasource": str.__str__(source), **facts},
        content={"metadata": metadata},
    )


def retrieval_tool(tool: _F) -> _F:
    """
    Declare a tool as one that retrieves: each run of it is a DATA_ACCESS too.

        @function_tool
        @chaukas.retrieval_tool
        def search_kb(query: str) -> str: ...

    What is neither a function nor a tool is logged, and nothing is declared.

    Args:
        tool: The tool's function, or the tool.

    Returns:
        What was decorated, unchanged.

    .. versionadded:: 0.2.0
    """
    _declare(tool)
    return tool


@guarded(default=None, where="retrieval_tool")
def _declare(tool: object) -> None:
    name = getattr(tool, "name", None) or getattr(tool, "__name__", None)
    if type(name) is not str:
        from .config import shown

        _tell_once(
            f"chaukas: data_access() or retrieval_tool() got {shown(tool)}: it is"
            " neither the name of a data source nor a tool's function, and nothing is"
            " recorded. Pass one of them."
        )
        return
    _runtime.data_access_names.add(name)
    runtime = _runtime.active()
    if runtime is not None:
        runtime.data_access_tools |= {name}
