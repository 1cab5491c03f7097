"""
A map of chaukas for newcomers, held by the imports themselves.

Read `PARTS` from the top: each line is a part of the house, the floor it stands on,
its doors (modules that other parts may import) and its rooms (modules of its own).
Imports go to a lower floor, or to a door on the same one; never up, never into a
stranger's room, never in a circle.

The map serves the house, not the other way round: where it hinders a better design,
change it in the same commit and say why.

How imports count:

- at the top of a module: all rules.
- inside a function: all rules but the circle, since both modules are there by then.
- under `TYPE_CHECKING`: only the rule of the rooms. A part may name the type of what
  it is handed from above, as the recorder does with its pipeline.

Importing `chaukas.sdk.x` runs `chaukas/sdk/__init__.py`; that is Python's doing and
no import of the front door.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
AGENTS = "sdk.integrations.openai_agents_enhanced"


@dataclass(frozen=True)
class Part:
    """One part of the house."""

    name: str
    floor: int
    doors: str
    """Modules that other parts may import, below `chaukas`."""
    rooms: str = ""
    """Modules that only this part imports; a dot at the end means all inside."""


PARTS = (
    # Floor 0 knows nothing of the rest.
    Part("vocabulary", 0, "sdk.events sdk.errors sdk.typing sdk._version sdk._limits"),
    Part(
        "ports to machine",
        0,
        "sdk._clock sdk._event_log sdk._ids sdk._forks sdk._guard sdk._native "
        "sdk._bounded sdk._error_facts",
    ),
    Part("generated wire code", 0, "sdk._proto."),
    # Floor 1: pure parts, each with one question to answer.
    Part("wire form", 1, "sdk.mapping", "sdk._wire sdk._wire."),
    Part("hash chain", 1, "sdk.integrity", "sdk._chain sdk._recorded_line"),
    Part("prices", 1, "sdk.pricing sdk.totals"),
    Part("reading", 1, "sdk.prompts"),
    # Floor 2: what an event is made of, where it belongs.
    Part(
        "capture",
        2,
        # The redactor is asked by settings too: what it refuses is refused there.
        "sdk._snapshot sdk._facts sdk._redact",
        "sdk._blob sdk._budget sdk._joins sdk._kinds sdk._kinds_base "
        "sdk._kinds_fields sdk._kinds_values sdk._node sdk._plain sdk._redact_assigned "
        "sdk._redact_benign sdk._redact_commands sdk._redact_keys "
        "sdk._redact_languages sdk._redact_listed sdk._redact_makers "
        "sdk._redact_names sdk._redact_pairs sdk._redact_places "
        "sdk._redact_quoted sdk._redact_records sdk._redact_said sdk._redact_stream "
        "sdk._redact_tables sdk._redact_values sdk._redact_view sdk._scrub sdk._shrink",
    ),
    Part("settings", 2, "sdk.config", "sdk._settings sdk._reader sdk._setting_shown"),
    Part("context", 2, "sdk.context"),
    # Floor 3: making events. It is given its pipeline and never imports one.
    Part(
        "recording",
        3,
        "sdk.record sdk.retries sdk.sessions sdk.placement sdk.history",
    ),
    # Floor 4: getting encoded events out. It knows bytes, and no event.
    Part(
        "sinks",
        4,
        "sdk.sinks sdk.sinks.jsonl sdk.sinks.memory sdk.sinks.file sdk.sinks.http "
        "sdk.sinks.grpc sdk.sinks._answers sdk.sinks._disk sdk.sinks._probe "
        "sdk.sinks._tls",
        "sdk.sinks.",
    ),
    Part(
        "pipeline",
        4,
        "sdk.pipeline sdk.pipeline._survey sdk.pipeline._retry",
        "sdk.pipeline.",
    ),
    # Floor 5: putting wrappers around a stranger's functions.
    Part("patching", 5, "sdk.patching", "sdk._placed sdk._reloads"),
    # Floor 6: one part for each framework; they share the base.
    Part("integration base", 6, "sdk.integrations sdk.integrations.base"),
    Part("openai agents, public", 6, "sdk.integrations.openai_agents"),
    Part("openai agents, patched", 6, AGENTS, f"{AGENTS}."),
    Part("tenacity", 6, "sdk.integrations.tenacity"),
    # Floor 7: the one global, and what users call.
    Part(
        "front door",
        7,
        "sdk sdk.testing sdk._upkeep",
        "sdk.testing. sdk._runtime sdk._users_redact sdk.scope sdk._outputs",
    ),
    # Around the house: asks at its doors, and prints.
    Part("command line", 8, "cli", "cli."),
    # Hands names on, lazily and by a text, so it imports nothing.
    Part("the name", 8, "chaukas"),
    Part("the test kit's short name", 8, "testing"),
)

EDGES = {
    "click": "cli._main cli._doctor cli._say cli._settings cli._spool",
    "orjson": "sdk.record sdk.history sdk._recorded_line sdk._snapshot "
    "sdk._shrink cli._input cli._say "
    "sdk.sinks._envelope sdk.sinks.http sdk.testing._shelf "
    f"sdk.testing._desk {AGENTS}._extract",
    "urllib3": "sdk.sinks._connection",
    "grpc": "sdk.sinks.grpc sdk.testing._grpc_door sdk.testing._collector",
    "wrapt": "sdk.patching sdk._placed sdk._runtime sdk.integrations.openai_agents "
    f"{AGENTS}._streams {AGENTS}._spoken",
    "google": "sdk._wire.schema sdk._wire.tree sdk.sinks._verdicts sdk.testing._shelf",
    "genai_prices": "sdk.pricing",
    # For type checkers alone, which bring it with them.
    "typing_extensions": "sdk",
    "agents": f"sdk.integrations.openai_agents {AGENTS} {AGENTS}._run_facts",
}
"""Where each package of others may be imported; nowhere else, and no other package."""

LATE = frozenset({"agents", "genai_prices", "google"})
"""Packages that are imported inside functions only: heavy, or perhaps not there."""

FUNCTION_LINES = 60
MODULE_LINES = 600
LONG_MODULES: dict[str, int] = {}
"""Modules that may be longer, up to a limit of their own, and why."""

NO_ALL = frozenset(
    # Its names are those of `chaukas.sdk`, handed on by `__getattr__`.
    {"chaukas"}
)

UNLOADED = (
    "agents",
    "asyncio",
    "chaukas.sdk._proto",
    "chaukas.sdk.integrations",
    "click",
    "genai_prices",
    "google.protobuf",
    "grpc",
    "multiprocessing",
    "openai",
    "opentelemetry",
    "tenacity",
    "urllib3",
    "wrapt",
)
"""What `import chaukas.sdk` must not load."""

When = Literal["top", "late", "type"]


@dataclass(frozen=True)
class Import:
    """One imported module, and when it is imported."""

    target: str
    when: When


@dataclass(frozen=True, eq=False)
class Module:
    """One file of the package, parsed."""

    name: str
    path: Path
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        is_package = self.path.name == "__init__.py"
        return self.name if is_package else self.name.rpartition(".")[0]


@cache
def modules() -> dict[str, Module]:
    """All modules by name, below `chaukas`; generated code left out."""
    found = {}
    for path in sorted((ROOT / "chaukas").rglob("*.py")):
        parts = path.relative_to(ROOT / "chaukas").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "chaukas"
        if not name.startswith("sdk._proto"):
            text = path.read_text(encoding="utf-8")
            found[name] = Module(name, path, text, ast.parse(text))
    return found


@cache
def imports_of(module: Module) -> list[Import]:
    return [
        Import(target, when)
        for node, when in _import_nodes(module.tree, "top")
        for target in _targets(module, node)
    ]


def _import_nodes(
    tree: ast.AST, when: When
) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, when
        elif isinstance(node, ast.If) and _is_type_checking(node):
            yield from _import_nodes(ast.Module(node.body, []), "type")
            yield from _import_nodes(ast.Module(node.orelse, []), when)
        else:
            is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            is_late = is_function and when == "top"
            yield from _import_nodes(node, "late" if is_late else when)


def _is_type_checking(node: ast.If) -> bool:
    return ast.unparse(node.test) == "TYPE_CHECKING"


def _targets(module: Module, node: ast.Import | ast.ImportFrom) -> list[str]:
    """Full names of what is imported, `chaukas.` taken off our own."""
    if isinstance(node, ast.Import):
        return [alias.name.removeprefix("chaukas.") for alias in node.names]
    base = (node.module or "").removeprefix("chaukas.")
    if node.level:
        above = module.package.split(".")
        kept = above[: len(above) - node.level + 1]
        base = ".".join([*kept, base] if base else kept)
    inside = [f"{base}.{alias.name}" for alias in node.names]
    # `from . import x` and `from .x import name` look the same from outside.
    return [name if _is_ours(name) else base for name in inside]


def _is_ours(name: str) -> bool:
    return name in modules() or name.startswith("sdk._proto.")


def own_imports(module: Module, *whens: When) -> list[str]:
    """Other modules of ours that *module* imports, at one of these moments."""
    return [
        each.target
        for each in imports_of(module)
        if each.when in whens and _is_ours(each.target) and each.target != module.name
    ]


def part_of(name: str) -> Part:
    """The part that a module belongs to; the most exact entry counts."""
    best: tuple[int, Part] | None = None
    for part in PARTS:
        for entry in f"{part.doors} {part.rooms}".split():
            if name == entry or (entry.endswith(".") and name.startswith(entry)):
                length = len(entry) + (name == entry)
                if best is None or length > best[0]:
                    best = (length, part)
    assert best is not None, f"{name} stands in no part: add it to PARTS"
    return best[1]


def is_door(name: str) -> bool:
    return any(
        name == door or (door.endswith(".") and name.startswith(door))
        for door in part_of(name).doors.split()
    )


EVERY = pytest.mark.parametrize("name", modules())


# --- the map and the house -------------------------------------------------------


@EVERY
def test_a_module_stands_in_a_part(name: str) -> None:
    assert part_of(name) in PARTS


def test_the_map_names_no_module_that_is_gone() -> None:
    entries = " ".join(f"{part.doors} {part.rooms}" for part in PARTS).split()
    entries += " ".join(EDGES.values()).split()
    entries += [*LONG_MODULES, *NO_ALL]
    gone = [
        entry
        for entry in entries
        if not entry.startswith("sdk._proto")
        and not any(
            name == entry or (entry.endswith(".") and name.startswith(entry))
            for name in modules()
        )
    ]
    assert not gone


# --- imports ---------------------------------------------------------------------


@EVERY
def test_a_module_imports_from_its_floor_or_below(name: str) -> None:
    part = part_of(name)
    up = [
        target
        for target in own_imports(modules()[name], "top", "late")
        if part_of(target) is not part and part_of(target).floor > part.floor
    ]
    assert not up, f"{name} ({part.name}) imports upward"


@EVERY
def test_a_module_enters_other_parts_by_their_doors(name: str) -> None:
    part = part_of(name)
    trespass = [
        target
        for target in own_imports(modules()[name], "top", "late", "type")
        if part_of(target) is not part and not is_door(target)
    ]
    assert not trespass, f"{name} ({part.name}) imports a room of another part"


def _in_circles(graph: dict[str, set[str]]) -> set[str]:
    """What is left of a graph when all that can be built in order is built."""
    left = dict(graph)
    while built := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in built:
            del left[name]
    return set(left)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: set(own_imports(mod, "top")) for name, mod in modules().items()}
    assert not _in_circles(graph)


def test_no_parts_need_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {part.name: set() for part in PARTS}
    for name, module in modules().items():
        here = part_of(name).name
        graph[here] |= {part_of(t).name for t in own_imports(module, "top", "late")}
        graph[here].discard(here)
    assert not _in_circles(graph)


def test_a_circle_would_be_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set[str]()}
    assert _in_circles(graph) == {"a", "b", "c", "d"}


@EVERY
def test_packages_of_others_are_imported_at_their_edge_only(name: str) -> None:
    strangers = [
        (each.target.partition(".")[0], each.when)
        for each in imports_of(modules()[name])
        if not _is_ours(each.target) and each.target.partition(".")[0] != "chaukas"
    ]
    for package, when in strangers:
        if package in sys.stdlib_module_names:
            continue
        assert name in EDGES.get(package, "").split(), f"{name} imports {package}"
        assert package not in LATE or when != "top", f"{name} loads {package} at once"


def test_importing_the_front_door_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, chaukas, chaukas.sdk\n"
        f"heavy = [name for name in {UNLOADED!r} if name in sys.modules]\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_integrations_import_without_their_frameworks(tmp_path: Path) -> None:
    names = [
        f"chaukas.{name}" for name in modules() if name.startswith("sdk.integrations")
    ]
    code = (
        "import importlib, sys\n"
        "for gone in ('agents', 'openai', 'mcp', 'tenacity', 'genai_prices'):\n"
        "    sys.modules[gone] = None\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --- what a module shows ---------------------------------------------------------


def _all_of(module: Module) -> list[str] | None:
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(ast.unparse(target) == "__all__" for target in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            assert node.value is not None
            return list(ast.literal_eval(node.value))
    return None


def _bound_names(tree: ast.Module) -> set[str]:
    """Names that a module defines or imports at its top."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        else:
            names |= {
                child.id
                for child in ast.walk(node)
                if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
            }
            names |= {
                alias.asname or alias.name
                for child in ast.walk(node)
                if isinstance(child, ast.ImportFrom)
                for alias in child.names
            }
    return names


