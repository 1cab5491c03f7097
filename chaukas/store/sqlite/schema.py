"""
The tables of the SQLite store, and how an older file becomes a newer one.

`event` is narrow, so that counting reads little; the events as recorded stand in
`body`. `run`, `session`, `day`, `day_name`, `total` and `stream` are sums that are
renewed with each batch; all their columns are sums, least or greatest values, so that
it does not matter in which order events arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chaukas.store.buckets import Histogram

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

__all__ = ("VERSION", "NewerSchemaError", "clear", "prepare")

VERSION: Final = 3
"""Of the tables; it stands in `PRAGMA user_version`."""

_SUMS: Final = """
    first INTEGER NOT NULL, last INTEGER NOT NULL,
    name TEXT NOT NULL, user TEXT NOT NULL, framework TEXT NOT NULL,
    events INTEGER NOT NULL,
    calls INTEGER NOT NULL, tools INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    errors INTEGER NOT NULL, retries INTEGER NOT NULL, denials INTEGER NOT NULL
"""

_FIRST: Final = f"""
CREATE TABLE event (
    id INTEGER PRIMARY KEY, event_id TEXT NOT NULL,
    tenant TEXT NOT NULL, project TEXT NOT NULL,
    run INTEGER, session INTEGER, stream INTEGER, seq INTEGER,
    span TEXT NOT NULL, parent TEXT NOT NULL, at INTEGER NOT NULL,
    type TEXT NOT NULL, kind TEXT NOT NULL, side INTEGER NOT NULL,
    status TEXT NOT NULL, agent TEXT NOT NULL, name TEXT NOT NULL,
    text TEXT NOT NULL, user TEXT NOT NULL, framework TEXT NOT NULL,
    of TEXT, outcome TEXT NOT NULL, cause TEXT,
    duration_ms REAL, bucket INTEGER, first_token_ms REAL, wait_ms REAL,
    input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER,
    reasoning_tokens INTEGER, cost INTEGER, unpriced INTEGER
);
CREATE UNIQUE INDEX event_by_id ON event(event_id, tenant);
CREATE INDEX event_by_run ON event(run, at) WHERE run IS NOT NULL;
CREATE INDEX event_by_session ON event(session, at) WHERE session IS NOT NULL;
CREATE INDEX event_by_time ON event(at);
CREATE INDEX event_by_what ON event(of, at) WHERE of IS NOT NULL;
CREATE INDEX event_by_cause ON event(kind, at) WHERE cause IS NOT NULL;
CREATE TABLE body (id INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(
    text, content='', tokenize="unicode61 remove_diacritics 2"
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, trace TEXT NOT NULL,
    project TEXT NOT NULL, session TEXT NOT NULL, is_run INTEGER NOT NULL, {_SUMS},
    input_key TEXT NOT NULL, input TEXT NOT NULL,
    output_key TEXT NOT NULL, output TEXT NOT NULL,
    error_key TEXT NOT NULL, error TEXT NOT NULL,
    end_key TEXT NOT NULL, end_status TEXT NOT NULL, end_ms REAL,
    open_spans INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX run_by_trace ON run(trace, tenant);
CREATE INDEX run_by_time ON run(first) WHERE is_run;
CREATE INDEX run_by_session ON run(session, first) WHERE is_run;
CREATE TABLE run_name (
    run INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (run, kind, name)
) WITHOUT ROWID;
CREATE INDEX run_name_by_name ON run_name(kind, name, run);
CREATE TABLE run_path (
    run INTEGER NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE run_open (
    run INTEGER NOT NULL, span TEXT NOT NULL, n INTEGER NOT NULL, stream INTEGER,
    PRIMARY KEY (run, span)
) WITHOUT ROWID;
CREATE TABLE session (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, project TEXT NOT NULL,
    session TEXT NOT NULL, {_SUMS}
);
CREATE UNIQUE INDEX session_by_name ON session(session, tenant, project);
CREATE INDEX session_by_time ON session(last);
CREATE TABLE day (
    tenant TEXT NOT NULL, project TEXT NOT NULL, day INTEGER NOT NULL,
    of TEXT NOT NULL, agent TEXT NOT NULL, name TEXT NOT NULL,
    bucket INTEGER NOT NULL, count INTEGER NOT NULL, failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL, retries INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, project, day, of, agent, name, bucket)
) WITHOUT ROWID;
CREATE TABLE stream (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, stream TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, events INTEGER NOT NULL,
    min_seq INTEGER, max_seq INTEGER, numbered INTEGER NOT NULL,
    dropped INTEGER NOT NULL
);
CREATE UNIQUE INDEX stream_by_name ON stream(stream, tenant);
CREATE TABLE stream_end (stream TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE label (
    event INTEGER PRIMARY KEY, tenant TEXT NOT NULL, project TEXT NOT NULL,
    trace TEXT NOT NULL, span TEXT NOT NULL, session TEXT NOT NULL,
    at INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, comment TEXT NOT NULL
);
CREATE INDEX label_by_trace ON label(trace) WHERE trace <> '';
CREATE TABLE source (
    head TEXT PRIMARY KEY, path TEXT NOT NULL, done INTEGER NOT NULL,
    tail BLOB NOT NULL, is_whole INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE VIEW runs AS SELECT
    r.trace AS trace_id, r.tenant AS tenant_id, r.project AS project_id,
    r.session AS session_id, r.user AS user_id, r.framework, r.name AS workflow,
    (SELECT group_concat(p.name, ' > ') FROM
        (SELECT name FROM run_path WHERE run = r.id ORDER BY key) p) AS agents,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.first / 1e6, 'unixepoch') AS started,
    date(r.first / 1000000, 'unixepoch') AS day,
    coalesce(r.end_ms, (r.last - r.first) / 1000.0) AS duration_ms,
    CASE WHEN r.end_key = '' OR (r.open_spans AND r.end_status = 'waiting')
        THEN 'open or died' ELSE r.end_status END AS status,
    r.input, r.output, r.error, r.events, r.calls AS model_calls,
    r.tools AS tool_calls, r.input_tokens, r.output_tokens, r.cached_tokens,
    r.cost / 1e12 AS cost_usd, r.unpriced AS unpriced_calls, r.errors, r.retries,
    r.denials
FROM run r WHERE r.is_run;
CREATE VIEW model_calls AS SELECT
    e.event_id, r.trace AS trace_id, e.span AS span_id, e.parent AS parent_span_id,
    s.session AS session_id, e.tenant AS tenant_id, e.project AS project_id,
    e.agent, e.name AS model,
    json_extract(b.line, '$.llm_invocation.metadata.response_model') AS response_model,
    json_extract(b.line, '$.llm_invocation.provider') AS provider,
    json_extract(b.line, '$.llm_invocation.metadata.turn') AS turn,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1e6, 'unixepoch') AS ended,
    date(e.at / 1000000, 'unixepoch') AS day, e.status, e.duration_ms,
    e.first_token_ms, e.input_tokens, e.output_tokens, e.cached_tokens,
    e.reasoning_tokens, e.cost / 1e12 AS cost_usd, e.unpriced,
    json_extract(b.line, '$.llm_invocation.finish_reason') AS finish_reason,
    json_extract(b.line, '$.llm_invocation.response.text') AS text
FROM event e JOIN body b ON b.id = e.id LEFT JOIN run r ON r.id = e.run
    LEFT JOIN session s ON s.id = e.session
WHERE e.of = 'model';
CREATE VIEW tool_calls AS SELECT
    e.event_id, r.trace AS trace_id, e.span AS span_id, e.parent AS parent_span_id,
    s.session AS session_id, e.tenant AS tenant_id, e.project AS project_id,
    e.agent, e.name AS tool,
    json_extract(b.line, '$.tool_response.tool_call_id') AS tool_call_id,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1e6, 'unixepoch') AS ended,
    date(e.at / 1000000, 'unixepoch') AS day, e.status, e.duration_ms,
    (SELECT json_extract(c.line, '$.tool_call.arguments')
        FROM event a JOIN body c ON c.id = a.id
        WHERE a.run = e.run AND a.span = e.span AND a.type = 'TOOL_CALL_START'
    ) AS arguments,
    json_extract(b.line, '$.tool_response.output') AS output,
    json_extract(b.line, '$.tool_response.error_message') AS error
FROM event e JOIN body b ON b.id = e.id LEFT JOIN run r ON r.id = e.run
    LEFT JOIN session s ON s.id = e.session
WHERE e.of = 'tool';
CREATE VIEW messages AS SELECT
    e.event_id, r.trace AS trace_id, s.session AS session_id,
    e.tenant AS tenant_id, e.project AS project_id, e.user AS user_id, e.agent,
    e.name AS role, strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1e6, 'unixepoch') AS moment,
    json_extract(b.line, '$.message.text') AS text
