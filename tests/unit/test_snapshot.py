"""Tests of the tree that is made of any object."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import hashlib
import json
import pathlib
import re
import sys
import threading
import uuid
import zoneinfo
from typing import Any, ClassVar, NamedTuple

import orjson
import pydantic
import pydantic.v1
import pytest

from chaukas.sdk.capture.deferred import DeferredCapture
from chaukas.sdk.capture.held import captured_now
from chaukas.sdk.capture.limits import DEPTH_CEILING, Limits
from chaukas.sdk.capture.redaction.redactor import Redactor
from chaukas.sdk.capture.snapshot import Capture, Rules, shrink
from tests.support import hostile


def tree(value: object, **rules: Any) -> Any:
    """Return what is captured of a value."""
    return Capture(Rules(**rules)).tree(value, "x")


# Plain values.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("", ""),
        (0, 0),
        (-7, -7),
        (True, True),
        (False, False),
        (None, None),
        (1.5, 1.5),
        (2.0, 2),
        (-0.0, 0),
        (1e300, 1e300),
        (float(2**53), 2**53),
        (2**53, 2**53),
        ([], []),
        ({}, {}),
        ((1, "a"), [1, "a"]),
        ({"a": [{"b": (1,)}]}, {"a": [{"b": [1]}]}),
        ("\u00e9\u4e16\U0001f600", "\u00e9\u4e16\U0001f600"),
        ("a\ud800b", "a\\ud800b"),
        ("line\nfeed\u2028", "line\nfeed\u2028"),
    ],
)
def test_a_plain_value_stays_what_it_is(value: object, expected: object) -> None:
    shown = tree(value)

    assert shown == expected
    assert type(shown) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**53 + 1, "9007199254740993"),
        (-(2**53) - 1, "-9007199254740993"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (10**5000, "<int 16610 bits>"),
        (decimal.Decimal("1.50"), "1.50"),
    ],
    ids=lambda _value: "",
)
def test_a_number_that_json_would_round_becomes_a_text(
    value: object, expected: str
) -> None:
    capture = Capture(Rules())

    assert capture.tree({"n": value}, "x") == {"n": expected}
    assert capture.altered == ["x.n"]


def test_a_negative_zero_is_an_integer() -> None:
    assert orjson.dumps(tree([-0.0])) == b"[0]"


# Keys.


class Colour(enum.Enum):
    RED = "red"
    ODD = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


def test_keys_become_texts() -> None:
    value = {
        1: "a",
        2.5: "b",
        None: "c",
        False: "d",
        (1,): "e",
        Colour.RED: "f",
    }

    assert tree(value) == {
        "1": "a",
        "2.5": "b",
        "null": "c",
        "false": "d",
        "<builtins.tuple>": "e",
        "red": "f",
    }


def test_keys_that_look_alike_do_not_hide_one_another() -> None:
    shown = tree({1: "a", "1": "b"})

    assert sorted(shown.values()) == ["a", "b"]


def test_a_long_key_is_cut() -> None:
    (key,) = tree({"k" * 5000: 1})

    assert key.startswith("k" * 100)
    assert len(key) <= 256


def test_names_found_harmless_are_forgotten_in_time() -> None:
    rules = Rules()

    for number in range(10_000):
        Capture(rules).tree({f"name-{number}": 1}, "x")

    assert len(rules.safe_names) <= 4096


# Known types.


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2
    kind: ClassVar[str] = "point"


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    b: int
    a: str = "x"


class Pair(NamedTuple):
    left: int
    right: str


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    note: str | None = None
    size: int = 3
    _private: int = 9


class OldModel(pydantic.v1.BaseModel):
    name: str
    note: str | None = None


@pydantic.dataclasses.dataclass
class Checked:
    n: int


UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


class OwnZone(datetime.tzinfo):
    def utcoffset(self, _when: object) -> datetime.timedelta:
        hostile.TOUCHES.append("utcoffset")
        raise RuntimeError


class OwnPath(type(pathlib.Path())):  # type: ignore[misc]
    def __str__(self) -> str:
        hostile.TOUCHES.append("path")
        return ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1), {"x": 1, "y": 2}),
        (Slotted(1), {"b": 1, "a": "x"}),
        (Pair(1, "r"), {"left": 1, "right": "r"}),
        (Model(name="n"), {"name": "n", "size": 3}),
        (Model(name="n", note=None), {"name": "n", "note": None, "size": 3}),
        (Model(name="n", more=[1]), {"name": "n", "size": 3, "more": [1]}),
        (Model.model_construct(name=7), {"name": 7, "size": 3}),
        (OldModel(name="n"), {"name": "n"}),
        (Checked(n=1), {"n": 1}),
        (Colour.RED, "red"),
        (Colour.ODD, "ODD"),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        (MOMENT, "2026-01-02T03:04:05.000006+00:00"),
        (MOMENT.replace(tzinfo=None), "2026-01-02T03:04:05.000006"),
        (
            MOMENT.astimezone(zoneinfo.ZoneInfo("UTC")),
            "2026-01-02T03:04:05.000006+00:00",
        ),
        (MOMENT.date(), "2026-01-02"),
        (MOMENT.timetz(), "03:04:05.000006+00:00"),
        (datetime.timedelta(minutes=1), "PT60S"),
        (datetime.timedelta(seconds=1.5), "PT1.5S"),
        (uuid.UUID(int=255), "00000000-0000-0000-0000-0000000000ff"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (pathlib.PureWindowsPath("c:/a"), "c:\\a"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (collections.deque([1, 2]), [1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (ValueError("no", 1), {"type": "builtins.ValueError", "args": ["no", 1]}),
        (Point, f"<class {__name__}.Point>"),
        (object(), "<builtins.object>"),
        (print, "<builtins.builtin_function_or_method>"),
        (1j, "<builtins.complex>"),
        (range(3), "<builtins.range>"),
        (pydantic.SecretStr("s3cret"), "<pydantic.types.SecretStr>"),
        (b"abc", "<application/octet-stream 3 bytes>"),
        (bytearray(b"abc"), "<application/octet-stream 3 bytes>"),
        (memoryview(b"abc"), "<application/octet-stream 3 bytes>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_known_type_is_read(value: object, expected: object) -> None:
    assert tree(value) == expected
    assert tree({"v": [value]}) == {"v": [expected]}


def test_a_zone_of_the_hosts_own_is_named_and_not_asked() -> None:
    hostile.TOUCHES.clear()

    shown = tree(
        [MOMENT.replace(tzinfo=OwnZone()), MOMENT.time().replace(tzinfo=OwnZone())]
    )

    assert shown == [
        f"2026-01-02T03:04:05.000006 <{__name__}.OwnZone>",
        f"03:04:05.000006 <{__name__}.OwnZone>",
    ]
    assert hostile.TOUCHES == []


def test_a_path_of_the_hosts_own_is_named_and_not_asked() -> None:
    hostile.TOUCHES.clear()

    assert tree(OwnPath("/a")) == f"<{__name__}.OwnPath>"
    assert hostile.TOUCHES == []


def test_a_released_memoryview_is_unreadable() -> None:
    view = memoryview(b"abc")
    view.release()

    assert tree({"v": view, "n": 1}) == {"v": "<unreadable>", "n": 1}


def test_numpy_values_are_read_without_their_content() -> None:
    numpy = pytest.importorskip("numpy")

    value = [numpy.int64(3), numpy.float64(1.5), numpy.bool_(True), numpy.str_("a")]
    assert tree(value) == [3, 1.5, True, "a"]
    assert tree(numpy.zeros((3, 4))) == "<numpy.ndarray shape=3x4 dtype=f8>"
    assert tree(numpy.longdouble(1)) == "<numpy.longdouble>"


def test_a_class_that_only_looks_like_numpys_is_left_alone() -> None:
    def trap(_self: object) -> str:
        hostile.TOUCHES.append("shape")
        return ""

    hostile.TOUCHES.clear()
    body = {"__module__": "numpy", "__qualname__": "ndarray", "shape": property(trap)}
    fake = type("ndarray", (), body)()

    assert tree(fake) == "<numpy.ndarray>"
    assert hostile.TOUCHES == []


def test_unset_slots_and_removed_fields_are_left_out() -> None:
    point, slotted = Point(1), Slotted(1)
    del point.x
    object.__delattr__(slotted, "b")

    assert tree([point, slotted]) == [{"y": 2}, {"a": "x"}]


def test_a_dict_with_another_dict_inside_its_place_is_read_by_its_fields() -> None:
    point = Point(1)
    point.__dict__["extra"] = "not a field"

    assert tree(point) == {"x": 1, "y": 2}


# Binary content.


def test_bytes_are_described_by_kind_size_and_hash() -> None:
    content = b"\x89PNG\r\n" + bytes(range(256))
    digest = hashlib.sha256(content).hexdigest()

    assert tree(content) == f"<image/png 262 bytes sha256:{digest}>"


def test_large_bytes_have_no_hash() -> None:
    assert tree(b"%PDF-" + bytes(2_000_000)) == "<application/pdf 2000005 bytes>"
    assert tree(bytearray(2_000_000)) == "<application/octet-stream 2000000 bytes>"
    view = memoryview(bytes(2_000_000))
    assert tree(view) == "<application/octet-stream 2000000 bytes>"


def test_a_data_url_is_described() -> None:
    content = b"\xff\xd8\xff" + bytes(100)
    url = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    digest = hashlib.sha256(content).hexdigest()

    assert tree(url) == f"<image/jpeg 103 bytes sha256:{digest}>"
    assert Capture(Rules()).text(url, "x") == tree(url)
    assert tree(f"see ![a]({url}) there") == f"see ![a]({tree(url)}) there"
    assert tree("data:text/plain,hello") == "<text/plain 5 bytes>"


def test_long_base64_is_described() -> None:
    content = b"RIFF1234WAVE" + bytes(range(256)) * 20
    encoded = base64.b64encode(content).decode()
    digest = hashlib.sha256(content).hexdigest()

    expected = f"<audio/wav {len(content)} bytes sha256:{digest}>"
    assert tree(encoded) == expected
    assert tree("\n".join(encoded[i : i + 76] for i in range(0, len(encoded), 76))) == (
        expected
    )


def test_huge_base64_is_described_without_a_hash() -> None:
    encoded = base64.b64encode(bytes(range(256)) * 20_000).decode()

    assert tree(encoded).startswith("<application/octet-stream 5120")
    assert "sha256" not in tree(encoded)


@pytest.mark.parametrize(
    "text",
    ["word " * 400, "x" * 2000, "abc123" * 400, "data: {}", "data:,x", "data:a b/c,x"],
)
def test_a_text_that_is_no_base64_stays(text: str) -> None:
    assert tree(text) == text


def test_binary_content_is_kept_on_request() -> None:
    url = "data:image/png;base64," + base64.b64encode(bytes(100)).decode()

    assert tree(b"abc", binary=True) == base64.b64encode(b"abc").decode()
    assert tree(url, binary=True) == url
    shown = tree(bytes(1000), binary=True, limits=Limits(string_chars=40))
    assert shown.startswith("A" * 40)
    assert shown.endswith("…<+970 bytes>")


# Content off.


def test_without_content_only_the_structure_is_left() -> None:
    value = {
        "type": "message",
        "role": "user",
        "content": [{"type": "my secret type", "text": "hello", "n": 5, "f": 1.5}],
        "flag": True,
        "none": None,
        "data": b"abc",
        "big": 2**60,
        "when": MOMENT.date(),
        "money": decimal.Decimal(1),
        "object": object(),
        "password": "p",
    }

    assert tree(value, content=False) == {
        "type": "message",
        "role": "user",
        "content": [
            {
                "type": "<14 chars>",
                "text": "<5 chars>",
                "n": "<number>",
                "f": "<number>",
            }
        ],
        "flag": True,
        "none": None,
        "data": "<bytes 3>",
        "big": "<number>",
        "when": "<10 chars>",
        "money": "<number>",
        "object": "<builtins.object>",
        "password": "[REDACTED]",
    }
    assert Capture(Rules(content=False)).text("hello", "x") == "<5 chars>"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "call_id": "call_1", "id": "fc_1", "name": "add"},
        {"type": "function_call_output", "call_id": "call_1", "status": "completed"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"},
        {"role": "tool", "tool_call_id": "call_1"},
        {"id": "call_1", "type": "function", "function": {"name": "add"}},
    ],
)
def test_without_content_an_item_keeps_what_joins_it_to_others(item: Any) -> None:
    hidden = {**item, "content": "my words", "arguments": '{"a": 1}'}
    shown = tree([hidden], content=False)
    function = item.get("function")
    expected = {**item, "content": "<8 chars>", "arguments": "<8 chars>"}
    if function is not None:
        expected["function"] = {"name": "<3 chars>"}

    assert shown == [expected]


def test_without_content_an_id_that_is_a_key_is_hidden() -> None:
    key = "sk-" + "aB3dE5fG7hJ9kL1mN2pQ4rS6"
    item = {"type": "function_call", "call_id": key, "name": "two words"}

    assert tree(item, content=False) == {
        "type": "function_call",
        "call_id": "[REDACTED]",
        "name": "<9 chars>",
    }


def test_without_content_names_of_things_and_data_in_keys_are_hidden() -> None:
    value = {"alice@x.test": 3, "name": "Alice", "id": "7", "/home/alice": True}

    assert tree(value, content=False) == {
        "<12 chars>": "<number>",
        "name": "<5 chars>",
        "id": "<1 chars>",
        "<11 chars>": True,
    }


def test_without_content_the_users_function_is_not_asked() -> None:
    def redact(_path: str, _value: object) -> object:
        raise AssertionError

    assert tree({"a": "b"}, content=False, redact=redact) == {"a": "<1 chars>"}


# Hostile objects.


@pytest.mark.parametrize("name", [name for name, _ in hostile.hostile_objects()])
def test_a_hostile_object_is_named_and_never_touched(name: str) -> None:
    (value,) = [made for other, made in hostile.hostile_objects() if other == name]
    hostile.TOUCHES.clear()

    shown = tree({"before": 1, "it": value, "list": [value], "after": 2})
    text = Capture(Rules()).text([value], "x")

    assert hostile.TOUCHES == []
    assert shown["before"] == 1
    assert shown["after"] == 2
    assert type(shown["it"]) is str
    assert shown["it"].startswith("<")
    assert text == json.dumps([shown["it"]])


@pytest.mark.parametrize("name", [name for name, _, _ in hostile.hostile_builtins()])
def test_a_hostile_built_in_is_read_around_its_own_code(name: str) -> None:
    ((value, expected),) = [
        (made, shown)
        for other, made, shown in hostile.hostile_builtins()
        if other == name
    ]
    hostile.TOUCHES.clear()

    shown = tree({"it": value})
    Capture(Rules()).text(value, "x")

    assert hostile.TOUCHES == []
    assert shown == {"it": expected}


def test_a_hostile_key_is_never_touched() -> None:
    key = next(v for n, v, _ in hostile.hostile_builtins() if n == "str")
    value = {key: 1}
    hostile.TOUCHES.clear()

    assert tree(value) == {"text": 1}
    assert hostile.TOUCHES == []


def test_generators_iterators_files_and_coroutines_are_not_consumed(
    tmp_path: pathlib.Path,
) -> None:
    async def work() -> None:
        hostile.TOUCHES.append("coroutine")

    coroutine = work()
    generator = hostile.watched_generator()
    iterator = iter([1, 2])
    path = tmp_path / "file"
    path.write_text("content")
    hostile.TOUCHES.clear()
    with path.open() as file:
        shown = tree([generator, iterator, file, coroutine, map(str, iterator)])
        assert file.read() == "content"
    coroutine.close()

    assert hostile.TOUCHES == []
    assert next(iterator) == 1
    assert next(generator) == 1
    assert shown == [
        "<builtins.generator>",
        "<builtins.list_iterator>",
        "<_io.TextIOWrapper>",
        "<builtins.coroutine>",
        "<builtins.map>",
    ]


def test_a_property_in_the_place_of_the_instance_dict_is_not_asked() -> None:
    class Sly(Point):
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            hostile.TOUCHES.append("__dict__")
            return {}

    sly = Sly.__new__(Sly)
    hostile.TOUCHES.clear()

    assert tree(sly) == {}
    assert hostile.TOUCHES == []


def test_classes_do_not_live_longer_for_having_been_seen() -> None:
    import gc
    import weakref

    cls = type("Passing", (), {})
    tree(cls())
    gone = weakref.ref(cls)
    del cls
    gc.collect()

    assert gone() is None


def test_an_enum_with_a_hostile_value_is_shown_by_its_name() -> None:
    class Own(enum.Enum):
        A = 1

    objects = dict(hostile.hostile_objects())
    Own.A.__dict__["_value_"] = objects["metaclass"]
    hostile.TOUCHES.clear()

    assert tree(Own.A) == "A"
    assert hostile.TOUCHES == []


def test_an_instance_whose_dict_is_hostile_is_read_around_it() -> None:
    point = Point(1)
    point.__dict__ = hostile.hostile_mapping({"x": 5, "z": 6})
    hostile.TOUCHES.clear()

    assert tree(point) == {"x": 5}
    assert hostile.TOUCHES == []


def test_a_class_without_module_or_with_an_odd_name_is_still_named() -> None:
    bare = type("Bare", (), {"__module__": 3})
    odd = type("Odd\u00e9" + "x" * 500, (), {})

    assert tree(bare()) == "<?.Bare>"
    assert tree(odd()).startswith(f"<{__name__}.Odd?xxx")
    assert len(tree(odd())) == 202


def test_a_module_that_is_none_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic.main", object())  # type: ignore[arg-type]

    assert tree(type("Fresh", (), {})()) == f"<{__name__}.Fresh>"


def test_a_model_that_was_never_filled_is_empty() -> None:
    assert tree(Model.__new__(Model)) == {}


def test_an_enum_without_a_value_or_name_is_named_by_its_class() -> None:
    class Own(enum.Enum):
        A = 1

    Own.A.__dict__.clear()

    assert tree(Own.A).endswith("Own>")


def test_more_classes_than_are_remembered_are_all_read() -> None:
    shown = [tree(type(f"C{number}", (Point,), {})(number)) for number in range(1500)]

    assert shown[-1] == {"x": 1499, "y": 2}


def test_a_named_tuple_of_another_length_is_read_as_a_list() -> None:
    made = tuple.__new__(Pair, (1, 2, 3))
    plain = type("Plain", (tuple,), {"_fields": ["a"]})((1,))

    assert tree([made, plain]) == [[1, 2, 3], [1]]


class Changing:
    """A container that was changed by another thread, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def items(self) -> Any:
        """Fail as a dict does that changed meanwhile."""
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError
        return [("a", 1)]


