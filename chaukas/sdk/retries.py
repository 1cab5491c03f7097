"""
Know a retry when an application makes one.

A plain loop around a run leaves no trace but its pattern: a run failed with an error
worth retrying, then the same agent ran on the same input in the same session.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import CodeType, TracebackType

    from .config import RetryConfig

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
_WAY_LIMIT = 256
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
    max_attempts: int
    strategy: str
    backoff_ms: int
    """Time that really passed since the failure."""
    error_message: str
    error_code: str


class _Failure(NamedTuple):
    failures: int
    """Failures in a row that no known loop took on."""
    at_ns: int
    error_id: int
    is_same: Callable[[BaseException], bool]
    message: str
    code: str
    retryable: bool
    explained: bool = False


def _recogniser_of(error: BaseException) -> Callable[[BaseException], bool]:
    """
    Return a test for this very error, without keeping it or its frames alive.

    Errors of the standard library cannot be held weakly, and their address is soon
    used again. But an error that did not come out of a run has not come the way
    that this one came, which only grows at its outer end.
    """
    try:
        held = weakref.ref(error)
    except TypeError:
        place, cls, way = id(error), type(error), _way_of(error)
        return lambda other: (
            id(other) == place
            and type(other) is cls
            and _way_of(other)[: len(way)] == way
        )
    return lambda other: held() is other


def _way_of(error: BaseException) -> list[CodeType]:
    """Return the functions that *error* passed, innermost first; at most 256."""
    way: deque[CodeType] = deque(maxlen=_WAY_LIMIT)
    link = _traceback_of(error)
    while link is not None:
        way.appendleft(link.tb_frame.f_code)
        link = link.tb_next
    return list(way)


# The slots themselves: an error's class may put anything in front of them.
_CLASS_NAME: Any = vars(type)["__name__"]
_FIELDS: Any = vars(BaseException)["__dict__"]
_traceback_of: Callable[[BaseException], TracebackType | None] = vars(BaseException)[
    "__traceback__"
].__get__


def fields_of(error: BaseException) -> dict[str, Any]:
    """Return the attributes that *error* holds, running no code of its class."""
    fields: dict[str, Any] = _FIELDS.__get__(error)
    return fields


def class_name_of(value: object) -> str:
    """Return the name of the class of *value*, whatever its metaclass says."""
    name: str = _CLASS_NAME.__get__(type(value))
    return name


def status_of(error: BaseException) -> int:
    """Return the HTTP status that *error* carries, or 0."""
    fields = fields_of(error)
    for name in ("status_code", "status"):
        status = fields.get(name)
        if type(status) is int and status:
            return status
    return 0


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
        config: Limits and strategies (`retry_config`).
    """

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._failures: OrderedDict[Hashable, _Failure] = OrderedDict()
        self._keys: dict[int, Hashable] = {}
        """Key of the run that failed, by the address of its error."""

    def failed(
        self,
        key: Hashable,
        error: BaseException,
        *,
        message: str,
        code: str,
        now_ns: int,
    ) -> None:
        """
        Remember that the run *key* failed.

        An error that is not worth a retry is remembered for `explain` alone.
        """
        known = self._forget(key)
        retryable = is_retryable(error, message).retryable
        failures = known.failures + 1 if known and retryable else 1
        self._failures[key] = _Failure(
            failures, now_ns, id(error), _recogniser_of(error), message, code, retryable
        )
        self._keys[id(error)] = key
        if len(self._failures) > _REMEMBERED:
            self._forget(next(iter(self._failures), None))

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
            max_attempts=self._config.max_llm_retries,
            strategy=self._config.llm_backoff_strategy,
            backoff_ms=waited_ns // 1_000_000,
            error_message=failure.message,
            error_code=failure.code,
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
        failure = self._failures.get(key)
        if failure is None or not failure.is_same(error):
            return None
        self._failures[key] = failure._replace(
            explained=True, failures=failure.failures - 1
        )
        return key

    def _forget(self, key: Hashable) -> _Failure | None:
        failure = self._failures.pop(key, None)
        if failure is not None:
            self._keys.pop(failure.error_id, None)
        return failure
