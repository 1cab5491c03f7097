"""
Read the known objects that are one value: times, numbers, names, bytes.

Each is turned into the text or number that JSON users expect of it, by the code
of its own built-in class and never by that of a subclass.
"""

import datetime
import enum
import types
from typing import Any

from chaukas.sdk.system.introspect import (
    dict_of,
    loaded,
    mro_of,
    name_of,
    own_accessor,
)

from .raw import Blob, Mark, NumberText, Pairs, Reader, held_by, is_plain

__all__ = (
    "VALUE_READERS",
    "decimal_reader",
    "numpy_array_reader",
    "numpy_scalar_reader",
    "path_reader",
    "uuid_reader",
)

BLOB_LIMIT_BYTES = 1_048_576
"""Of longer contents only the beginning is taken."""

_HEAD_BYTES = 65_536


def _class_mark(value: type, _limit: int) -> Mark:
    return Mark(f"<class {name_of(value)}>")


def _exception_pairs(value: BaseException, _limit: int) -> Pairs:
    args = BaseException.__dict__["args"].__get__(value)
    name = Mark(name_of(type(value)))
    return Pairs([("type", name), ("args", args)], 2)


def _enum_value(value: enum.Enum, _limit: int) -> object:
    accessor = own_accessor(mro_of(type(value)), "__dict__", types.GetSetDescriptorType)
    for name, held in held_by(value, accessor):
        if name == "_value_" and is_plain(held):
            return held
    for name, held in held_by(value, accessor):
        if name == "_name_" and type(held) is str:
            return held
    return Mark(f"<{name_of(type(value))}>")


# isoformat asks the zone for its offset, which may be the host's own code.


def _is_known_zone(zone: object) -> bool:
    cls = type(zone)
    return (
        zone is None
        or cls is datetime.timezone
        or cls is loaded("zoneinfo", "ZoneInfo")
    )


_TIME_PARTS = tuple(
    datetime.time.__dict__[name] for name in ("hour", "minute", "second", "microsecond")
)
_DATE_PARTS = tuple(datetime.date.__dict__[name] for name in ("year", "month", "day"))
_DATETIME_PARTS = _DATE_PARTS + tuple(
    datetime.datetime.__dict__[name]
    for name in ("hour", "minute", "second", "microsecond")
)


def _datetime_text(value: datetime.datetime, _limit: int) -> str:
    zone = datetime.datetime.__dict__["tzinfo"].__get__(value)
    if _is_known_zone(zone):
        return datetime.datetime.isoformat(value)
    parts = [part.__get__(value) for part in _DATETIME_PARTS]
    # Without its zone on purpose: the zone is named instead.
    naive = datetime.datetime(*parts)  # noqa: DTZ001
    return f"{naive.isoformat()} <{name_of(type(zone))}>"


def _time_text(value: datetime.time, _limit: int) -> str:
    zone = datetime.time.__dict__["tzinfo"].__get__(value)
    if _is_known_zone(zone):
        return datetime.time.isoformat(value)
    naive = datetime.time(*(part.__get__(value) for part in _TIME_PARTS))
    return f"{naive.isoformat()} <{name_of(type(zone))}>"


def _date_text(value: datetime.date, _limit: int) -> str:
    return datetime.date.isoformat(value)


def _duration_text(value: datetime.timedelta, _limit: int) -> str:
    seconds = datetime.timedelta.total_seconds(value)
    return f"PT{int(seconds) if seconds.is_integer() else seconds}S"


def _bytes_blob(value: bytes, _limit: int) -> Blob:
    size = bytes.__len__(value)
    end = size if size <= BLOB_LIMIT_BYTES else _HEAD_BYTES
    return Blob(bytes.__getitem__(value, slice(0, end)), size)


def _bytearray_blob(value: bytearray, _limit: int) -> Blob:
    size = bytearray.__len__(value)
    end = size if size <= BLOB_LIMIT_BYTES else _HEAD_BYTES
    return Blob(bytes(bytearray.__getitem__(value, slice(0, end))), size)


def _view_blob(value: memoryview, _limit: int) -> Blob:
    size = value.nbytes
    return Blob(value.tobytes() if size <= BLOB_LIMIT_BYTES else b"", size)


def _str_value(value: str, _limit: int) -> str:
    return str.__str__(value)


def _int_value(value: int, _limit: int) -> int:
    return int.__int__(value)


def _float_value(value: float, _limit: int) -> float:
    return float.__float__(value)


VALUE_READERS: tuple[tuple[type, Reader], ...] = (
    (str, _str_value),
    (int, _int_value),
    (float, _float_value),
    (bytes, _bytes_blob),
    (bytearray, _bytearray_blob),
    (memoryview, _view_blob),
    (enum.Enum, _enum_value),
    (datetime.datetime, _datetime_text),
    (datetime.date, _date_text),
    (datetime.time, _time_text),
    (datetime.timedelta, _duration_text),
    (BaseException, _exception_pairs),
    (type, _class_mark),
)
"""How instances of a class, and of its subclasses, are read."""


# Classes of modules that chaukas does not import; *base* is the class itself.


def decimal_reader(base: type, _mro: tuple[type, ...]) -> Reader:
    """Return a reader of decimals: the exact digits."""
    text_of: Any = dict_of(base)["__str__"]
    return lambda value, _limit: NumberText(text_of(value))


def uuid_reader(base: type, _mro: tuple[type, ...]) -> Reader:
    """Return a reader of UUIDs: the usual text with dashes."""
    number: Any = dict_of(base)["int"]

    def read_uuid(value: object, _limit: int) -> str:
        digits = f"{number.__get__(value):032x}"
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return "-".join(parts)

    return read_uuid


def path_reader(base: type, mro: tuple[type, ...]) -> Reader | None:
    """Return a reader of paths; none for a subclass, which may be anything."""
    plain = ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")
    if not any(loaded("pathlib", name) is mro[0] for name in plain):
        return None
    text_of: Any = dict_of(base)["__str__"]
    return lambda value, _limit: str.__str__(text_of(value))


def numpy_scalar_reader(base: type, _mro: tuple[type, ...]) -> Reader:
    """Return a reader of numpy scalars: the Python number."""
    item: Any = dict_of(base)["item"]

    def read_item(value: object, _limit: int) -> object:
        plain = item(value)
        if is_plain(plain):
            return plain
        return Mark(f"<{name_of(type(value))}>")

    return read_item


def numpy_array_reader(base: type, _mro: tuple[type, ...]) -> Reader:
    """Return a reader of numpy arrays: shape and type, never the content."""
    shape_of: Any = dict_of(base)["shape"]
    dtype_of: Any = dict_of(base)["dtype"]

    def read_array(value: object, _limit: int) -> Mark:
        shape = "x".join(str(size) for size in shape_of.__get__(value))
        text_of = dict_of(loaded("numpy", "dtype"))["str"]
        dtype = text_of.__get__(dtype_of.__get__(value)).lstrip("<>|=")
        return Mark(f"<{name_of(type(value))} shape={shape or '()'} dtype={dtype}>")

    return read_array
