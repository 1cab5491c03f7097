"""
Measure delivery: what it holds, what it costs the host, and what the end costs.

Programs, collector and peer are processes of their own, since how a process ends is
what is measured. The peer is OpenTelemetry's BatchSpanProcessor with its exporter.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["ended", "held", "host_us", "main", "share"]

_EVENT_BYTES = 1500
# Prose, because a long run of letters could pass for encoded binary data.
_LINE = "The parcel left the depot on Monday and is due on Thursday."
_PROSE = [_LINE] * (_EVENT_BYTES // len(_LINE))
_SPANS = 600
_ENDINGS = ("kill -9", "os._exit", "SIGTERM")


def share(samples: Sequence[float], part: float) -> float:
    """Return the value that this part of the samples does not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


# --- places to deliver to ----------------------------------------------------


@contextmanager
def _child(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run one of the children below; yield it and its first line."""
    # Ourselves, with arguments of our own.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, __file__, "--child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _collector(form: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """Run a collector; yield its endpoint, and what tells how many events it has."""
    with _child("collector", form) as (process, endpoint):

        def count() -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield endpoint, count


def _serve(form: str) -> None:
    """Be a collector that takes one form, until killed."""
    from chaukas.sdk.testing import FakeCollector

    named = "spans" if form == "spans" else "benchmark"
    if form == "spans":
        _serve_spans()
        return
    ingest = ("protobuf",) if form == "protobuf" else ("protobuf", "ndjson")
    with FakeCollector(ingest=ingest) as collector:
        grpc = form == "grpc"
        print(collector.grpc_endpoint if grpc else collector.endpoint, flush=True)
        for _ in sys.stdin:
            # The bytes as they came, which the kit shows to nobody.
            items = collector.store.items()
            print(sum(named.encode() in item.raw for item in items), flush=True)


def _serve_spans() -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    seen: set[bytes] = set()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Print nothing."""

        def do_POST(self) -> None:
            """Take spans."""
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    seen.update(span.span_id for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    for _ in sys.stdin:
        print(len(seen), flush=True)


@contextmanager
def _place(kind: str) -> Iterator[str]:
    """Yield an endpoint where nobody answers: `refused`, `hung` or `black hole`."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        if kind != "refused":
            listening.listen(128 if kind == "hung" else 0)
        while kind == "black hole":
            knocking = stack.enter_context(socket.socket())
            knocking.settimeout(0.3)
            try:
                knocking.connect(listening.getsockname())
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


# --- what chaukas does -------------------------------------------------------


def _enable(endpoint: str, spool_dir: str) -> Any:
    import chaukas.sdk

    chaukas.sdk.enable_chaukas(
        endpoint=endpoint, spool_dir=spool_dir, integrations=[], strict=True
    )
    return chaukas.sdk


def _paced(
    emit: Callable[[int], object], rate: int, seconds: float
) -> tuple[int, list[float]]:
    """Call at a rate; return how often, and the time of each call in µs."""
    taken_us: list[float] = []
    clock = time.perf_counter_ns
    begun_ns = clock()
    number = 0
    while (now_s := (clock() - begun_ns) / 1e9) < seconds:
        while number < now_s * rate:
            before_ns = clock()
            emit(number)
            taken_us.append((clock() - before_ns) / 1000)
            number += 1
        time.sleep(0.001)
    return number, taken_us


def _emit_paced(endpoint: str, spool_dir: str, rate: str, seconds: str) -> None:
    """Emit at a rate; print what came of it as JSON."""
    chaukas = _enable(endpoint, spool_dir)

    def emit(number: int) -> None:
        chaukas.event("benchmark", {"number": number, "lines": _PROSE})

    for number in range(200):
        emit(number)
    chaukas.flush(1.0)
    sent, taken_us = _paced(emit, int(rate), float(seconds))
    waiting = chaukas.stats().queued + chaukas.stats().spooled
    begun_s = time.perf_counter()
    chaukas.flush(60.0 if chaukas.stats().acked else 0.0)
    stats = chaukas.stats()
    figures = {
        "sent": sent + 200,
        "rate": sent / float(seconds),
        "waiting": waiting,
        "drained_s": time.perf_counter() - begun_s,
        "dropped": stats.lost,
        "p50_us": share(taken_us, 0.5),
        "p999_us": share(taken_us, 0.999),
    }
    print(json.dumps(figures), flush=True)
    sys.stdin.read()


def _paced_figures(
    endpoint: str, folder: Path, rate: int, seconds: float
) -> dict[str, float]:
    with _child("paced", endpoint, str(folder), str(rate), str(seconds)) as (_, line):
        figures: dict[str, float] = json.loads(line)
        return figures


def held(form: str, folder: Path, rate: int, seconds: float) -> dict[str, float]:
    """Emit at a rate to a collector that takes one form; tell what arrived."""
    with _collector(form) as (endpoint, count):
        figures = _paced_figures(endpoint, folder, rate, seconds)
        return {**figures, "arrived": count()}


def host_us(state: str, folder: Path, rate: int, seconds: float) -> dict[str, float]:
    """Emit at a rate while the collector is `up`, `refused` or `hung`."""
    if state == "up":
        return held("ndjson", folder, rate, seconds)
    with _place(state) as endpoint:
        return _paced_figures(endpoint, folder, rate, seconds)


# --- how programs end --------------------------------------------------------


def _end(how: str) -> None:
    """End as told; the first line was printed before."""
    print("ready", flush=True)
    if how == "os._exit":
        os._exit(0)
    if how == "kill -9":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)


def _time_exit() -> None:
    # Registered first, so it runs last: after chaukas or the peer is through.
    import atexit

    atexit.register(lambda: print(time.perf_counter() - begun_s[0], flush=True))


begun_s: list[float] = []


def _emit_and_end(endpoint: str, spool_dir: str, how: str, count: str) -> None:
    _time_exit()
    chaukas = _enable(endpoint, spool_dir)
    for number in range(int(count)):
        chaukas.event("benchmark", {"number": number, "lines": _PROSE})
        time.sleep(0.001)
    if not int(count):
        chaukas.flush()
    time.sleep(0.05)
    begun_s.append(time.perf_counter())
    _end(how)


def _trace_and_end(endpoint: str, _spool_dir: str, how: str, count: str) -> None:
    import logging

    _time_exit()
    logging.disable(logging.CRITICAL)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("benchmark")
    for number in range(int(count)):
        with tracer.start_as_current_span("benchmark") as span:
            span.set_attribute("lines", _PROSE)
            span.set_attribute("number", number)
        time.sleep(0.001)
    time.sleep(0.05)
    begun_s.append(time.perf_counter())
    _end(how)


def ended(
    who: str, endpoint: str, folder: Path, how: str, count: int = _SPANS
) -> float:
    """Run a program of `chaukas` or `peer` to its end; tell how long that took."""
    with _child(who, endpoint, str(folder), how, str(count)) as (process, line):
        assert line == "ready"
        assert process.stdout is not None
        told = process.stdout.read()
        process.wait()
        return float(told or 0)


def _recover(endpoint: str, folder: Path) -> None:
    """Be the next process: deliver what was left."""
    with _child("heir", endpoint, str(folder)) as (_, line):
        assert line == "done"


def _inherit(endpoint: str, spool_dir: str) -> None:
    chaukas = _enable(endpoint, spool_dir)
    chaukas.event("heir")
    end_s = time.monotonic() + 30.0
    while not (chaukas.flush(1.0) and len(os.listdir(spool_dir)) == 1):  # noqa: PTH208
        assert time.monotonic() < end_s
        time.sleep(0.01)
    print("done", flush=True)


# --- the report --------------------------------------------------------------


def _report_held(folder: Path, options: argparse.Namespace) -> bool:
    is_good = True
    for form, rate in (("ndjson", options.ndjson), ("protobuf", options.protobuf)):
        found = held(form, folder / form, rate, options.seconds)
        lost = found["sent"] - found["arrived"]
        is_good = is_good and not lost
        print(
            f"{form} over HTTP: {found['rate']:,.0f} events/s for"
            f" {options.seconds:.0f} s (aim {rate:,}), {found['waiting']:,.0f} waiting"
            f" at the end, gone {found['drained_s']:.2f} s later; {lost:,.0f} lost"
        )
    return is_good


def _report_host(folder: Path, options: argparse.Namespace) -> None:
    states = ("up", "refused", "hung", "black hole")
    found: dict[str, list[dict[str, float]]] = {state: [] for state in states}
    for number in range(options.rounds):
        # In turns, so that a slow minute of the machine hits all alike.
        for state in states:
            place = folder / f"{state}{number}"
            found[state].append(host_us(state, place, 1000, options.seconds / 2))
    up = statistics.median(one["p50_us"] for one in found["up"])
    for state, its in found.items():
        p50 = statistics.median(one["p50_us"] for one in its)
        p999 = statistics.median(one["p999_us"] for one in its)
        print(
            f"host's thread, collector {state}: {p50:.1f} µs p50, {p999:.0f} µs p99.9;"
            f" {p50 / up:.2f} times that with it up"
        )


def _report_ends(folder: Path) -> None:
    for who, form in (("chaukas", "ndjson"), ("peer", "spans")):
        for how in _ENDINGS:
            place = folder / f"{who} {how}"
            with _collector(form) as (endpoint, count):
                ended(who, endpoint, place, how)
                if who == "chaukas":
                    _recover(endpoint, place)
                lost = _SPANS - count()
            print(f"{who}, {how}: {lost} of {_SPANS} lost")
        for kind in ("refused", "black hole"):
            with _place(kind) as endpoint:
                taken_s = ended(who, endpoint, folder / f"{who} {kind}", "exit")
            print(f"{who}, exit with {_SPANS} waiting, {kind}: {taken_s:.2f} s")
        with _collector(form) as (endpoint, _):
            taken_s = ended(who, endpoint, folder / f"{who} idle", "exit", 0)
        print(f"{who}, exit idle: {taken_s * 1000:.0f} ms")


_CHILDREN: dict[str, Callable[..., None]] = {
    "collector": _serve,
    "paced": _emit_paced,
    "chaukas": _emit_and_end,
    "peer": _trace_and_end,
    "heir": _inherit,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if an event was lost that should not be."""
    parser = argparse.ArgumentParser(description="delivery to a collector")
    parser.add_argument("--ndjson", type=int, default=10_000, help="events per second")
    parser.add_argument("--protobuf", type=int, default=3000, help="events per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("held", "host", "ends"))
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        name, *rest = options.child
        _CHILDREN[name](*rest)
        return 0
    is_good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "held"):
            is_good = _report_held(folder, options)
        if options.only in (None, "host"):
            _report_host(folder, options)
        if options.only in (None, "ends"):
            _report_ends(folder)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
