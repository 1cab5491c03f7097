"""S5: what many large requests at once hold in memory, and that none of it is lost."""

from __future__ import annotations

import asyncio
import random
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import orjson
import pytest

from chaukas.collector.memory_limit import MemoryLimit
from chaukas.collector.refusal import Refusal
from chaukas.collector.writer import weight_of
from chaukas.sdk.ingest.calls import SERVICES
from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.http import HttpSink
from chaukas.sdk.sinks.collector.responses import Action
from chaukas.sdk.wire.proto import ingest_pb2
from chaukas.store.admission import prepared
from tests.support.collector_process import events, ids_in, lines_of
from tests.support.limited import memory_of

_SENDERS = 160


def large(sender):
    """Return a batch of 0.7 MB."""
    texts = random.Random(sender)
    made = [
        {**one, "metadata": {"pad": texts.randbytes(35_000).hex()}}
        for one in events(10, f"s{sender}")
    ]
    return [orjson.dumps(one) + b"\n" for one in made]


@pytest.mark.parametrize("kind", [HttpSink, GrpcSink])
def test_s5_a_burst_of_large_batches_is_bounded_and_arrives_once(collector, kind):
    sinks = [
        kind(collector.addresses[kind.name], timeout_s=60) for _ in range(_SENDERS)
    ]
    collector.post(lines_of(events(5, "first")))
    before = memory_of(collector)

    def send(number):
        batch = large(number)
        while (answer := sinks[number].send(batch)).action is Action.RETRY:
            # As the SDK does: no sooner than it was told.
            time.sleep(answer.retry_after_s or 0.5)
        sinks[number].close()
        return answer.action

    with ThreadPoolExecutor(_SENDERS) as threads:
        actions = set(threads.map(send, range(_SENDERS)))

    assert actions == {Action.ACKED}
    wanted = [one["event_id"] for n in range(_SENDERS) for one in events(10, f"s{n}")]
    wanted += [one["event_id"] for one in events(5, "first")]
    assert sorted(ids_in(collector.data)) == sorted(wanted)
    # The batches have 112 MB.
    assert memory_of(collector) - before < 150 << 20


def test_s5_messages_that_come_at_once_wait_with_their_senders(collector):
    place = collector.grpc.removeprefix("grpc://")
    options = [("grpc.use_local_subchannel_pool", 1)]
    bodies = []
    for number in range(_SENDERS):
        message = ingest_pb2.IngestEventBatchRequest()
        for one in range(10):
            event = message.event_batch.events.add(
                event_id=f"m{number}-{one}", tenant_id="a", type=1
            )
            event.message.text = "x" * 70_000
        bodies.append(message.SerializeToString())
    before = memory_of(collector)

    with ExitStack() as stack:
        calls = []
        for body in bodies:
            channel = stack.enter_context(grpc.insecure_channel(place, options))
            call = channel.unary_unary(f"/{SERVICES[0]}/IngestEventBatch")
            calls.append((call, body, call.future(body, timeout=60)))
        while calls:
            refused = [
                (call, body, answer)
                for call, body, answer in calls
                if answer.code() is not grpc.StatusCode.OK
            ]
            for _, _, answer in refused:
                assert answer.code() is grpc.StatusCode.UNAVAILABLE
                assert "grpc-retry-pushback-ms" in dict(answer.trailing_metadata())
            calls = [
                (call, body, call.future(body, timeout=60)) for call, body, _ in refused
            ]

    wanted = [f"m{number}-{one}" for number in range(_SENDERS) for one in range(10)]
    assert sorted(ids_in(collector.data)) == sorted(wanted)
    assert memory_of(collector) - before < 150 << 20


# --- slots -----------------------------------------------------------------------


def test_s5_so_many_bodies_are_read_at_a_time_and_the_others_wait():
    async def main():
        held = MemoryLimit(1000, 100, slots=2)
        begun, ends = [], [asyncio.Event() for _ in range(5)]

        async def read(number):
            async with held.slot():
                begun.append(number)
                await ends[number].wait()

        readers = [asyncio.ensure_future(read(number)) for number in range(5)]
        seen = []
        for number in (1, 0, 2, 3, 4):
            await settled()
            seen.append(list(begun))
            ends[number].set()
        await asyncio.gather(*readers)
        return seen

    assert asyncio.run(main()) == [
        [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4],
    ]  # fmt: skip


def test_s5_nothing_is_read_as_long_as_enough_is_held():
    async def main():
        held = MemoryLimit(1000, 100, slots=2)
        held.add(100)
        begun = []

        async def read():
            async with held.slot():
                begun.append(1)

        reader = asyncio.ensure_future(read())
        await settled()
        before = list(begun)
        held.release(1)
        await reader
        return before, begun

    assert asyncio.run(main()) == ([], [1])


def test_s5_who_stops_waiting_or_leaves_a_slot_blocks_nobody():
    async def main():
        held = MemoryLimit(1000, 100, slots=1)
        held.add(100)
        begun = []

        async def read(name):
            async with held.slot():
                begun.append(name)

        readers = [asyncio.ensure_future(read(name)) for name in "abc"]
        await settled()
        readers[0].cancel()
        await settled()
        held.release(1)
        # The slot is the second's from here on, and it does not know yet.
        readers[1].cancel()
        await asyncio.wait(readers)
        return begun

    assert asyncio.run(main()) == ["c"]


def test_s5_a_slow_one_keeps_its_slot_until_another_waits():
    async def main():
        held = MemoryLimit(1000, 100, slots=1, round_s=0.0)
        never = asyncio.Event()
        is_in = asyncio.Event()

        async def read():
            async with held.slot() as slot:
                is_in.set()
                await slot.wait_for(never.wait(), 60)

        slow = asyncio.ensure_future(read())
        await is_in.wait()
        async with held.slot():
            pass
        with pytest.raises(Refusal) as caught:
            await slow
        return caught.value

    refusal = asyncio.run(main())
    assert (refusal.status, refusal.retry_after_s) == (503, 1)


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


# --- sizes -----------------------------------------------------------------------


@pytest.mark.parametrize("chars", [0, 100, 1_500, 100_000])
def test_s5_a_batch_counts_for_what_it_takes_in_memory(chars):
    tracemalloc.start()
    made = [
        orjson.dumps({**one, "message": {"text": f"{n} " + "word " * (chars // 5)}})
        for n, one in enumerate(events(100, "a"))
    ]
    made = [bytes(memoryview(line)) for line in made]
    batch = prepared(made, [None] * len(made), None)
    del made
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert taken <= weight_of(batch) * 1.1
