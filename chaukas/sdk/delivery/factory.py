"""Makes what the settings ask for: a file, or a spool and the sinks behind it."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .plan import Destination, Pace, SpoolPlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.config import Config
    from chaukas.sdk.pipeline import Pipeline
    from chaukas.sdk.sinks import Sink
    from chaukas.sdk.sinks.collector.grpc import GrpcSink
    from chaukas.sdk.sinks.collector.http import HttpSink
    from chaukas.sdk.sinks.collector.responses import Remote
    from chaukas.sdk.sinks.joining import JoiningRemote
    from chaukas.sdk.sinks.jsonl import JsonlSink

__all__ = ["fallback_dir", "output_of", "pipeline_of", "places_of", "uses_grpc"]

_PLACE_CHARS = 256


def output_of(config: Config) -> Sink | SpoolPlan:
    """Return the one file that the settings name, or the plan for several sinks."""
    if config.sinks == ("file",):
        return _file_of(config)
    return SpoolPlan(
        destinations=tuple(_destination_of(name, config) for name in config.sinks),
        spool_dir=str(Path(config.spool_dir).absolute()),
        fallback_dir=fallback_dir(),
        limit_bytes=config.spool_limit_bytes,
        pace=Pace(config.batch_size, config.max_batch_bytes, config.flush_interval_s),
        tenant_id=config.tenant_id,
        project_id=config.project_id,
    )


def pipeline_of(
    output: Sink | SpoolPlan,
    *,
    stream: str,
    memory_limit_bytes: int,
    monotonic: Callable[[], float] = time.monotonic,
    **options: Any,
) -> Pipeline:
    """
    Return the pipeline in front of a sink, or of a spool with several behind it.

    Args:
        output: The sink, or the plan by which events go through a spool.
        stream: Name of the chain of events, unique to the process instance.
        memory_limit_bytes: Most that waiting events may take; a tenth of it is
            kept for vital ones. While a batch is being sent, up to 2 MiB more
            are in use.
        monotonic: Clock for intervals, in seconds.
        **options: As for `Pipeline`.
    """
    from chaukas.sdk.pipeline import Pipeline

    if not isinstance(output, SpoolPlan):
        from chaukas.sdk.pipeline.bounded_queue import BoundedQueue

        plain = BoundedQueue(memory_limit_bytes, monotonic)
        return Pipeline(output, plain, stream=stream, monotonic=monotonic, **options)
    # Late: a program that only writes a file needs nothing of it.
    from . import Delivery
    from .counted_queue import CountedQueue

    queue = CountedQueue(memory_limit_bytes, monotonic)
    delivery = Delivery(
        output,
        stream=stream,
        on_page=queue.attach,
        on_lost=queue.drop,
        monotonic=monotonic,
    )
    return Pipeline(delivery, queue, stream=stream, monotonic=monotonic, **options)


def uses_grpc(config: Config) -> bool:
    """Return whether a sink sends over gRPC, whose library is best loaded early."""
    if "otlp" not in config.sinks:
        return "grpc" in config.sinks
    from chaukas.sdk.sinks.otlp.environment import target_of

    is_grpc = target_of(config, os.environ).protocol == "grpc"
    return is_grpc or "grpc" in config.sinks


def places_of(config: Config) -> str:
    """Return where events go, for people: no credentials, and of bounded length."""
    file = str(config.output_file.absolute())
    places = [
        file if name == "file" else f"{_place_of(name, config)} ({name})"
        for name in config.sinks
    ]
    return " and ".join(
        place if len(place) <= _PLACE_CHARS else f"…{place[-_PLACE_CHARS:]}"
        for place in places
    )


def fallback_dir() -> str:
    """Return the folder of spools, among the temporary ones, that is the stand-in."""
    from chaukas.sdk.config import temporary_spool_dir_of

    return str(temporary_spool_dir_of(os.environ))


def _destination_of(name: str, config: Config) -> Destination:
    return Destination(
        _key_of(name, config),
        _remote_of(name, config),
        place=_place_of(name, config),
        is_near=name == "file",
    )


def _key_of(name: str, config: Config) -> str:
    """
    Return the name by which spools know this sink.

    Programs of several tenants may share a spool folder; none must deliver what
    another one left to the wrong place. The API key is no part of it: keys change.
    """
    parts = (name, _place_of(name, config), config.tenant_id, config.project_id)
    return f"{name}-{sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"


def _place_of(name: str, config: Config) -> str:
    if name == "file":
        return str(config.output_file.absolute())
    from chaukas.sdk.config import endpoint_without_secrets

    if name == "otel":
        return "the tracer provider of the application"
    if name != "otlp":
        return endpoint_without_secrets(config.endpoint or "")
    from chaukas.sdk.sinks.otlp.environment import target_of

    return endpoint_without_secrets(target_of(config, os.environ).endpoint)


def _remote_of(name: str, config: Config) -> Remote | JoiningRemote:
    if name == "file":
        from chaukas.sdk.sinks.file import FileRemote

        return FileRemote(_file_of(config))
    if name == "otel":
        from chaukas.sdk.sinks.otlp.factory import provider_sink_of

        return provider_sink_of(config)
    if name == "otlp":
        from chaukas.sdk.sinks.otlp.factory import sink_of

        return sink_of(config, os.environ)
    return _collector_class(name)(
        config.endpoint or "",
        api_key=config.api_key,
        api_key_file=config.api_key_file,
        ca_file=config.ca_file,
        client_cert=config.client_cert,
        client_key=config.client_key,
        compat=config.collector_compat,
        timeout_s=config.timeout_s,
    )


def _collector_class(name: str) -> type[GrpcSink | HttpSink]:
    if name == "grpc":
        from chaukas.sdk.sinks.collector.grpc import GrpcSink

        return GrpcSink
    from chaukas.sdk.sinks.collector.http import HttpSink

    return HttpSink


def _file_of(config: Config) -> JsonlSink:
    from chaukas.sdk.sinks.jsonl import JsonlSink, Rotation

    rotation = None
    if config.rotate_bytes or config.rotate_interval_s:
        rotation = Rotation(
            limit_bytes=config.rotate_bytes,
            interval_s=config.rotate_interval_s,
            keep=config.rotate_keep,
            gzip=config.rotate_gzip,
        )
    return JsonlSink(config.output_file, rotation=rotation)
