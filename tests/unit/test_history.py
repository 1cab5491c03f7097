"""Items of a conversation: recorded once in a session, named by digests afterwards."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chaukas.sdk.prompts import rebuild_prompts
from chaukas.sdk.record.context import Session
from chaukas.sdk.record.history import History

SECRET = b"secret"


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


class Record:
    """A record of model calls, of one process."""

    def __init__(self) -> None:
        self.history = History(SECRET)
        self.session = Session("s", "t", "p")
        self.events: list[dict[str, Any]] = []
        self.asked: list[list[Any]] = []

    def call(self, items: Any, **options: Any) -> dict[str, Any]:
        shown = options.pop("shown", None)
        is_cut = options.pop("is_cut", False)
        noted = self.history.note(
            options.pop("session", self.session), items, hidden=False, **options
        )
        shown = noted.fresh if shown is None else shown
        self.history.keep(noted, shown, is_cut=is_cut)
        request = {"input": shown, **noted.facts}
        span_id = str(len(self.events))
        self.events.append(
            {
                "type": "EVENT_TYPE_MODEL_INVOCATION_START",
                "span_id": span_id,
                "metadata": {"chaukas": {"stream": "x"}},
                "llm_invocation": {"request": request},
            }
        )
        self.asked.append(items if type(items) is list else [items])
        return request

    def rebuilt(self) -> list[list[Any]]:
        return [prompt.items for prompt in rebuild_prompts(self.events).values()]


def test_a_first_call_writes_everything() -> None:
    record = Record()
    items = [user(str(number)) for number in range(41)]
    request = record.call(items)
    assert request["input"] == items
    assert request["input_count"] == 41
    assert len(request["input_digests"]) == 41
    assert not request.keys() & {"input_omitted", "input_base", "input_refs"}


def test_a_later_call_writes_what_was_added_and_names_the_rest() -> None:
    record = Record()
    first = record.call([user("a"), user("b")])
    request = record.call([user("a"), user("b"), user("c")])
    assert request["input"] == [user("c")]
    assert request["input_omitted"] == 2
    assert request["input_base"] == {"count": 2, "digest": first["input_digest"]}
    assert record.rebuilt() == record.asked


def test_the_same_call_again_writes_nothing() -> None:
    record = Record()
    record.call("Hi")
    request = record.call("Hi")
    assert request["input"] == []
    assert record.rebuilt() == [["Hi"], ["Hi"]]


def test_a_window_that_moves_on_names_its_items_one_by_one() -> None:
    record = Record()
    record.call([user("a"), user("b"), user("c")])
    request = record.call([user("b"), user("c"), user("d")])
    assert request["input"] == [user("d")]
    assert [index for index, _ in request["input_refs"]] == [0, 1]
    assert record.rebuilt() == record.asked


def test_another_session_holds_nothing_of_the_first() -> None:
    record = Record()
    record.call(["a"])
    assert record.call(["a"], session=Session("s", "t", "p"))["input"] == ["a"]


def test_hidden_items_do_not_stand_in_for_shown_ones() -> None:
    history, session = History(SECRET), Session("s", "t", "p")
    hidden = history.note(session, ["a"], hidden=True)
    history.keep(hidden, ["<1 chars>"], is_cut=False)
    shown = history.note(session, ["a"], hidden=False)
    assert shown.fresh == ["a"]
    assert shown.facts["input_digest"] != hidden.facts["input_digest"]


def test_what_is_no_json_is_written_each_time() -> None:
    record = Record()
    odd = object()
    request = record.call([user("a"), odd])
    again = record.call([user("a"), odd])
    assert request["input"] == [user("a"), odd]
    assert again["input"] == [odd]
    assert record.rebuilt() == record.asked


def test_repeat_writes_everything_each_time() -> None:
    record = Record()
    record.call(["a"], repeat=True)
    assert record.call(["a", "b"], repeat=True)["input"] == ["a", "b"]


def test_a_digest_says_nothing_without_the_secret_of_the_process() -> None:
    session = Session("s", "t", "p")
    one, other = (
        History(secret).note(session, ["a"], hidden=False).facts["input_digest"]
        for secret in (b"1", b"2")
    )
    assert one != other


def test_what_a_record_lacks_is_none() -> None:
    record = Record()
    record.call(["a", "b"])
    record.call(["a", "b", "c"])
    [prompt] = rebuild_prompts(record.events[1:]).values()
    assert prompt.items == [None, None, "c"]
    assert not prompt.is_whole


def test_an_item_that_did_not_fit_is_written_by_the_next_call() -> None:
    record = Record()
    record.call(["a", user("b"), ["c"]], shown=["a", user("<budget>"), ["<+1 more>"]])
    again = record.call(["a", user("b"), ["c"]])
    assert again["input"] == [user("b"), ["c"]]
    assert [index for index, _ in again["input_refs"]] == [0]
    assert record.rebuilt()[1] == record.asked[1]


def test_nothing_counts_as_held_that_no_event_was_captured_for() -> None:
    history, session = History(SECRET), Session("s", "t", "p")
    history.note(session, ["a"], hidden=False)
    assert history.note(session, ["a"], hidden=False).fresh == ["a"]


def test_nothing_of_an_event_that_was_cut_counts_as_held() -> None:
    record = Record()
    record.call(["a", "b"], is_cut=True)
    assert record.call(["a", "b"])["input"] == ["a", "b"]


def test_an_item_larger_than_an_event_is_written_no_third_time() -> None:
    record = Record()
    large = user("x" * 65_536)
    record.call(["a", large, "b"], shown=["a", user("<budget>"), "<budget>"])
    second = record.call(["a", large, "b"], shown=[user("<budget>"), "<budget>"])
    third = record.call(["a", large, "b"])
    assert second["input_digests"][1:] == third["input_digests"]
    assert third["input"] == ["b"]


texts = st.lists(st.sampled_from("abcdef"), max_size=6)


@given(st.lists(texts, max_size=8))
def test_every_prompt_can_be_rebuilt(calls: list[list[str]]) -> None:
    record = Record()
    for items in calls:
        record.call(items)
    assert record.rebuilt() == record.asked
