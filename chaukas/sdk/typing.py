"""
Types that more than one part speaks.

Kept apart so that type checkers and readers find them in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Union

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import PurePath
    from typing import Literal, TypeAlias

    Names: TypeAlias = str | list[str] | tuple[str, ...] | set[str] | frozenset[str]
    Content: TypeAlias = dict[Any, Any] | Callable[[Any], dict[Any, Any] | None]
    """Members of an event, or what returns them on the writer's thread, where it is
    called with the `Capture` of the event."""
    Patterns: TypeAlias = re.Pattern[str] | Sequence[str | re.Pattern[str]]

__all__ = ["Event", "Json", "RetryConfig", "Settings"]

# The operator does not take quoted names at run time, and the type is recursive.
Json = Union[  # noqa: UP007
    None, bool, int, float, str, list["Json"], dict[str, "Json"]
]
"""A JSON tree of exact built-in types, as the snapshot makes it."""

Event = dict[str, Any]
"""One event in its JSON form (docs/EVENTS.md), before it is encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """
    What RetryDetector takes for a retry of the application.

    `max_llm_retries` counts attempts after the first.
    """

    max_llm_retries: int = 3


class Settings(TypedDict, total=False):
    """
    The arguments of `enable_chaukas`, one for each name of a setting.

    docs/CONFIGURATION.md says what each means. Sizes are bytes or text such as
    `"512MB"`, durations seconds or text such as `"30s"`; None means not given.
    """

    # As `SETTINGS` and `SWITCHES` have them; a test compares.
    tenant_id: str | None
    project_id: str | None
    enabled: bool | None
    output_mode: Names | None
    sinks: Names | None
    endpoint: str | None
    api_key: str | Callable[[], str] | None
    api_key_file: str | PurePath | None
    ca_file: str | PurePath | None
    client_cert: str | PurePath | None
    client_key: str | PurePath | None
    collector_compat: Literal["auto", "published"] | None
    otlp_endpoint: str | None
    otlp_headers: str | Mapping[str, str] | None
    otlp_signals: Names | None
    otel_provider: object | None
    semconv: Literal["1.36", "1.41", "head"] | None
    flavour: Literal["both", "genai", "openinference"] | None
    output_file: str | PurePath | None
    file_path: str | PurePath | None
    batch_size: int | None
    flush_interval: float | str | None
    flush_interval_s: float | str | None
    timeout: float | str | None
    timeout_s: float | str | None
    max_batch_bytes: float | str | None
    branch: str | None
    tags: Names | None
    capture_content: bool | None
    capture_full_input: bool | None
    capture_binary: bool | None
    capture_stack_traces: bool | None
    redact_keys: Names | None
    redact_patterns: Patterns | None
    redact: Callable[[str, Any], object] | None
    sample_rate: float | None
    spool_dir: str | PurePath | None
    spool_limit: float | str | None
    spool_limit_bytes: float | str | None
    memory_limit: float | str | None
    memory_limit_bytes: float | str | None
    log_level: str | int | None
    integrity: bool | None
    session_id: str | None
    session_idle_timeout: float | str | None
    session_idle_timeout_s: float | str | None
    max_open_sessions: int | None
    stream_events: Literal["counts", "deltas"] | None
    data_access_tools: Names | None
    link_run_states: bool | None
    integrations: Names | None
    rotate_bytes: float | str | None
    rotate_interval: float | str | None
    rotate_interval_s: float | str | None
    rotate_keep: int | None
    rotate_gzip: bool | None
    emit_to_file: bool | None
    retry_config: RetryConfig | Mapping[str, Any] | None
    retry: RetryConfig | Mapping[str, Any] | None
