"""
The documents say what the code does: examples, tables, commands and links.

A document that nobody checks is wrong after the third change; here it fails a test.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.testing import CliRunner

from chaukas.cli import main as command
from chaukas.sdk import integrity, wire
from chaukas.sdk._version import VERSION
from chaukas.sdk.config import RETRY_SETTINGS, SETTINGS
from chaukas.sdk.events import TRAITS, EventType
from chaukas.sdk.integrations import INTEGRATIONS
from chaukas.sdk.wire.proto import events_pb2
from tests.support.recordings import story

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ROOT / "docs" / "EVENTS.md"
CONFIGURATION = ROOT / "docs" / "CONFIGURATION.md"
NOT_YET = "**Not recorded by the OpenAI Agents integration yet"
FRAME = "Fields of every event"
EMPTY = "Fields that this version leaves empty"

DOCUMENTS = tuple(
    path
    for path in sorted(ROOT.rglob("*.md"))
    # Environments and caches hold documents of others.
    if not any(
        part.startswith(".") or part == "node_modules"
        for part in path.relative_to(ROOT).parts
    )
)
"""Every document of the project."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def sections() -> dict[str, str]:
    """The sections of EVENTS.md by their headings."""
    parts = re.split(r"^#+ (.+)$", text_of(EVENTS), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def fields_in(section: str) -> list[str]:
    """The field paths in the first columns of a section's tables."""
    rows = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return [path for row in rows for path in re.findall(r"`([^`]+)`", row)]


def documented(kind: EventType) -> list[str]:
    return fields_in(sections()[FRAME]) + fields_in(sections()[kind.name])


@cache
def example(kind: EventType) -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", sections()[kind.name], re.DOTALL)
    assert found is not None, f"{kind.name} has no example"
    event = json.loads(found[1])
    assert isinstance(event, dict)
    return event


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return story()


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script docs/generate.py, as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return import_module("generate")


def paths_of(value: Any, prefix: str = "") -> list[str]:
    """The paths of the leaves of a JSON object; lists count as leaves."""
    if type(value) is not dict or not value:
        return [prefix]
    return [
        path
        for key, item in value.items()
        for path in paths_of(item, f"{prefix}.{key}" if prefix else key)
    ]


def is_covered(path: str, by: list[str]) -> bool:
    """Whether *path* or one of its parents is among the documented paths."""
    return any(path == field or path.startswith(f"{field}.") for field in by)


def is_known_to_proto(path: str) -> bool:
    message = events_pb2.Event.DESCRIPTOR
    first, *rest = path.split(".")
    for number, part in enumerate((first, *rest)):
        field = message.fields_by_name.get(part)
        if field is None:
            return False
        if field.message_type is None:
            # A plain value has nothing inside.
            return number == len(rest)
        if field.message_type.full_name.startswith("google.protobuf."):
            # A tree or a time: its inside is not the proto's business.
            return True
        message = field.message_type
    return True


def fields_of_the_proto() -> set[str]:
    found = set()
    for field in events_pb2.Event.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is None or inner.full_name.startswith("google.protobuf."):
            found.add(field.name)
        else:
            found |= {f"{field.name}.{each.name}" for each in inner.fields}
    return found


# --- generated blocks ------------------------------------------------------------


@pytest.mark.slow
def test_the_generated_blocks_are_what_the_code_generates_now() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_names_a_block_that_was_changed(
    generate: Any,
) -> None:
    text = "<!-- generated: settings -->\nold\n<!-- end -->\n"
    wanted = generate.rewritten(text, {"settings": "new\n"})
    assert wanted == "<!-- generated: settings -->\nnew\n<!-- end -->\n"
    assert generate._different(text, wanted) == ["settings"]


# --- EVENTS.md: types and examples -----------------------------------------------


@pytest.mark.parametrize("kind", EventType)
def test_every_type_has_its_section(kind: EventType) -> None:
    assert kind.name in sections()
    assert kind.value in dict(events_pb2.EventType.items())


def test_no_section_is_about_a_type_that_does_not_exist() -> None:
    named = {name for name in sections() if re.fullmatch("[A-Z][A-Z_]+", name)}
    assert named == {kind.name for kind in EventType}


@pytest.mark.parametrize("kind", EventType)
def test_an_example_is_of_its_type(kind: EventType) -> None:
    assert example(kind)["type"] == kind.value
    assert example(kind)["author"] == TRAITS[kind].author


@pytest.mark.parametrize("kind", EventType)
def test_an_example_is_a_message_and_back(kind: EventType) -> None:
    message = wire.to_message(example(kind))
    data = message.SerializeToString()
    again = wire.from_message(events_pb2.Event.FromString(data))
    assert again == example(kind)


@pytest.mark.parametrize("kind", EventType)
def test_an_example_gives_its_own_hash(kind: EventType) -> None:
    assert integrity.content_hash(example(kind)) == example(kind)["content_hash"]


@pytest.mark.parametrize(
    "start", [kind for kind in EventType if kind.name.endswith("_START")]
)
def test_the_examples_of_a_pair_are_one_pair(start: EventType) -> None:
    end = EventType[start.name.replace("_START", "_END")]
    assert example(start)["span_id"] == example(end)["span_id"]
    assert example(start)["timestamp"] < example(end)["timestamp"]


def test_the_story_behind_the_examples_is_one_unbroken_chain(
    events: list[dict[str, Any]],
) -> None:
    report = integrity.verify(json.dumps(event).encode() for event in events)
    assert report.ok, report.problem
    assert report.events == len(events)


# --- EVENTS.md: fields -----------------------------------------------------------


@pytest.mark.parametrize("kind", EventType)
def test_every_field_that_is_named_exists(kind: EventType) -> None:
    wrong = [path for path in documented(kind) if not is_known_to_proto(path)]
    assert not wrong


@pytest.mark.parametrize("kind", EventType)
def test_every_field_of_an_example_is_described(kind: EventType) -> None:
    missing = [
        path
        for path in paths_of(example(kind))
        if not is_covered(path, documented(kind))
    ]
    assert not missing


def test_every_field_of_the_whole_story_is_described(
    events: list[dict[str, Any]],
) -> None:
    missing = {
        (event["type"], path)
        for event in events
        for path in paths_of(event)
        if not is_covered(path, documented(EventType(event["type"])))
    }
    assert not missing


def test_every_field_of_the_proto_is_described_or_said_to_be_empty() -> None:
    named = {path for text in sections().values() for path in fields_in(text)}
    silent = {
        field
        for field in fields_of_the_proto()
        if not any(is_covered(field, [n]) or is_covered(n, [field]) for n in named)
    }
    assert not silent


def test_no_field_that_is_said_to_be_empty_is_ever_written(
    events: list[dict[str, Any]],
) -> None:
    empty = fields_in(sections()[EMPTY])
    assert empty
    assert not [path for path in empty if not is_known_to_proto(path)]
    written = {path for event in events for path in paths_of(event)}
    assert not {path for path in written if is_covered(path, empty)}


# --- EVENTS.md: what leads to which event ----------------------------------------


def test_a_type_that_no_patch_emits_is_said_not_to_be_recorded_yet(
    generate: Any,
) -> None:
    emitted = {name for patch in generate.patches() for name in patch.emits}
    assert emitted <= set(EventType.__members__)
    # What the runtime says of itself needs no patch.
    emitted.add("SYSTEM")
    honest = {kind.name for kind in EventType if NOT_YET in sections()[kind.name]}
    assert honest == set(EventType.__members__) - emitted


def test_every_patch_of_every_integration_is_in_the_table(
    generate: Any,
) -> None:
    table = text_of(EVENTS).partition("<!-- generated: moments -->")[2]
    for patch in generate.patches():
        # Some only prepare what another records.
        events = ", ".join(patch.emits) or "-"
        assert f"| `{patch.target.replace(':', '.')}` | {events} |" in table
    assert len(INTEGRATIONS) >= 4


# --- CONFIGURATION.md ------------------------------------------------------------


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_every_setting_is_in_the_document(row: Any) -> None:
    text = text_of(CONFIGURATION)
    assert f"| `{row.name}` |" in text
    for variable in row.env:
        assert f"`{variable}`" in text


@cache
def _attributes_in_use() -> set[str]:
    """Names that some module reads, other than those that read the settings."""
    return {
        node.attr
        for path in (ROOT / "chaukas").rglob("*.py")
        if path.parent.name != "config"
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Attribute)
    }


