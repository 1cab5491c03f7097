"""Makes the OTLP sink that the settings and the environment ask for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from chaukas.sdk.system.internal_errors import log

from .encode import Resource
from .environment import Target, target_of
from .mapping.names import Flavour, Version, schema_url_of
from .mapping.spans import Mapping
from .receiver import ReceiverSink

if TYPE_CHECKING:
    import collections.abc

    from chaukas.sdk.config import Config

    from .receiver import OtlpClient
    from .sink import OtlpSink

__all__ = ["mapping_of", "provider_sink_of", "sink_of"]


def mapping_of(config: Config) -> Mapping:
    """Return how spans are to be written."""
    version, flavour = cast("Version", config.semconv), cast("Flavour", config.flavour)
    return Mapping.of(version, flavour)


def sink_of(config: Config, environ: collections.abc.Mapping[str, str]) -> OtlpSink:
    """Return the sink, not yet connected; log what cannot be read of its settings."""
    target = target_of(config, environ)
    for problem in target.problems:
        log(logging.WARNING, problem)
    mapping = mapping_of(config)
    resource = Resource(
        target.service_name,
        target.resource,
        schema_url_of(mapping.version),
        mapping.is_openinference,
    )
    return ReceiverSink(_client_of(target), mapping, resource, config.otlp_signals)


def provider_sink_of(config: Config) -> OtlpSink:
    """Return the sink into the application's own provider."""
    from .provider import ProviderSink

    mapping = mapping_of(config)
    schema_url = schema_url_of(mapping.version)
    resource = Resource("", {}, schema_url, mapping.is_openinference)
    return ProviderSink(config.otel_provider, mapping, resource)


def _client_of(target: Target) -> OtlpClient:
    options: dict[str, Any] = {
        "headers": target.headers,
        "is_gzip": target.is_gzip,
        "ca_file": target.ca_file,
        "client_cert": target.client_cert,
        "client_key": target.client_key,
        "timeout_s": target.timeout_s,
    }
    if target.protocol == "grpc":
        from .grpc import OtlpGrpcClient

        return OtlpGrpcClient(target.endpoint, **options)
    from .http import OtlpHttpClient

    return OtlpHttpClient(target.endpoint, **options)
