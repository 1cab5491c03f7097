"""`chaukas view`: the record as a page in the browser."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

import click

from chaukas.cli.output import say
from chaukas.query import Source

from .source import fail, opened, read, source_argument

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("page_trouble", "require_page", "view")

_NEEDED: Final = ("starlette", "uvicorn")


@click.command()
@source_argument
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port on the loopback interface; 0 is any free one.",
)
@click.option("--no-open", is_flag=True, help="Print the address only.")
def view(source: tuple[Path | str, ...], *, port: int | None, no_open: bool) -> None:
    """
    Show a record as a page in the browser.

    The page is served on the loopback interface only, to the one who has the address,
    and needs no other network, but for a collector that is SOURCE. It follows a record
    that is still written. Ctrl-C ends it.

    Exit code 2: the record cannot be read, the port is in use, or the page is not
    there and cannot be built.
    """
    require_page()
    from chaukas.viewer.serve import PortTakenError, serve

    with opened(source) as found:
        if not isinstance(found, Source):
            # Files are read while the page is shown; a collector answers or does not.
            read(found)
        try:
            serve(found, port=port, opens_browser=not no_open, say=say)
        except PortTakenError as error:
            fail(f"{error}. Name another one, or 0 for any: chaukas view --port 0")


def require_page() -> None:
    """End the command if the page cannot be had; build it if it is not built."""
    trouble = page_trouble()
    if trouble:
        fail(trouble)


def page_trouble() -> str:
    """Build the page if it is not built; return why there is none, empty if it is."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return (
            f"the page needs {' and '.join(missing)}: not installed here."
            " Install with: pip install 'chaukas-sdk[view]'"
        )
    from chaukas.viewer import build

    try:
        build.build(_report)
    except build.BuildError as error:
        if not build.is_built():
            return str(error)
        _report(f"chaukas: an older page is shown: {error}")
    return ""


def _report(text: str) -> None:
    # The output may be the answer to a program.
    say(text, err=True)
