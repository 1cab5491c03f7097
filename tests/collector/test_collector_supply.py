"""S24: what a collector is made of. S22: what it gives to be saved."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from chaukas.cli.ask.table import csv_line

ROOT = Path(__file__).resolve().parents[2]
CORE = {
    "click", "genai-prices", "orjson", "grpcio", "rich", "protobuf", "urllib3", "wrapt",
}  # fmt: skip
SERVER = {"opentelemetry-proto", "starlette", "uvicorn", "zstandard"}
PARTS = ("collector", "store", "viewer", "query")


def declared(extra):
    """Return the names of the packages that are installed for an extra, or always."""
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    always = project["dependencies"]
    lines = project["optional-dependencies"][extra] if extra else always
    return {re.split(r"[<>=!~\[ ]", line)[0].lower() for line in lines}


def imported(path):
    """Return the top names that a module imports, and the names that it calls."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return names, calls


def test_s24_nothing_is_installed_but_what_is_declared():
    assert declared("") == CORE
    assert declared("collector") == SERVER


def test_s24_the_server_imports_only_what_is_declared():
    owners = packages_distributions()
    found = set()
    for part in PARTS:
        for path in (ROOT / "chaukas" / part).rglob("*.py"):
            found |= imported(path)[0]
    others = found - set(sys.stdlib_module_names) - {"chaukas"}
    packages = {name.lower() for top in others for name in owners[top]}
    # google is the namespace of protobuf, opentelemetry that of many.
    packages -= {"googleapis-common-protos"}
    packages -= {name for name in packages if name.startswith("opentelemetry-")}
    assert packages <= CORE | SERVER | {"duckdb"}


def test_s19_nothing_that_runs_what_it_reads_is_used():
    for part in PARTS:
        for path in (ROOT / "chaukas" / part).rglob("*.py"):
            names, calls = imported(path)
            wrong = {"pickle", "yaml", "marshal", "shelve", "dill", "xml"} & names
            assert not wrong | ({"eval", "exec", "compile", "__import__"} & calls), path


@pytest.mark.parametrize("start", list("=+-@\t\r"))
def test_s22_no_cell_is_a_formula(start):
    for text in (f"{start}1+1", f"{start}cmd|' /C calc'!A0", start):
        (cell,) = csv_line([text]).strip('"').split("\n")[:1]
        assert cell.startswith("'")
    # A number is one.
    assert csv_line([-1, "a"]) == "-1,a"
