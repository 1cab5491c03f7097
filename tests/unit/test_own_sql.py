"""The tables for those who bring their own SQL, and the questions of docs/VIEWER.md."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from chaukas.cli import main
from chaukas.cli.ask.export import TABLES
from tests.support.command_line import command_line
from tests.support.records import event, lines, run

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "VIEWER.md").read_text("utf-8")
BLOCK = TEXT.partition("<!-- questions -->")[2].partition("<!-- end -->")[0]
QUESTIONS = dict(re.findall(r"^\| ([^|]+) \| `(.+)` \|$", BLOCK, re.MULTILINE))

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "cost per tenant and day": [
        ("acme", "2026-01-01", 0.75), ("globex", "2026-01-01", None),
    ],
    "p95 per tool": [("lookup", 590.0, 0), ("refund", 300.0, 0)],
    "most frequent errors": [("LookupError", "no order #", 2)],
    "which runs retried, and how they ended": [("b2", 1, "failed")],
    "the conversation of a session": [
        ("user", "Where is my order?"), ("assistant", "It is on its way."),
        ("user", "And now?"), ("assistant", "It is on its way."),
    ],
    "who handed over to whom": [("desk", "billing", 1)],
    "tokens by model": [("gpt-4o", 200, 20), ("own", 100, 10)],
    "p95 of a run per tenant": [("acme", 1000.0), ("globex", 1000.0)],
    "failed runs of an hour": [("b2", "LookupError: no order 8")],
    "calls of unknown price": [("own", 1)],
}  # fmt: skip


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Export a record of three runs, in the folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    errors = [
        event("ERROR", 60 + n, id=f"e{n}", trace_id="b2", status="FAILED", error={
            "error_code": "LookupError", "error_message": f"no order {n}"})
        for n in (7, 8)
    ]  # fmt: skip
    retry = event("RETRY", 61, trace_id="b2", retry={"attempt": 1})
    handoff = event("AGENT_HANDOFF", 62, trace_id="b2", agent_handoff={
        "from_agent_name": "desk", "to_agent_name": "billing"})  # fmt: skip
    events = [
        *run("a1", cost=0.5, tool_ms=600),
        *run("b2", 60, cost=0.25, outcome="failed", input="And now?", tool_ms=400),
        *errors,
        retry,
        handoff,
        *run("c3", 90, tenant="globex", session="c", tool="refund", model="own",
             cost=None),
    ]  # fmt: skip
    events[-5]["llm_invocation"]["total_tokens"] = 110
    record = tmp_path / "events.jsonl"
    record.write_bytes(b"".join(lines(events)))

    def exported(*arguments: object) -> Path:
        called = ["export", record, *arguments]
        result = command_line().invoke(main, [str(one) for one in called])
        assert result.exit_code == 0, result.stderr
        return tmp_path

    return exported


def test_there_are_ten_questions_and_their_answers() -> None:
    assert len(QUESTIONS) == 10
    assert QUESTIONS.keys() == ANSWERS.keys()


def test_each_question_is_one_line_of_sql_over_parquet(
    export: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export("--format", "parquet", "-o", tmp_path / "tables")
    monkeypatch.chdir(tmp_path / "tables")
    found = {}
    with duckdb.connect() as duck:
        for question, statement in QUESTIONS.items():
            rows = duck.execute(statement).fetchall()
            found[question] = [tuple(map(_plain, row)) for row in rows]
    assert found == ANSWERS


def test_the_same_questions_are_answered_by_sqlite(
    export: Callable[..., Path], tmp_path: Path
) -> None:
    export("--format", "sqlite", "-o", tmp_path / "record.db")
    statements = {
        "cost per tenant and day": "SELECT tenant_id, day, sum(cost_usd)"
        " FROM model_calls GROUP BY 1, 2 ORDER BY 1, 2",
        "most frequent errors": "SELECT code, cause, count(*) FROM troubles"
        " WHERE kind = 'error' GROUP BY 1, 2 ORDER BY 3 DESC",
        "tokens by model": "SELECT model, sum(input_tokens), sum(output_tokens)"
        " FROM model_calls GROUP BY 1 ORDER BY 1",
        "who handed over to whom": "SELECT from_agent, to_agent, count(*)"
        " FROM handoffs GROUP BY 1, 2",
    }
    for question in (
        "which runs retried, and how they ended",
        "the conversation of a session",
        "calls of unknown price",
    ):
        statement = QUESTIONS[question].replace(".parquet", "").replace("ALL", "1")
        statements[question] = re.sub(r"'(\w+s)'", r"\1", statement, count=1)
    connection = sqlite3.connect(tmp_path / "record.db")
    found = {
        question: connection.execute(statement).fetchall()
        for question, statement in statements.items()
    }
    connection.close()
    assert found == {question: ANSWERS[question] for question in statements}


def test_the_document_lists_the_columns_of_every_table(
    export: Callable[..., Path], tmp_path: Path
) -> None:
    export("--format", "sqlite", "-o", tmp_path / "record.db")
    documented = dict(
        re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \|$", TEXT, re.MULTILINE)
    )
    connection = sqlite3.connect(tmp_path / "record.db")
    actual = {
        table: " ".join(
            column[0]
            for column in connection.execute(f"SELECT * FROM {table}").description
        )
        for table in TABLES
    }
    connection.close()
    assert documented == actual


def test_pandas_reads_the_tables(export: Callable[..., Path], tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    export("--format", "sqlite", "-o", tmp_path / "record.db")
    connection = sqlite3.connect(tmp_path / "record.db")
    runs = pandas.read_sql("SELECT * FROM runs", connection)
    connection.close()
    assert runs.groupby("status").size().to_dict() == {"completed": 2, "failed": 1}


def _plain(value: Any) -> Any:
    return value if type(value) in {int, float, str} or value is None else str(value)
