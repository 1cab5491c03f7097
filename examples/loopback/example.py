"""
The model behind an example: the real one if there is a key, else a script.

So that every example is the code a user would write, without a model argument,
and yet runs anywhere.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .server import ModelServer, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("model_for_example",)


@contextmanager
def model_for_example(replies: Script) -> Iterator[ModelServer | None]:
    """
    Give the agents of an example a model to talk to.

    With `OPENAI_API_KEY` in the environment nothing is changed and the real API
    answers. Without it the loopback server becomes the process's default client
    and tracing, which would upload, is turned off: nothing leaves the machine.

    Args:
        replies: What the loopback model answers.

    Yields:
        The loopback server, or None with the real API.

    The defaults stay set afterwards: an example is a program of its own.
    """
    if os.environ.get("OPENAI_API_KEY"):
        yield None
        return
    # Late, so that scripts and servers work without the agents SDK.
    from agents import (
        set_default_openai_client,
        set_tracing_disabled,
    )

    with ModelServer(replies) as server:
        # A connection kept alive would outlast the event loop it belongs to.
        client = server.client(
            known_as="api.openai.com", default_headers={"connection": "close"}
        )
        set_default_openai_client(client, use_for_tracing=False)
        set_tracing_disabled(disabled=True)
        yield server
