"""Programs that trace their own HTTP and gRPC clients do not trace our sending."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from chaukas.sdk.delivery import suppress
from tests.support.environments import install

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "sentry-sdk>=2,<3",
    "opentelemetry-instrumentation",
    "opentelemetry-instrumentation-grpc",
    "opentelemetry-instrumentation-urllib3",
    "opentelemetry-util-http",
)
"""Installed without what they need: that is here, for our own development."""

PROGRAM = """
    import json, sys
    import sentry_sdk, urllib3
    from opentelemetry import trace
    from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
        InMemorySpanExporter,
    )

    crumbs, envelopes = [], []

    def keep(crumb, hint):
        crumbs.append(crumb)
        return crumb

    class Kept(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope):
            envelopes.append(envelope.serialize().decode())

    sentry_sdk.init(
        dsn="http://key@sentry.invalid/1", traces_sample_rate=1.0, release="r",
        before_breadcrumb=keep, transport=Kept,
    )
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    URLLib3Instrumentor().instrument()
    GrpcInstrumentorClient().instrument()

    import chaukas
    from chaukas.testing import FakeCollector

    with FakeCollector() as collector:
        endpoint = getattr(collector, sys.argv[1])
        assert chaukas.enable_chaukas(
            endpoint=endpoint, spool_dir=sys.argv[2], strict=True, integrations=[]
        )
        with sentry_sdk.start_transaction(name="of the host"):
            urllib3.PoolManager().request("GET", collector.endpoint + "/healthz")
            for n in range(50):
                chaukas.event("n", {"n": n})
                assert n % 10 or chaukas.flush(10)
        sentry_sdk.capture_message("of the host")
        assert chaukas.disable_chaukas(60.0)
        asked = collector.requests
    print(json.dumps({
        "sent": len(collector.events),
        "asked": sorted({each.path.rpartition("/")[2] for each in asked}),
        "spans": [span.name for span in spans.get_finished_spans()],
        "crumbs": [(each.get("data") or {}).get("url", "?") for each in crumbs],
        "kept": "".join(envelopes),
        "place": collector.endpoint,
    }))
    """


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install what programs are traced with, beside what is here."""
    place = tmp_path_factory.mktemp("site")
    install(sys.executable, "--no-deps", "--target", str(place), *PACKAGES)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["endpoint", "grpc_endpoint"])
def test_a_traced_program_sees_its_own_requests_and_none_of_ours(
    site: Path, tmp_path: Path, setting: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, str(program), setting, str(tmp_path / "spool")],
        env={
            **os.environ,
            "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
            "SENTRY_DSN": "http://key@sentry.invalid/2",
            "no_grpc_proxy": "*",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    # Those of the host, the SYSTEM events of the beginning and of the end.
    assert seen["sent"] == 52
    assert {"batch", "IngestEventBatch"} & set(seen["asked"])
    own = f"{seen['place']}/healthz"
    assert (seen["spans"], seen["crumbs"]) == (["GET"], [own])
    assert own in seen["kept"]
    for ours in ("/events/batch", "capabilities", "Ingest"):
        assert ours not in seen["kept"]


def test_a_sentry_that_is_another_one_disturbs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Any:
        raise RuntimeError

    for strange in (SimpleNamespace(), SimpleNamespace(get_isolation_scope=broken)):
        monkeypatch.setitem(sys.modules, "sentry_sdk", strange)
        monkeypatch.setattr(suppress, "SUPPRESSED", SimpleNamespace(set=lambda _: None))
        suppress.suppress_tracing()