def test_a_container_that_changed_meanwhile_is_read_once_more() -> None:
    from chaukas.sdk.capture.readers.containers import _taken
    from chaukas.sdk.capture.snapshot import _pairs_of

    assert _taken(Changing(1).items, 5) == [("a", 1)]
    assert _pairs_of(Changing(1), 5) == [("a", 1)]  # type: ignore[arg-type]
    assert _pairs_of(Changing(2), 5) is None  # type: ignore[arg-type]


def test_a_dict_that_cannot_be_read_costs_its_value_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from chaukas.sdk.capture import snapshot

    whole = snapshot._pairs_of
    monkeypatch.setattr(
        snapshot, "_pairs_of", lambda d, n: None if "bad" in d else whole(d, n)
    )

    assert tree({"a": {"bad": 1}, "b": 2}) == {"a": "<unreadable>", "b": 2}


def test_broken_base64_in_a_data_url_is_measured_only() -> None:
    assert tree("data:image/png;base64,A") == "<image/png 0 bytes>"


# Shapes and budgets.


def test_cycles_are_cut() -> None:
    assert tree(hostile.cyclic_dict()) == {"a": 1, "self": "<cycle>"}
    assert tree(hostile.cyclic_list()) == [1, ["<cycle>"]]


def test_a_cycle_through_an_object_is_cut() -> None:
    point = Point(1)
    point.y = [point]  # type: ignore[assignment]

    assert tree(point) == {"x": 1, "y": ["<cycle>"]}


