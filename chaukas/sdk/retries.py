"""
Know a retry when an application makes one.

A plain loop around a run leaves no trace but its pattern: a run failed with an error
worth retrying, then the same agent ran on the same input in the same session.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .config import RetryConfig

__all__ = ["Attempt", "RetryDetector", "Verdict", "is_retryable", "fingerprint_of"]

_STATUSES = frozenset({408, 409, 429})
_SERVER_ERROR = 500
_WORDS = (
    "rate limit",
    "timeout",
    "timed out",
    "connection",
    "temporar",
    "503",
    "429",
    "network",
    "unavailable",
    "throttl",
    "busy",
    "overload",
    "transient",
)
_TYPES = (TimeoutError, ConnectionError)
_TYPE_NAMES = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "ConnectError",
        "ConnectTimeout",
        "InternalServerError",
        "ModelTimeoutError",
        "PoolTimeout",
        "RateLimitError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "TimeoutException",
        "ToolTimeoutError",
        "WriteTimeout",
    }
)
_NEVER = frozenset(
    {
        "AuthenticationError",
        "BadRequestError",
        "PermissionDeniedError",
        "NotFoundError",
        "UnprocessableEntityError",
        "InputGuardrailTripwireTriggered",
        "OutputGuardrailTripwireTriggered",
        "MaxTurnsExceeded",
    }
)
_FORGET_AFTER_NS = 15 * 60 * 1_000_000_000
_REMEMBERED = 1024
_SAMPLED_CHARS = 4096


class Verdict(NamedTuple):
    """Whether an error is worth a retry, and how that was known."""

    retryable: bool
    by: str
    status: int


class Attempt(NamedTuple):
    """A retry that was recognised."""

    attempt: int
    """1 for the first retry."""
    max_attempts: int
    strategy: str
    backoff_ms: int
    """Time that really passed since the failure."""
    error_message: str
    error_code: str


class _Failure(NamedTuple):
    count: int
    at_ns: int
    error_id: tuple[int, str]
    message: str
    code: str
    explained: bool


def status_of(error: BaseException) -> int:
    """Return the HTTP status that *error* carries, or 0."""
    try:
        status = error.__dict__.get("status_code") or error.__dict__.get("status")
    except AttributeError:
        return 0
    return status if type(status) is int else 0


def is_retryable(error: BaseException, message: str = "") -> Verdict:
    """
    Judge *error* by status, then by type, then by *message* as a last resort.

    Retryable are 408, 409, 429 and 5xx, timeouts, lost connections, and errors
    whose message says so.
    """
    status = status_of(error)
    if status:
        good = status in _STATUSES or status >= _SERVER_ERROR
        return Verdict(good, "status", status)
    names = {base.__name__ for base in type(error).__mro__}
    if names & _NEVER:
        return Verdict(False, "type", 0)
    if names & _TYPE_NAMES or isinstance(error, _TYPES):
        return Verdict(True, "type", 0)
    lowered = message.lower()
    return Verdict(any(word in lowered for word in _WORDS), "message", 0)


def fingerprint_of(value: object) -> str:
    """
    Return a short hash of a run's input, for comparing only.

    Texts are hashed whole up to 4,096 characters and by head and length beyond;
    a list by its length and its last item. Unknown objects count by identity,
    which never mistakes one for another.
    """
    return hashlib.blake2b(
        _sample_of(value).encode("utf-8", "surrogatepass"), digest_size=12
    ).hexdigest()


def _sample_of(value: object) -> str:
    if type(value) is str:
        return f"s{len(value)}:{value[:_SAMPLED_CHARS]}"
    if type(value) is list:
        return f"l{len(value)}:{_sample_of(value[-1]) if value else ''}"
    if type(value) is dict:
        parts = [f"{k}={_sample_of(v)}" for k, v in value.items() if type(k) is str]
        return "d" + ";".join(parts[:32])
    if value is None or type(value) in (int, float, bool):
        return repr(value)
    return f"o{id(value)}"


class RetryDetector:
    """
    Recognises plain retry loops of the application, and never invents one.

    The table is bounded and forgets after success, after the configured number
    of retries, and after 15 minutes.

    Args:
        config: Limits and strategies (`retry_config`).
    """

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._failures: OrderedDict[Hashable, _Failure] = OrderedDict()

    def failed(
        self,
        key: Hashable,
        error: BaseException,
        *,
        message: str,
        code: str,
        now_ns: int,
    ) -> None:
        """Remember that the run *key* failed, if its error is worth a retry."""
        known = self._failures.pop(key, None)
        if not is_retryable(error, message).retryable:
            return
        count = known.count + 1 if known else 1
        self._failures[key] = _Failure(
            count, now_ns, (id(error), type(error).__name__), message, code, False
        )
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def started(self, key: Hashable, *, now_ns: int) -> Attempt | None:
        """Return the retry that a run of *key* starting now is, if it is one."""
        failure = self._failures.get(key)
        if failure is None:
            return None
        waited_ns = now_ns - failure.at_ns
        if failure.count > self._config.max_llm_retries or waited_ns > _FORGET_AFTER_NS:
            self._failures.pop(key, None)
            return None
        if failure.explained:
            return None
        return Attempt(
            attempt=failure.count,
            max_attempts=self._config.max_llm_retries,
            strategy=self._config.llm_backoff_strategy,
            backoff_ms=waited_ns // 1_000_000,
            error_message=failure.message,
            error_code=failure.code,
        )

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of *key*."""
        if self._failures:
            self._failures.pop(key, None)

    def explain(self, error: BaseException) -> Any:
        """
        Take the failed run that ended with *error*: a known loop retries it.

        Returns:
            The key of that run, or None. Its next start is not reported again.
        """
        wanted = (id(error), type(error).__name__)
        for key, failure in reversed(list(self._failures.items())):
            if failure.error_id == wanted:
                self._failures[key] = failure._replace(explained=True)
                return key
        return None
