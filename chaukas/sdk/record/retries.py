"""
Know a retry when an application makes one.

A plain loop around a run leaves no trace but its pattern: a run failed with an error
worth retrying, then the same agent ran on the same input in the same session.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.system.bounded import BoundedMap
from chaukas.sdk.system.introspect import bare_name_of, mro_of

from .errors import class_name_of, error_text, fields_of, recogniser_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from chaukas.sdk.config import RetryConfig

__all__ = [
    "Attempt",
    "RetryDetector",
    "Verdict",
    "class_name_of",
    "fields_of",
    "fingerprint_of",
    "is_retryable",
    "status_of",
]

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
        # Those of asyncio and of concurrent.futures, before Python 3.11.
        "TimeoutError",
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
_SAMPLED_DEPTH = 8
_SAMPLED_PAIRS = 32
_SAMPLED_MODULUS = (1 << 61) - 1


class Verdict(NamedTuple):
    """Whether an error is worth a retry, and how that was known."""

    retryable: bool
    by: str
    status: int


class Attempt(NamedTuple):
    """A retry that was recognised."""

    attempt: int
    """1 for the first retry."""
    backoff_ms: int
    """Time that really passed since the failure."""
    error_message: str
    error_code: str
    run_id: str
    """The run that failed, and is repeated."""
    model: str
    """The model that it had asked last."""


class _Failure(NamedTuple):
    failures: int
    """Failures in a row that no known loop took on."""
    at_ns: int
    error_id: int
    is_same: Callable[[BaseException], bool]
    message: Any
    """Captured or deferred."""
    code: str
    run_id: str
    model: str
    retryable: bool
    explained: bool = False


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
    names = set(map(bare_name_of, mro_of(type(error))))
    if names & _NEVER:
        return Verdict(False, "type", 0)
    if names & _TYPE_NAMES or issubclass(type(error), _TYPES):
        return Verdict(True, "type", 0)
    lowered = message.lower()
    return Verdict(any(word in lowered for word in _WORDS), "message", 0)


def fingerprint_of(value: object) -> str:
    """
    Return a short hash of a run's input, for comparing only.

    Texts are hashed whole up to 4,096 characters and by head and length beyond;
    a list by its length and its last item. Unknown objects, and what lies deeper
    than 8 levels, count by identity.
    """
    return hashlib.blake2b(
        _sample_of(value).encode("utf-8", "surrogatepass"), digest_size=12
    ).hexdigest()


def _sample_of(value: object, depth: int = 0) -> str:
    if type(value) is str:
        return f"s{len(value)}:{value[:_SAMPLED_CHARS]}"
    if type(value) is list and depth < _SAMPLED_DEPTH:
        return f"l{len(value)}:{_sample_of(value[-1], depth + 1) if value else ''}"
    if type(value) is dict and depth < _SAMPLED_DEPTH:
        pairs = islice(value.copy().items(), _SAMPLED_PAIRS)
        return f"d{len(value)}:" + ";".join(
            f"{key}={_sample_of(item, depth + 1)}"
            for key, item in pairs
            if type(key) is str
        )
    if type(value) is int:
        return f"i{value.bit_length()}:{value % _SAMPLED_MODULUS}"
    # By identity each: a metaclass may answer `==` with anything.
    if value is None or type(value) is float or type(value) is bool:
        return repr(value)
    return f"o{id(value)}"


class RetryDetector:
    """
    Recognises plain retry loops of the application, and never invents one.

    The table is bounded and forgets after success, after the configured number
    of retries, and after 15 minutes.

    Args:
        config: Limits (`retry_config`); nothing of it is recorded as a fact.
    """

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._failures: BoundedMap[Hashable, _Failure] = BoundedMap(_REMEMBERED)
        self._keys: BoundedMap[int, Hashable] = BoundedMap(_REMEMBERED)
        """Key of the run that failed, by the address of its error."""

    def failed(
        self,
        key: Hashable,
        error: BaseException,
        *,
        message: Any,
        code: str,
        now_ns: int,
        run_id: str = "",
        model: str = "",
    ) -> None:
        """
        Remember that the run *key* failed.

        An error that is not worth a retry is remembered for `explain` alone.

        Args:
            key: What tells whether a later run repeats this one.
            error: How it failed; not kept.
            message: Its text, captured or deferred.
            code: Its code, as in the ERROR event.
            now_ns: Monotonic time.
            run_id: Id of the run, for the RETRY of the next.
            model: Model that it asked last.
        """
        known = self._forget(key)
        retryable = is_retryable(error, error_text(error)).retryable
        failures = known.failures + 1 if known and retryable else 1
        self._failures.put(
            key,
            _Failure(
                failures,
                now_ns,
                id(error),
                recogniser_of(error),
                message,
                code,
                run_id,
                model,
                retryable,
            ),
        )
        self._keys.put(id(error), key)

    def started(self, key: Hashable, *, now_ns: int) -> Attempt | None:
        """Return the retry that a run of *key* starting now is, if it is one."""
        failure = self._failures.get(key)
        if failure is None or failure.explained:
            return None
        waited_ns = now_ns - failure.at_ns
        too_many = failure.failures > self._config.max_llm_retries
        if too_many or waited_ns > _FORGET_AFTER_NS or not failure.retryable:
            self._forget(key)
            return None
        return Attempt(
            attempt=failure.failures,
            backoff_ms=waited_ns // 1_000_000,
            error_message=failure.message,
            error_code=failure.code,
            run_id=failure.run_id,
            model=failure.model,
        )

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of *key*."""
        if self._failures:
            self._forget(key)

    def explain(self, error: BaseException) -> Hashable | None:
        """
        Take the failed run that ended with *error*: a known loop retries it.

        Returns:
            The key of that run, or None. Its next start is not reported again, and
            the failure does not count as one that a plain loop retries.
        """
        key = self._keys.get(id(error))
        failure = None if key is None else self._failures.get(key)
        if key is None or failure is None or not failure.is_same(error):
            return None
        taken = failure._replace(explained=True, failures=failure.failures - 1)
        self._failures.put(key, taken)
        return key

    def _forget(self, key: Hashable) -> _Failure | None:
        failure = self._failures.pop(key)
        if failure is not None:
            self._keys.pop_if(failure.error_id, lambda known: known == key)
        return failure