def test_a_value_that_is_shared_is_no_cycle() -> None:
    shared = [1]

    assert tree({"a": shared, "b": [shared]}) == {"a": [1], "b": [[1]]}


@pytest.mark.parametrize("kind", [list, dict])
def test_depth_is_bounded_whatever_the_depth_of_the_input(kind: type) -> None:
    shown = tree(hostile.deep(10_000, kind))

    levels = 0
    while type(shown) is not str:
        shown = shown["k"] if kind is dict else shown[0]
        levels += 1
    assert shown == "<depth>"
    assert levels == 16


def test_a_value_at_the_greatest_depth_is_kept() -> None:
    value = hostile.deep(16)

    assert tree(value) == value


def test_depth_has_a_ceiling() -> None:
    assert Limits(depth=DEPTH_CEILING).depth == 24
    with pytest.raises(ValueError, match="depth=25"):
        Limits(depth=25)


@pytest.mark.parametrize(
    "name", ["depth", "nodes", "string_chars", "event_bytes", "time_s"]
)
def test_a_limit_is_above_zero(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0"):
        Limits(**{name: 0})


def test_width_is_bounded() -> None:
    wide_list = tree([0] * 1_000_000)
    wide_dict = tree(dict.fromkeys(range(1_000_000), 0))
    wide_set = tree(set(range(1_000_000)))

    assert len(wide_list) == 10_000
    assert wide_list[-1] == "<+990001 more>"
    assert len(wide_dict) == 10_000
    assert wide_dict["…"] == "<+990001 more>"
    assert len(wide_set) == 10_000


def test_what_lies_near_the_top_survives_a_wide_neighbour() -> None:
    shown = tree({"wide": [list(range(9)) for _ in range(5000)], "near": {"a": 1}})

    assert shown["near"] == {"a": 1}


def test_the_node_budget_is_shared_by_the_values_of_one_event() -> None:
    capture = Capture(Rules(limits=Limits(nodes=10)))

    capture.tree([1] * 8, "x")

    assert capture.tree([1, 2, 3], "y") == ["<+3 more>"]


def test_a_long_text_shows_its_beginning_and_end() -> None:
    text = "a b " * 50_000

    shown = tree(text)

    assert shown.startswith("a b ")
    assert f"…<+{200_000 - 65_536} chars>" in shown
    assert shown.endswith("a b ")
    assert len(shown) < 65_600


def test_a_text_of_100_mb_costs_no_more_than_a_long_one() -> None:
    text = "lorem ipsum " * 9_000_000

    assert len(tree({"t": text})["t"]) < 65_600


def test_the_text_budget_is_shared_by_the_values_of_one_event() -> None:
    capture = Capture(Rules(limits=Limits(event_bytes=1000)))

    shown = capture.tree(["ab " * 300] * 10, "x")

    assert shown[0] == "ab " * 300
    assert shown[-1] == "<budget>"
    assert capture.text("later", "y") == "<budget>"


class SlowClock:
    """A clock that goes on by one second at each look."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1_000_000_000
        return self.now_ns


def test_when_the_time_is_over_the_rest_is_left_out() -> None:
    shown = tree([[i] for i in range(1000)], monotonic_ns=SlowClock())

    assert shown[0] == [0]
    assert shown[-1] == "<budget>"
    assert len(shown) == 1000


def test_a_text_that_there_was_no_time_to_search_is_not_shown() -> None:
    shown = tree(
        ["password=abc def " + "word " * 300 for _ in range(60)],
        limits=Limits(time_s=0.005),
        monotonic_ns=SlowClock(),
    )

    assert "[REDACTED]" in shown[0]
    assert "abc" not in json.dumps(shown)
    assert shown[-1] == "<budget>"


def test_what_happens_between_two_values_of_an_event_takes_none_of_their_time() -> None:
    now_ns = 0
    capture = Capture(Rules(monotonic_ns=lambda: now_ns))
    value = [[i] for i in range(300)]

    assert capture.tree(value, "x") == value
    now_ns += 1_000_000_000
    assert capture.tree(value, "y") == value


def test_a_value_is_begun_on_one_thread_and_captured_on_a_busier_one() -> None:
    # An encoded text is described at once, and the rest later.
    value = ["aB3d" * 350_000, *([i] for i in range(1000)), object()]
    capture = DeferredCapture(Rules())
    held: list[Any] = []
    beginner = threading.Thread(target=lambda: held.append(capture.tree(value, "x")))
    beginner.start()
    beginner.join()

    # The time that this thread has used since the tests began is beyond any limit.
    assert captured_now(held[0])[1:-1] == value[1:-1]


def test_a_small_event_never_looks_at_the_clock() -> None:
    def clock() -> int:
        raise AssertionError

    value = {"a": [1, {"password": "x"}], "b": "token=abcd1234", "c": object()}
    assert tree(value, monotonic_ns=clock)["a"] == [1, {"password": "[REDACTED]"}]


def test_later_changes_do_not_reach_the_tree() -> None:
    inner = [1]
    value = {"inner": inner, "d": {"k": 1}}

    shown = tree(value)
    inner.append(2)
    value["d"]["k"] = 2  # type: ignore[index]
    value["new"] = [3]

    assert shown == {"inner": [1], "d": {"k": 1}}


def test_a_dict_that_another_thread_changes_is_still_read() -> None:
    shared: dict[str, int] = {str(i): i for i in range(100)}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shared[f"n{number % 50}"] = number
            shared.pop(f"n{(number + 25) % 50}", None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            shown = tree({"shared": shared})["shared"]
            assert type(shown) is dict
            assert shown["42"] == 42
    finally:
        stop.set()
        thread.join()


# Texts.


def test_a_structure_becomes_compact_json_text() -> None:
    capture = Capture(Rules())

    assert capture.text({"a": [1, "b"], "password": "x"}, "message.text") == (
        '{"a":[1,"b"],"password":"[REDACTED]"}'
    )
    assert capture.redacted == ["message.text"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), (5, "5"), (True, "true"), (Word.YES, "yes"), (b"", None)],
)
def test_any_value_becomes_a_text(value: object, expected: str | None) -> None:
    shown = Capture(Rules()).text(value, "x")

    assert type(shown) is str
    assert expected is None or shown == expected


def test_numbers_altered_inside_a_text_are_noted_once() -> None:
    capture = Capture(Rules())

    capture.text([2**60, 2**61], "x")

    assert capture.altered == ["x"]


def test_the_text_of_a_large_structure_is_bounded() -> None:
    shown = Capture(Rules()).text(["a b c d e"] * 9000, "x")

    assert len(shown) < 65_600
    assert shown.endswith('"]')


# Shrinking.


def event_with(**content: Any) -> dict[str, Any]:
    """Return an event around a tool call."""
    return {
        "event_id": "e" * 36,
        "type": "EVENT_TYPE_TOOL_CALL_START",
        "session_id": "s" * 200,
        "tool_call": {"tool_id": "call_1", "tool_name": "add", **content},
        "metadata": {"framework": "f", "chaukas": {"seq": 1, "stream": "x" * 100}},
    }


def size_of(event: dict[str, Any]) -> int:
    """Return the encoded size."""
    return len(orjson.dumps(event))


def test_an_event_that_fits_is_not_touched() -> None:
    event = event_with(arguments={"a": "b"})

    assert shrink(event, 10_000) is event


def test_the_longest_texts_are_cut_first() -> None:
    event = event_with(arguments={"long": "x" * 50_000, "short": "y" * 500})
    before = orjson.dumps(event)

    shrunk = shrink(event, 20_000)

    assert size_of(shrunk) <= 20_000
    assert shrunk["tool_call"]["arguments"]["short"] == "y" * 500
    assert "…<+" in shrunk["tool_call"]["arguments"]["long"]
    assert orjson.dumps(event) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"many": ["x" * 40] * 20_000},
        {"many": list(range(200_000))},
        {f"k{i}": i for i in range(50_000)},
        {"k" * 250 + str(i): i for i in range(2000)},
        {"text": "\u4e16" * 100_000},
        {"text": "\u0001" * 100_000},
        hostile.deep(20, dict) | {"x": "y" * 100_000},
    ],
)
def test_an_event_is_made_to_fit_and_keeps_its_identity(arguments: Any) -> None:
    event = event_with(arguments=arguments)

    shrunk = shrink(event, 8_000)

    assert size_of(shrunk) <= 8_000
    assert shrunk["event_id"] == event["event_id"]
    assert shrunk["session_id"] == event["session_id"]
    assert shrunk["tool_call"]["tool_name"] == "add"
    assert shrunk["metadata"]["chaukas"] == event["metadata"]["chaukas"]
    assert type(shrunk["tool_call"]["arguments"]) is dict


def test_many_names_are_dropped_last() -> None:
    event = event_with()
    event["tool_call"] |= {"k" * 200 + str(i): 1 for i in range(1000)}

    shrunk = shrink(event, 4_000)

    assert size_of(shrunk) <= 4_000
    assert shrunk["tool_call"]["tool_name"] == "add"


def test_a_known_name_does_not_replace_another_key_that_looks_like_it() -> None:
    rules = Rules()
    Capture(rules).tree({"null": "seen before"}, "x")

    shown = Capture(rules).tree({None: 1, "null": 2}, "x")

    assert shown == {"null": 1, "null~1": 2}


# The work is counted, not the time: the same input always gets as far.

COSTLY: dict[str, Any] = {
    "fresh suspect keys": {f"k{i}": f"token=q{i}" for i in range(10_000)},
    "log lines": ["password=x and so on"] * 10_000,
    "long suspects": ["token: x " * 1000] * 50,
    "one long suspect": "token: x " * 100_000,
    "a million numbers": {"n": list(range(1_000_000))},
    "fresh long keys": {f"password{i}" * 20: i for i in range(10_000)},
    "nested": [[i] for i in range(10_000)],
    "pictures": [base64.b64encode(bytes(range(256)) * 3000).decode()] * 20,
    "huge numbers": [10**1200] * 10_000,
    "bytes": [bytes(1_000_000)] * 20,
    "errors": [ValueError("token=1")] * 10_000,
    "keys of makers": "AKIA" * 16_000,
}


@pytest.mark.parametrize("name", COSTLY)
def test_no_input_costs_more_than_the_counted_work(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined = []
    whole = Redactor.spans

    def spans(self: Redactor, text: str) -> list[tuple[int, int]]:
        examined.append(len(text))
        return whole(self, text)

    monkeypatch.setattr(Redactor, "spans", spans)
    capture = Capture(Rules(monotonic_ns=lambda: 0))
    shown = capture.tree(COSTLY[name], "x")

    assert len(examined) <= 1_600
    assert sum(examined) <= 200_000
    # Beyond its work, at most the one last thing that it had begun.
    assert capture._budget.work > -8_000
    assert not re.search(r"token=q|password=x", json.dumps(shown))


def test_the_same_input_gets_as_far_each_time() -> None:
    value = {f"k{i}": [f"token={i}", i] for i in range(3_000)}

    # The clock is for what costs more than was counted: it stands still.
    assert tree(value, monotonic_ns=int) == tree(value, monotonic_ns=int)


def test_what_was_not_searched_is_left_out_and_what_was_is_shown() -> None:
    value = [f"password=x{i} and so on" for i in range(10_000)]
    shown = tree(value, monotonic_ns=int)

    assert str(shown[0]).startswith("password=[REDACTED]")
    assert shown[-1] == "<budget>"
    assert len(shown) == 10_000


class OwnText(str):
    """A text with code of its own in everything that could be asked."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        hostile.TOUCHES.append("eq")
        raise RuntimeError

    def __hash__(self) -> int:
        hostile.TOUCHES.append("hash")
        return str.__hash__(self)

    def __len__(self) -> int:
        hostile.TOUCHES.append("len")
        raise RuntimeError


class OwnNumber(int):
    """A number with an equality of its own."""

    def __eq__(self, other: object) -> bool:
        hostile.TOUCHES.append("eq")
        raise RuntimeError

    def __hash__(self) -> int:
        return 7


@pytest.mark.parametrize("content", [True, False])
def test_a_key_or_a_value_of_a_subclass_is_read_and_not_asked(*, content: bool) -> None:
    value = {OwnText("colour"): OwnText("red"), OwnNumber(3): [OwnText("x")]}
    hostile.TOUCHES.clear()

    shown = tree(value, content=content)
    Capture(Rules(content=content)).text(value, "x")

    assert hostile.TOUCHES == []
    assert list(shown) == ["colour", "3"]