def _public_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Public functions, classes and methods with their dotted names."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node.name, node
            for child in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(child, kinds) and not child.name.startswith("_"):
                    yield f"{node.name}.{child.name}", child


@EVERY
def test_all_lists_what_is_there_once(name: str) -> None:
    listed = _all_of(modules()[name])
    if name in NO_ALL:
        assert listed is None
        return
    assert listed is not None, f"{name} has no __all__"
    assert len(listed) == len(set(listed))
    assert set(listed) <= _bound_names(modules()[name].tree)


@EVERY
def test_all_lists_every_public_function_and_class(name: str) -> None:
    listed = set(_all_of(modules()[name]) or ())
    defined = {
        public
        for public, _ in _public_definitions(modules()[name].tree)
        if "." not in public
    }
    assert name in NO_ALL or not defined - listed


@EVERY
def test_public_names_and_modules_have_docstrings(name: str) -> None:
    tree = modules()[name].tree
    assert ast.get_docstring(tree), f"{name} does not say what it is for"
    bare = [
        public
        for public, node in _public_definitions(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and not ast.get_docstring(node)
        and not any("overload" in ast.unparse(d) for d in node.decorator_list)
    ]
    assert not bare


# --- size ------------------------------------------------------------------------


@EVERY
def test_a_function_fits_on_a_screen(name: str) -> None:
    long = {
        node.name: length
        for node in ast.walk(modules()[name].tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    }
    assert not long


@EVERY
def test_a_module_is_read_in_one_sitting(name: str) -> None:
    lines = len(modules()[name].text.splitlines())
    assert lines <= LONG_MODULES.get(name, MODULE_LINES)
    # An allowance that is no longer needed goes.
    assert name not in LONG_MODULES or lines > MODULE_LINES
