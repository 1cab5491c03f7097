"""`chaukas collector run`: serve until somebody ends it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chaukas.cli.bars import progress
from chaukas.cli.output import say, say_json

from .options import Amount, data_option, end, needs_servers

if TYPE_CHECKING:
    from chaukas.collector.server import Addresses

__all__ = ("run",)

_FILE: Any = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="To listen on.")
@click.option("--port", default=4180, show_default=True, help="Of HTTP; 0: any free.")
@click.option("--grpc-port", default=4181, show_default=True, help="0: any free one.")
@click.option("--name", "names", multiple=True, help="Host name that clients use.")
@click.option("--certificate", type=_FILE, help="PEM file; makes it TLS.")
@click.option("--private-key", type=_FILE, help="PEM file of its key.")
@click.option("--client-ca", type=_FILE, help="Clients must show a certificate of it.")
@click.option(
    "--insecure-behind-proxy",
    "is_behind_proxy",
    is_flag=True,
    help="A proxy in front speaks TLS, and nobody else can reach these ports.",
)
@click.option("--no-page", is_flag=True, help="Serve no page, and build none.")
@click.option(
    "--silent-after",
    default=60.0,
    show_default=True,
    type=Amount(min=1, max=1e9),
    help="Minutes; a process that sent nothing for so long counts as died.",
)
@click.option("--no-search", is_flag=True, help="No full text: faster, smaller.")
@click.option("--log-level", default="info", type=click.Choice(["info", "warning"]))
@click.option("--json", "as_json", is_flag=True, help="The addresses as JSON.")
def run(
    *,
    as_json: bool,
    no_page: bool,
    no_search: bool,
    silent_after: float,
    log_level: str,
    names: tuple[str, ...],
    **how: Any,
) -> None:
    """
    Receive events over HTTP and gRPC, keep them, and serve the page.

    Without any key it serves this machine alone, and everybody on it; once a key was
    made, each client needs one. The log goes to the standard error, one JSON object a
    line. It ends with SIGTERM or Ctrl-C, after it has answered what it took.

    Exit code 2: it cannot be started so; one line says why.
    """
    from chaukas.collector.options import Options, fault_of

    # Before gRPC is loaded, which writes lines of its own form about every handshake
    # that fails, as many as strangers like.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from chaukas.collector import server
        from chaukas.collector.access.keys import KeyFile, KeyFileError
        from chaukas.collector.folder import DataFolder, DataFolderError
        from chaukas.collector.logs import log_to_stderr
        from chaukas.store.sqlite.copying import NoRoomError
        from chaukas.store.sqlite.schema import NewerSchemaError
    except ImportError as error:
        needs_servers(error)
    options = Options(
        names=names,
        has_page=not no_page,
        has_words=not no_search,
        silent_after_s=silent_after * 60,
        **how,
    )
    try:
        keys = KeyFile(DataFolder(options.data).keys)
        fault = fault_of(options, has_keys=bool(keys.all()))
        if fault:
            end(fault)
        _warn_of_readable(options.private_key)
        if options.has_page and not _has_page():
            options = replace(options, has_page=False)
        _bring_up_to_date(options.data, has_words=options.has_words)
        log_to_stderr(log_level)
        server.run(options, lambda where: _say(where, is_json=as_json))
    except (
        server.CannotListenError, DataFolderError, KeyFileError, NewerSchemaError,
        NoRoomError,
    ) as error:  # fmt: skip
        end(str(error))


def _bring_up_to_date(data: Path, *, has_words: bool) -> None:
    """Give a store of an older chaukas the form of this one, and show how far it is."""
    from chaukas.collector.folder import DataFolder

    folder = DataFolder(data)
    folder.prepare()
    with progress("Keeping a copy of the older store") as noted:
        folder.store(has_words=has_words, noted=noted).close()


def _say(where: Addresses, *, is_json: bool) -> None:
    if is_json:
        say_json({"http": where.http, "grpc": where.grpc, "page": where.page})
        return
    say(f"chaukas: collecting at {where.http} and {where.grpc} (Ctrl-C ends it)")
    if where.page:
        usual = f"works once; without keys {where.http}"
        say(f"chaukas: the page is at {where.page} ({usual})")


def _has_page() -> bool:
    """Return whether there is a page; say why not, since all else goes on."""
    # It loads what reads records, which a collector needs to be asked for only here.
    from chaukas.cli.ask.view import page_trouble

    trouble = page_trouble()
    if trouble:
        say(f"chaukas: no page is served: {trouble}", err=True)
    return not trouble


def _warn_of_readable(private_key: Path | None) -> None:
    if private_key is not None and private_key.stat().st_mode & 0o077:
        text = f"{private_key} can be read by others than its owner: chmod 600 it."
        say(f"chaukas: {text}", err=True)