FROM event e JOIN body b ON b.id = e.id LEFT JOIN run r ON r.id = e.run
    LEFT JOIN session s ON s.id = e.session
WHERE e.kind IN ('input', 'output') AND e.outcome <> 'partial';
CREATE VIEW troubles AS SELECT
    e.event_id, e.kind, r.trace AS trace_id, s.session AS session_id,
    e.tenant AS tenant_id, e.agent, e.name AS code, e.cause, e.text, e.wait_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1e6, 'unixepoch') AS moment
FROM event e LEFT JOIN run r ON r.id = e.run LEFT JOIN session s ON s.id = e.session
WHERE e.cause IS NOT NULL;
CREATE VIEW labels AS SELECT
    e.event_id, l.tenant AS tenant_id, l.project AS project_id, l.session AS session_id,
    l.trace AS trace_id, l.span AS span_id,
    strftime('%Y-%m-%dT%H:%M:%fZ', l.at / 1e6, 'unixepoch') AS moment,
    l.name, json_extract(l.value, '$') AS value, l.comment, r.status AS run_status,
    r.input, r.output
FROM label l JOIN event e ON e.id = l.event LEFT JOIN runs r
    ON r.trace_id = l.trace AND r.tenant_id = l.tenant;
CREATE VIEW handoffs AS SELECT
    e.event_id, r.trace AS trace_id, s.session AS session_id, e.tenant AS tenant_id,
    json_extract(b.line, '$.agent_handoff.from_agent_name') AS from_agent,
    json_extract(b.line, '$.agent_handoff.to_agent_name') AS to_agent
