"""`chaukas view`: the record as a page in the browser."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import click

from .output import say
from .settings import loaded_with

__all__ = ("view",)

_UNREAD = 2
_NEEDED = ("starlette", "uvicorn")


@click.command()
@click.argument("source", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port on the loopback interface; 0 is any free one.",
)
@click.option("--no-open", is_flag=True, help="Print the address only.")
def view(source: tuple[Path, ...], *, port: int | None, no_open: bool) -> None:
    """
    Show a record as a page in the browser.

    SOURCE is a file, a folder with rotated files, or a spool; without it, the file
    that is configured. The page is served on the loopback interface only, to the one
    who has the address, and needs no other network. Ctrl-C ends it.

    Exit code 2: the record cannot be read, the port is in use, or the page cannot be
    built.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        _end(
            f"the page needs {' and '.join(missing)}, which is not installed here."
            " Install it with: pip install 'chaukas-sdk[view]'"
        )
    from chaukas.viewer import build

    try:
        build.build(say)
    except build.BuildError as error:
        if not build.is_built():
            _end(str(error))
        say(f"chaukas: an older page is shown: {error}", err=True)
    _serve(source, port=port, opens_browser=not no_open)


def _serve(paths: tuple[Path, ...], *, port: int | None, opens_browser: bool) -> None:
    from chaukas.query import UnreadableError, open_source
    from chaukas.viewer.serve import PortTakenError, serve

    try:
        source = open_source(paths or [_configured()])
        serve(source, port=port, opens_browser=opens_browser, say=say)
    except UnreadableError as error:
        _end(str(error))
    except PortTakenError as error:
        _end(f"{error}. Name another one, or 0 for any: chaukas view --port 0")


def _configured() -> Path:
    """Return the file that an application with these settings writes."""
    return loaded_with(()).config.output_file


def _end(sentence: str) -> None:
    say(f"chaukas: {sentence}", err=True)
    sys.exit(_UNREAD)