def test_settings_without_effect_are_named_and_no_others() -> None:
    unused = {row.name for row in SETTINGS} - {
        row.name for row in SETTINGS if row.target in _attributes_in_use()
    }
    text = text_of(CONFIGURATION).partition("### Without effect in this version")[2]
    listed = text.partition(": `")[2].partition(". An")[0]
    assert set(re.findall(r"`?(\w+)`", listed)) == unused


def test_the_keys_of_retry_config_that_are_in_use_are_named() -> None:
    in_use = {row.name for row in RETRY_SETTINGS if row.target in _attributes_in_use()}
    text = text_of(CONFIGURATION).partition("In this version `")[2]
    assert set(re.findall(r"(\w+)`", text.partition(" is used")[0])) == in_use


# --- what a reader can run -------------------------------------------------------

BLOCK = re.compile(
    r"(?P<mark><!-- no-run: [^\n]+ -->\n\n?)?^```python\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
SNIPPETS = [
    pytest.param(found["code"], id=f"{name_of(path)}-{number}")
    for path in DOCUMENTS
    for number, found in enumerate(BLOCK.finditer(text_of(path)), 1)
    if found["mark"] is None
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_of_python_runs_as_it_stands(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def commands_in(path: Path) -> list[str]:
    flags = re.MULTILINE | re.DOTALL
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```", text_of(path), flags))
    # What is quoted is an argument, whatever signs are in it.
    text = re.sub(r"'[^'\n]*'", "QUOTED", text)
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [part.strip() for line in lines for part in re.split(r"&&|\|", line) if part]


def exists(words: list[str]) -> bool:
    """Whether a command names only files, modules and commands that are there."""
    program, *rest = words
    if program == "chaukas":
        return rest[0] in command.list_commands(Context(command))
    if program == "pip":
        return rest[0] == "install"
    if program.endswith(("python", "python3")):
        if rest[0] == "-m":
            return rest[1] in {"pip", "venv", "pytest", "ruff", "mypy"}
        return (ROOT / rest[0]).is_file()
    return program in {"jq", "sort", "uniq", "git", "cd"} or (ROOT / program).is_file()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_the_commands_in_a_document_exist(path: Path) -> None:
    wrong = [line for line in commands_in(path) if line and not exists(line.split())]
    assert not wrong


def test_the_unit_and_the_image_of_a_collector_run_commands_that_exist() -> None:
    blocks = re.findall(
        r"^```(?:ini|dockerfile)\n(.*?)^```",
        text_of(ROOT / "docs" / "COLLECTOR.md"),
        re.MULTILINE | re.DOTALL,
    )
    text = "\n".join(blocks).replace('", "', " ")
    found = re.findall(r"chaukas (collector \w+ .*?)\W*$", text, re.MULTILINE)
    assert [line.split()[1] for line in found] == ["run", "key", "run"]
    for line in found:
        # Unknown options are refused before the help is shown.
        done = CliRunner().invoke(command, [*line.split(), "--help"])
        assert done.exit_code == 0, done.output


def test_the_readme_installs_runs_an_example_and_the_tests() -> None:
    commands = commands_in(ROOT / "README.md")
    assert any("pip install -e" in line for line in commands)
    assert any(line.endswith("examples/quickstart.py") for line in commands)
    assert any(line.endswith("-m pytest -n auto") for line in commands)


# --- links, names, versions ------------------------------------------------------


def anchors_of(path: Path) -> set[str]:
    """The anchors of a document, as they are made of its headings."""
    heads = re.findall(r"^#+ (.+)$", text_of(path), flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", head.lower()) for head in heads)
    return {head.replace(" ", "-") for head in kept}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(path: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        is_there = file.exists() and (not anchor or anchor in anchors_of(file))
        if not is_there or not file.is_relative_to(ROOT):
            dead.append(link)
    assert not dead


def files_of_the_project() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name]
    skipped = {".venv", ".git", "__pycache__", "node_modules"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not skipped & set(path.relative_to(ROOT).parts)
    ]


# In parts, since this file is searched too.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "com"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("anaconda", "org"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
    )
)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    found = []
    for path in files_of_the_project():
        if not path.is_file():
            continue
        data = path.read_bytes().lower()
        found += [(name_of(path), host) for host in HOSTS if host.encode() in data]
    assert not found


def test_the_changelog_tells_of_this_version() -> None:
    assert f"## {VERSION}" in text_of(ROOT / "CHANGELOG.md")
