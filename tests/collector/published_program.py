"""
Sends events with the published chaukas-sdk 0.1.0, in an environment that has it.

Arguments: the endpoint, an API key, the number of events.
"""

from __future__ import annotations

import asyncio
import sys

from chaukas.sdk.core.client import ChaukasClient
from chaukas.sdk.core.config import ChaukasConfig, set_config
from chaukas.sdk.core.event_builder import EventBuilder


async def main() -> None:
    endpoint, key, number = sys.argv[1:]
    config = ChaukasConfig(
        endpoint=endpoint,
        api_key=key,
        tenant_id="old",
        project_id="p",
        batch_size=5,
    )
    set_config(config)
    client = ChaukasClient(config=config)
    made = EventBuilder()
    for index in range(int(number)):
        await client.send_event(made.create_input_received(content=f"hello {index}"))
    await client.flush()
    await client.close()


asyncio.run(main())
