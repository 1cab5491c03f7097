"""Chaukas itself is loaded again while it records, as notebooks and test tools do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.programs import play

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_copy_takes_the_place_of_the_first(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        enable()
        run("first")
        for name in [name for name in sys.modules if name.startswith("chaukas")]:
            del sys.modules[name]
        import chaukas
        enable()
        run("second")
        chaukas.disable_chaukas(5)
        run("third")
        print(Runner.run.__qualname__)
        """,
    )
    assert (done.code, done.out, done.error) == (0, "Runner.run\n", "")
    heard = [event for event in done.events if "INPUT_RECEIVED" in event["type"]]
    assert [event["message"]["text"] for event in heard] == ["first", "second"]
    kinds = done.kinds()
    for kind in ("SESSION", "AGENT", "MODEL_INVOCATION"):
        assert (kinds[f"{kind}_START"], kinds[f"{kind}_END"]) == (2, 2)


def test_a_module_of_chaukas_that_is_reloaded_records_on(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        """
        import importlib
        import chaukas.sdk
        enable()
        run("first")
        for module in (chaukas.sdk._runtime, chaukas.sdk, chaukas):
            importlib.reload(module)
        print(chaukas.enable_chaukas(output_file=FILE))
        run("second")
        """,
    )
    assert (done.code, done.out, done.error) == (0, "False\n", "")
    kinds = done.kinds()
    for kind, count in (("SESSION", 1), ("AGENT", 2), ("MODEL_INVOCATION", 2)):
        assert (kinds[f"{kind}_START"], kinds[f"{kind}_END"]) == (count, count)
