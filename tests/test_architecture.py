"""
The layout of chaukas, held by the imports themselves.

Read `PARTS` from the top: each line is a level, and the packages or modules on it.
A module imports from a lower level, or from its own part; never upward, never from
another part on the same level, and never in a circle, be it one of types only.

It is a map that a newcomer can read, not a corset: where it hinders a better design,
change it in the same commit and say why.

How imports count:

- at the top of a module: all rules.
- inside a function: all rules but the circle, since both modules are there by then.
- under `TYPE_CHECKING`: the circle, a private module of another package, and a part of
  a higher level; parts of one level may speak of each other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.support.groups import for_each

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

PARTS: tuple[str, ...] = (
    # The words of the spec, the machine, what a file or a wire holds, and which
    # integrations there are.
    "sdk.errors sdk.events sdk.typing sdk._version sdk.system sdk.prompts",
    "sdk.wire sdk.patching sdk.capture sdk.integrations",
    "sdk.mapping sdk.integrity sdk.config sdk.ingest",
    # Making events. The recorder is given its pipeline and never imports one.
    "sdk.record",
    # Getting encoded events out: they know bytes, and no event. What every integration
    # is, and what those of several frameworks share: they know events, and no bytes.
    "sdk.sinks",
    # Beside them what integrations are, and what all frameworks' are built on.
    "sdk.pipeline sdk.integrations.base",
    "sdk.delivery sdk.integrations.shared",
    # One part for each framework or library; they share what is below.
    (
        "sdk.integrations.openai_agents sdk.integrations.openai_client "
        "sdk.integrations.mcp_client sdk.integrations.tenacity "
        "sdk.integrations.crewai sdk.integrations.google_adk"
    ),
    # The one global, and what users call.
    "sdk.integrations.openai_agents_enhanced+sdk+sdk._runtime+sdk._session+sdk.testing+sdk.maintenance",
    # Reading a record, in no recorded process: where its events are kept and indexed,
    # and what can be asked about them.
    "store",
    "query",
    # The page of a record, and its server.
    "viewer",
    # The server that takes events and answers about them: store, queries and page.
    "collector",
    # What asks a record or a recorder, and prints; and names handed on lazily.
    "cli+chaukas testing",
)
"""The levels from the lowest up; parts on a level by a space, one part by a plus."""

EDGES = {
    "starlette": (
        "viewer.access viewer.api viewer.app viewer.export viewer.files viewer.follow "
        "viewer.guard viewer.record viewer.serve "
        "collector.web.guard collector.web.http collector.web.sign_in "
        "collector.reading.queries collector.otlp.routes collector.server"
    ),
    "uvicorn": "viewer.serve collector.server collector.web.connections",
    "zstandard": "collector.bodies.expand",
    "click": (
        "cli.commands cli.doctor cli.named cli.output cli.settings cli.spool "
        "cli.ask.export "
        "cli.ask.label cli.ask.lists cli.ask.mcp cli.ask.run cli.ask.source "
        "cli.ask.summary cli.ask.tail cli.ask.tree cli.ask.verify cli.ask.view "
        "cli.collector cli.collector.keys cli.collector.options cli.collector.run "
        "cli.collector.quotas cli.collector.recover cli.collector.upkeep"
    ),
    "rich": "cli.bars cli.ask.table cli.ask.tail",
    "mcp": "cli.mcp_server",
    "duckdb": "cli.ask.export",
    "orjson": (
        "sdk.record.recorder sdk.record.history sdk.integrity.recorded_line "
        "sdk.capture.snapshot sdk.capture.size cli.input cli.output "
        "sdk.sinks.collector.envelope sdk.sinks.collector.http "
        "sdk.ingest.verdict sdk.ingest.bodies sdk.testing.collector.rules "
        "sdk.integrations.shared.model_facts sdk.integrations.shared.read "
        "sdk.capture.held sdk.integrations.shared.openai_api.frozen "
        "sdk.sinks.otlp.mapping.conversation sdk.sinks.otlp.mapping.join "
        "sdk.sinks.otlp.mapping.messages "
        "sdk.sinks.otlp.sink "
        "query.answers query.labels query.remote.client query.remote.source "
        "cli.ask.export cli.mcp_server store.facts "
        "collector.web.guard collector.web.http collector.reading.queries "
        "collector.logs collector.access.keys collector.upkeep.administration "
        "collector.bodies.decode collector.otlp.answers collector.otlp.attributes "
        "collector.otlp.reading collector.otlp.received store.cursor "
        "store.sqlite.rows store.files.index"
    ),
    "urllib3": "sdk.sinks.collector.connection",
    "grpc": (
        "sdk.sinks.collector.grpc sdk.sinks.otlp.grpc "
        "sdk.testing.collector.grpc_server "
        "sdk.testing.collector.server collector.rpc collector.server"
    ),
    "wrapt": (
        "sdk.patching sdk.patching.awaited sdk.patching.placed sdk._runtime "
        "sdk.integrations.openai_agents.compat.hooks "
        "sdk.integrations.shared.streams"
    ),
    "google": (
        "sdk.wire.schema sdk.wire.trees sdk.sinks.collector.verdicts "
        "sdk.sinks.collector.retry_after "
        "sdk.ingest.bodies collector.reading.queries collector.otlp.received"
    ),
    "opentelemetry": "sdk.sinks.otlp.encode sdk.sinks.otlp.provider",
    "genai_prices": "sdk.record.pricing",
    # For type checkers alone, which bring it with them.
    "typing_extensions": "sdk",
    "agents": (
        "sdk.integrations.openai_agents.compat.hooks "
        "sdk.integrations.openai_agents "
        "sdk.integrations.openai_agents.runs.facts"
    ),
}
"""Where each package of others may be imported; nowhere else, and no other package."""

LATE = frozenset(
    {"agents", "duckdb", "genai_prices", "google", "opentelemetry", "rich", "zstandard"}
)
"""Packages that are imported inside functions only: heavy, or perhaps not there."""

FUNCTION_LINES = 60
MODULE_LINES = 600
FOLDER_MODULES = 15
LEVELS = 14
"""Nine for what a recorded process loads, five for those who keep and read it."""
LONG_MODULES: dict[str, int] = {}
"""Modules that may be longer, up to a limit of their own, and why."""

NO_ALL = frozenset(
    # Its names are those of `chaukas.sdk`, handed on by `__getattr__`.
    {"chaukas"}
)

UNLOADED = (
    "agents",
    "asyncio",
    "chaukas.sdk.capture.redaction",
    "chaukas.sdk.capture.snapshot",
    "chaukas.sdk.wire.proto",
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
        if not name.startswith("sdk.wire.proto"):
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
    return name in modules() or name.startswith("sdk.wire.proto.")


def own_imports(module: Module, *whens: When) -> list[str]:
    """Other modules of ours that *module* imports, at one of these moments."""
    return [
        each.target
        for each in imports_of(module)
        if each.when in whens and _is_ours(each.target) and each.target != module.name
    ]


@cache
def levels() -> dict[str, tuple[int, str]]:
    """Each entry of `PARTS`, with its level and the part that it belongs to."""
    return {
        entry: (level, part)
        for level, line in enumerate(PARTS)
        for part in line.split()
        for entry in part.split("+")
    }


def part_of(name: str) -> tuple[int, str]:
    """Level and part of a module; the most exact entry counts."""
    entry = name
    while entry not in levels():
        entry, dot, _ = entry.rpartition(".")
        assert dot, f"{name} is in no part: add it to PARTS"
    return levels()[entry]


EVERY = for_each(modules())


# --- the map and the folders -----------------------------------------------------


@EVERY
def test_a_module_belongs_to_a_part(name: str) -> None:
    assert part_of(name)[1]


def test_the_map_names_no_module_that_is_gone() -> None:
    entries = [*levels(), *" ".join(EDGES.values()).split(), *LONG_MODULES, *NO_ALL]
    assert not [entry for entry in entries if entry not in modules()]


def test_there_are_not_too_many_levels() -> None:
    assert len(PARTS) <= LEVELS


def test_a_folder_is_seen_at_a_glance() -> None:
    folders = Counter(
        module.path.parent
        for module in modules().values()
        if module.path.name != "__init__.py"
    )
    assert not {str(f): n for f, n in folders.items() if n > FOLDER_MODULES}


# --- imports ---------------------------------------------------------------------


@EVERY
def test_a_module_imports_from_its_own_part_or_from_below(name: str) -> None:
    level, part = part_of(name)
    wrong = [
        target
        for target in own_imports(modules()[name], "top", "late")
        if part_of(target)[1] != part and part_of(target)[0] >= level
    ]
    assert not wrong, f"{name} ({part}) imports upward or sideways"


@EVERY
def test_a_module_names_no_type_of_a_higher_level(name: str) -> None:
    level, part = part_of(name)
    wrong = [
        target
        for target in own_imports(modules()[name], "type")
        if part_of(target)[1] != part and part_of(target)[0] > level
    ]
    assert not wrong, f"{name} ({part}) names a type of a higher level"


@EVERY
def test_a_private_module_is_imported_in_its_own_package_only(name: str) -> None:
    wrong = [
        target
        for target in own_imports(modules()[name], "top", "late", "type")
        for package, _, leaf in [target.rpartition(".")]
        if leaf.startswith("_")
        and not f"{name}.".startswith(f"{package}.")
        and leaf != "_version"
    ]
    assert not wrong, f"{name} imports a private module of another package"


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


def test_no_modules_name_each_others_types_in_a_circle() -> None:
    graph = {
        name: set(own_imports(module, "top", "type"))
        for name, module in modules().items()
    }
    assert not _in_circles(graph)


def test_no_parts_need_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {part: set() for _, part in levels().values()}
    for name, module in modules().items():
        here = part_of(name)[1]
        graph[here] |= {part_of(t)[1] for t in own_imports(module, "top", "late")}
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


def test_importing_chaukas_loads_nothing_heavy(tmp_path: Path) -> None:
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
        "for gone in ('agents', 'crewai', 'openai', 'mcp', 'tenacity',\n"
        "             'genai_prices'):\n"
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
