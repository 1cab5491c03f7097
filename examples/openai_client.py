"""
The OpenAI client by itself: calls that no framework makes are on record too.

    python examples/openai_client.py

A question is embedded, answered, and summed up in a stream, with the plain client and
without any agent. Without a key a loopback model answers; with `OPENAI_API_KEY` set,
the real one.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openai import OpenAI

import chaukas
from loopback import Fail, ModelServer, Text, Vectors
from recorded import fresh, show_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "openai_client.jsonl"

# What the loopback model answers, request by request; once it is too busy.
SCRIPT = (
    Vectors(),
    Fail(429, code="rate_limit_exceeded", retry_after=0.05),
    Text("Trams run from six in the morning to one at night."),
    Text("Trams: 6:00 to 1:00."),
)
QUESTION = "When do the trams in Lisbon run?"


@contextmanager
def client_for_example() -> Iterator[OpenAI]:
    """Give the real client if there is a key, else one of the loopback server."""
    if os.environ.get("OPENAI_API_KEY"):
        yield OpenAI()
        return
    with (
        ModelServer(SCRIPT) as server,
        server.sync_client(known_as="api.openai.com") as client,
    ):
        yield client


def ask(client: OpenAI) -> None:
    found = client.embeddings.create(model="text-embedding-3-small", input=QUESTION)
    print(f"a vector of {len(found.data[0].embedding)} numbers")

    answer = client.responses.create(
        model="gpt-5-mini", instructions="Answer in one sentence.", input=QUESTION
    )
    print(answer.output_text)

    chunks = client.chat.completions.create(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": f"Shorten: {answer.output_text}"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        for choice in chunk.choices:
            print(choice.delta.content or "", end="", flush=True)
    print()


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with client_for_example() as client, chaukas.session("question-1"):
        ask(client)
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