FROM event e JOIN body b ON b.id = e.id LEFT JOIN run r ON r.id = e.run
    LEFT JOIN session s ON s.id = e.session
WHERE e.kind = 'handoff';
"""

_SECOND: Final = """
CREATE INDEX event_by_tenant ON event(tenant, at);
CREATE INDEX run_by_tenant ON run(tenant, first) WHERE is_run;
CREATE INDEX run_unended ON run(first) WHERE open_spans > 0;
CREATE INDEX run_waiting ON run(first) WHERE end_status = 'waiting';
DROP INDEX run_name_by_name;
CREATE INDEX run_name_by_name ON run_name(kind, name COLLATE NOCASE, run);
CREATE INDEX session_by_tenant ON session(tenant, last);
CREATE INDEX event_by_stream ON event(stream, seq) WHERE stream IS NOT NULL;
CREATE TABLE total (
    tenant TEXT PRIMARY KEY, events INTEGER NOT NULL, runs INTEGER NOT NULL,
    sessions INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO total SELECT tenant, sum(events), sum(runs), sum(sessions) FROM (
    SELECT tenant, count(*) AS events, 0 AS runs, 0 AS sessions FROM event
        GROUP BY tenant
    UNION ALL SELECT tenant, 0, sum(is_run), 0 FROM run GROUP BY tenant
    UNION ALL SELECT tenant, 0, 0, sum(last >= 0) FROM session GROUP BY tenant
) GROUP BY tenant;
CREATE TABLE day_name (
    of TEXT NOT NULL, tenant TEXT NOT NULL, day INTEGER NOT NULL, name TEXT NOT NULL,
    count INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL,
    retries INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, unpriced INTEGER NOT NULL, duration_us INTEGER NOT NULL,
    durations BLOB NOT NULL
);
CREATE UNIQUE INDEX day_name_by_key ON day_name(of, tenant, day, name);
INSERT INTO day_name SELECT of, tenant, day, name, sum(count), sum(failed),
    sum(cancelled), sum(retries), sum(input_tokens), sum(output_tokens),
    sum(cached_tokens), sum(cost), sum(unpriced), sum(duration_us),
    histogram(bucket, count) FROM day GROUP BY of, tenant, day, name;
CREATE TABLE removed (
    id INTEGER PRIMARY KEY, stream TEXT NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, before TEXT NOT NULL, hash TEXT NOT NULL,
    action INTEGER NOT NULL
);
CREATE INDEX removed_by_stream ON removed(stream, first);
CREATE TABLE action (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL,
    events INTEGER NOT NULL, is_done INTEGER NOT NULL
);
CREATE TABLE anchor (
    name TEXT PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL
) WITHOUT ROWID;
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5(
    text, owner, content='', tokenize="unicode61 remove_diacritics 2"
);
INSERT INTO words(words, rank) VALUES ('automerge', 16);
INSERT INTO words(words, rank) VALUES ('crisismerge', 200);
INSERT INTO fact SELECT 'unindexed from', min(id) FROM event HAVING count(*);
INSERT INTO fact SELECT 'unindexed to', max(id) FROM event HAVING count(*)
"""

_THIRD: Final = """
CREATE TABLE quota (
    tenant TEXT PRIMARY KEY, most_events INTEGER, most_bytes INTEGER,
    events INTEGER NOT NULL, bytes INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE stream ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
UPDATE stream SET heard = last;
CREATE INDEX stream_by_heard ON stream(heard);
ALTER TABLE stream_end RENAME TO stream_end_of_all;
CREATE TABLE stream_end (
    stream TEXT NOT NULL, tenant TEXT NOT NULL, PRIMARY KEY (stream, tenant)
) WITHOUT ROWID;
INSERT INTO stream_end SELECT stream, '*' FROM stream_end_of_all;
DROP TABLE stream_end_of_all
"""

_STEPS: Final = (_FIRST, _SECOND, _THIRD)
"""Step n makes version n + 1 out of version n."""


class NewerSchemaError(Exception):
    """A store was written by a newer chaukas than this one."""


def prepare(
    connection: sqlite3.Connection,
    keep_copy: Callable[[int], None] = lambda _version: None,
) -> None:
    """
    Bring the tables of a store up to date, inside one transaction.

    Whoever is killed in the midst leaves the store as it was.

    Args:
        connection: To it.
        keep_copy: Is called with the version of an older one before it is changed.

    Raises:
        NewerSchemaError: This chaukas is too old for the file.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version > VERSION:
        raise NewerSchemaError(
            f"the store is of version {version}, and this chaukas knows {VERSION}:"
            " use a newer chaukas, or another folder."
        )
    _add_functions(connection)
    # Another process may be doing the same.
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if 0 < version < VERSION:
            keep_copy(version)
        for step in _STEPS[version:]:
            for statement in step.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _add_functions(connection: sqlite3.Connection) -> None:
    # The stubs know no aggregate whose result is of bytes.
    connection.create_aggregate("histogram", 2, Histogram)  # type: ignore[arg-type]


def clear(connection: sqlite3.Connection) -> None:
    """Remove everything, and make empty tables, within the caller's transaction."""
    rows = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'words_%'"
    ).fetchall()
    for kind, name in sorted(rows, reverse=True):
        # The names are those of this module.
        connection.execute(f'DROP {kind.upper()} "{name}"')
    _add_functions(connection)
    for step in _STEPS:
        for statement in step.split(";\n"):
            if statement.strip():
                connection.execute(statement)
