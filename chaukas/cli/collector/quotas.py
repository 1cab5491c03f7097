"""`chaukas collector quota`: how much each tenant may keep."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import click

from chaukas.cli.output import count, say
from chaukas.collector.folder import DataFolder, DataFolderError
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.quota import Quota, quotas

from .options import MEGABYTES, data_option, end, on_record

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("quota",)

_MB = 1e6


@click.command()
@data_option
@click.option("--tenant", default="", help="Whose; without it, all are listed.")
@click.option("--events", type=click.IntRange(0, 10**15), help="Most events.")
@click.option("--megabytes", type=MEGABYTES, help="As recorded.")
@click.option("--unlimited", is_flag=True, help="Limit it no more.")
def quota(
    *,
    data: Path,
    tenant: str,
    events: int | None,
    megabytes: float | None,
    unlimited: bool,
) -> None:
    """
    Limit what a tenant may keep, or list the limits and what is kept.

    What is more is refused event by event with the reason `quota`; a request of which
    nothing can be kept is answered 429. `retain` and `erase` make room again. A
    collector that runs heeds it at once. Which tenants have no limit is not listed.
    """
    is_change = events is not None or megabytes is not None
    if (is_change or unlimited) != bool(tenant) or (is_change and unlimited):
        end("give --tenant with --events, --megabytes or --unlimited; or none of them.")
    try:
        folder = DataFolder(data)
        folder.prepare()
        with closing(SqliteStore(folder.events)) as store:
            if tenant:
                most = None if megabytes is None else int(megabytes * _MB)
                facts = {"tenant": tenant, "events": events, "bytes": most}
                on_record(folder, "quota_set", **facts)
                store.set_quota(tenant, events, most)
            with store.transaction() as sql:
                found = quotas(sql, [tenant] if tenant else None)
    except (DataFolderError, OSError, sqlite3.DatabaseError) as error:
        end(f"the quotas cannot be used: {error}")
    for one in found:
        say(_line(one))
    if not found:
        say(f"{tenant or 'No tenant'} has {'no' if tenant else 'a'} limit.")


def _line(one: Quota) -> str:
    kept = f"{count(one.events, 'event')}, {one.bytes / _MB:.1f} MB"
    most = []
    if one.most_events is not None:
        most.append(count(one.most_events, "event"))
    if one.most_bytes is not None:
        most.append(f"{one.most_bytes / _MB:.1f} MB")
    return f"{one.tenant}  {kept} of {', '.join(most)}"
