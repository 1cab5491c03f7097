"""Answers of the openai package, held as they were until the writer reads them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from agents.testing import assistant_message
from agents.usage import Usage

from chaukas.sdk.capture.held import Frozen
from chaukas.sdk.integrations.shared.openai_api import frozen


def test_an_answer_is_held_with_its_tokens() -> None:
    held = frozen.frozen_answer([assistant_message("Hi")], Usage(input_tokens=3))
    assert type(held) is Frozen
    answer = orjson.loads(held.data)
    assert answer["output"][0]["content"][0]["text"] == "Hi"
    assert answer["usage"]["input_tokens"] == 3


def test_what_is_of_another_kind_is_not_held() -> None:
    usage = Usage()
    usage.input_tokens = object()  # type: ignore[assignment]
    assert frozen.frozen_answer([assistant_message("Hi")], usage) is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_a_signal_in_the_middle_reaches_the_program(
    interrupt: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_value: Any) -> Any:
        raise interrupt

    monkeypatch.setattr(frozen, "_fields_of", interrupted)
    with pytest.raises(interrupt):
        frozen.frozen_answer([assistant_message("Hi")], Usage())
