"""
Read errors of the application: text, code, causes, and which one it is.

Nothing here runs code of an error's class, and nothing keeps an error alive: it holds
frames, and with them the application's objects.
"""

from __future__ import annotations

import builtins
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from chaukas.sdk.system.introspect import class_name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "ReportedErrors",
    "class_name_of",
    "error_chain",
    "error_code_of",
    "error_text",
    "fields_of",
    "recogniser_of",
    "status_of",
]

_CHAIN_LIMIT = 16
_REPORTED = 256
_HTTP_STATUSES = range(100, 600)

# The slots themselves: an error's class may put anything in front of them.
_FIELDS: Any = vars(BaseException)["__dict__"]
_cause_of = vars(BaseException)["__cause__"].__get__
_context_of = vars(BaseException)["__context__"].__get__
# Since Python 3.11.
_Group: Any = getattr(builtins, "BaseExceptionGroup", None)
_args_of = vars(BaseException)["args"].__get__


def fields_of(error: BaseException) -> dict[str, Any]:
    """Return the attributes that *error* holds, running no code of its class."""
    fields: dict[str, Any] = _FIELDS.__get__(error)
    return fields


def status_of(error: BaseException) -> int:
    """Return the HTTP status that *error* carries, or 0."""
    fields = fields_of(error)
    for name in ("status_code", "status"):
        status = fields.get(name)
        if type(status) is int and status:
            return status
    # A number alone may count anything; google.genai has its name beside it.
    if type(fields.get("status")) is not str:
        return 0
    code = fields.get("code")
    return code if type(code) is int and code in _HTTP_STATUSES else 0


def _members_of(error: BaseException) -> tuple[BaseException, ...]:
    """Return the errors of a group, asking none of their classes."""
    if _Group is None or not issubclass(type(error), _Group):
        return ()
    members: tuple[BaseException, ...] = _Group.exceptions.__get__(error)
    return members


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what caused it, nearest first, at most 16."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(seen) < _CHAIN_LIMIT:
        if any(current is other for other in seen):
            return
        seen.append(current)
        yield current
        cause: BaseException | None = _cause_of(current)
        current = _context_of(current) if cause is None else cause


def error_code_of(error: BaseException) -> str:
    """Return the class of *error*, with the API's own code where it has one."""
    name = class_name_of(error)
    fields = fields_of(error)
    code = fields.get("code")
    if type(code) is int and status_of(error) == code:
        code = fields.get("status")
    return f"{name}:{code}" if type(code) is str and code else name


def recogniser_of(error: BaseException) -> Callable[[BaseException], bool]:
    """
    Return a test for this very error, which keeps neither it nor its frames alive.

    An address alone does not do: it is used again as soon as the error is gone,
    which in a loop is at once. Errors of Python classes are held weakly. Those of
    the interpreter cannot be; of them the dictionary of their attributes is held,
    empty as a rule, so that its address stays theirs.
    """
    try:
        held = weakref.ref(error)
    except TypeError:
        own = fields_of(error)
        return lambda other: fields_of(other) is own
    return lambda other: held() is other


class ReportedErrors:
    """
    The errors of a run that have their ERROR event, the last 256 of them.

    Shared with the runs inside of it, which may go on in threads of their own.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: deque[Callable[[BaseException], bool]] = deque(maxlen=_REPORTED)

    def add(self, error: BaseException) -> None:
        """Note that *error* is on record."""
        self._known.append(recogniser_of(error))

    def covers(self, error: BaseException) -> bool:
        """
        Tell whether *error*, or an error behind it, is on record.

        A group of errors is if each of them is.
        """
        known = self._known
        if not known:
            return False
        chain = list(error_chain(error))
        if any(is_same(link) for is_same in known.copy() for link in chain):
            return True
        parts = next(filter(None, map(_members_of, chain)), ())
        return bool(parts) and all(map(self.covers, parts))

    def forget(self, error: BaseException) -> None:
        """Forget *error* and those behind it: the next one is another."""
        chain = list(error_chain(error))
        for is_same in self._known.copy():
            if any(map(is_same, chain)):
                try:
                    self._known.remove(is_same)
                except ValueError:
                    # Another thread forgot it first.
                    continue


def error_text(error: BaseException) -> str:
    """
    Return the message of *error*, without running code of a stranger's class.

    An exception class may define its own `__str__`, and so may its arguments; the
    plain arguments say the same in nearly every case. Classes of the standard
    library, of the frameworks and of the clients that they use are trusted.
    """
    arguments = _args_of(error)
    cls = type(error)
    package = _package_of(cls)
    if package in _TRUSTED and all(_is_plain(item, package) for item in arguments):
        return str(error)
    if not all(map(_is_plain, arguments)):
        return next((item for item in arguments if type(item) is str), "")
    if cls.__str__ in _PLAIN_STR:
        return str(error)
    if arguments and all(item is None for item in arguments):
        # Such a text says nothing; what its class would say is a stranger's code.
        return ""
    return BaseException.__str__(error)


def _package_of(cls: type) -> str:
    module = cls.__module__
    return module.partition(".")[0] if type(module) is str else ""


def _is_plain(item: object, package: str = "") -> bool:
    """Tell whether *item* has no code of its own, or that of *package* alone."""
    kind = type(item)
    if kind in (str, int, float, bool, type(None)):
        return True
    return package in _WHOLE and _package_of(kind) == package


_TRUSTED = frozenset(
    {"builtins", "asyncio", "json", "openai", "agents", "httpx", "httpx2", "pydantic"}
    | {"pydantic_core", "mcp", "tenacity", "socket", "ssl", "sqlite3", "httpcore"}
    | {"websockets", "anthropic", "crewai", "google", "langchain_anthropic"}
    | {"langchain_core", "langchain_openai", "langgraph"}
)
_WHOLE = frozenset({"websockets"})
"""Packages whose errors say something only through other objects of theirs."""
_PLAIN_STR = frozenset(
    {BaseException.__str__, Exception.__str__, OSError.__str__, KeyError.__str__}
)
