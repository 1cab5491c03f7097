"""Where spans go: settings of chaukas first, then OpenTelemetry's own variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaukas.sdk.config import load
from chaukas.sdk.sinks.otlp.environment import Target, target_of


def target(environ: dict[str, str] | None = None, **settings: Any) -> Target:
    return target_of(load(settings, None, {}).config, environ or {})


@pytest.mark.parametrize(
    ("environ", "settings", "expected"),
    [
        ({}, {}, ("http", "http://localhost:4318/v1/traces")),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://o.example/base/"},
            {},
            ("http", "https://o.example/base/v1/traces"),
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "https://o.example",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t.example/as/it/is",
            },
            {},
            ("http", "https://t.example/as/it/is"),
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://o.example"},
            {"otlp_endpoint": "https://ours.example/api/otel"},
            ("http", "https://ours.example/api/otel/v1/traces"),
        ),
        (
            {},
            {"otlp_endpoint": "https://ours.example/v1/traces"},
            ("http", "https://ours.example/v1/traces"),
        ),
        ({}, {"otlp_endpoint": "grpc://c:4317"}, ("grpc", "grpc://c:4317")),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317",
            },
            {},
            ("grpc", "http://c:4317"),
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            {},
            ("grpc", "http://localhost:4317"),
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            {},
            ("http", "http://localhost:4318/v1/traces"),
        ),
    ],
)
def test_the_address(
    environ: dict[str, str], settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = target(environ, **settings)
    assert (found.protocol, found.endpoint) == expected
    assert not found.problems


def test_an_address_that_is_none_is_left_out_with_a_line() -> None:
    found = target({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"})
    assert found.endpoint == "http://localhost:4318/v1/traces"
    (problem,) = found.problems
    assert problem == (
        "chaukas: OTEL_EXPORTER_OTLP_ENDPOINT is no http(s)://host:port: it is left"
        " out. Correct it, or set CHAUKAS_OTLP_ENDPOINT."
    )


def test_headers_are_decoded_and_ours_win() -> None:
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20abc=,x=1"}
    assert target(environ).headers == {"authorization": "Basic abc=", "x": "1"}
    assert target(environ, otlp_headers={"y": "2"}).headers == {"y": "2"}
    assert "abc" not in repr(target(environ))


@pytest.mark.parametrize(
    ("text", "timeout_s"), [("", 10.0), ("7", 7.0), ("2500", 2.5), ("soon", 10.0)]
)
def test_a_timeout_is_seconds_as_in_python_or_milliseconds_as_specified(
    text: str, timeout_s: float
) -> None:
    found = target({"OTEL_EXPORTER_OTLP_TIMEOUT": text})
    assert found.timeout_s == timeout_s
    assert len(found.problems) == (text == "soon")


def test_certificates_compression_and_resource() -> None:
    found = target(
        {
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": "/me.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/me.key",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,deployment=a%20b",
        },
        ca_file="/ours.pem",
    )
    assert found.ca_file == Path("/ours.pem")
    assert found.client_cert == Path("/me.pem")
    assert found.client_key == Path("/me.key")
    assert not found.is_gzip
    assert found.service_name == "shop"
    assert found.resource == {"deployment": "a b"}


def test_the_name_of_the_service_has_a_variable_of_its_own() -> None:
    environ = {
        "OTEL_SERVICE_NAME": "desk",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop",
    }
    assert target(environ).service_name == "desk"
