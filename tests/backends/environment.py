"""
The environment of the tests against servers of backends, which brings these servers.

    python tests/backends/environment.py [OPTION of pytest …]

makes it, if need be, in the folder for temporary files, and runs the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# Late: only now is it found.
from tests.frameworks.environments import (
    CACHE,
    Framework,
    Release,
    environment,
    run_tests,
)

__all__ = ("SERVERS",)

SERVERS = Framework(
    "backends",
    "arize-phoenix",
    (Release("20.26.1"),),
    (
        "openai-agents==0.24.0",
        "mcp==2.3.0",
        "openinference-instrumentation-openai-agents==2.6.0",
        "opentelemetry-exporter-otlp-proto-http",
        "rotel==0.0.1a15",
        "uvicorn",
        "starlette",
        "httpx2",
    ),
)

if __name__ == "__main__":
    place = environment(CACHE, SERVERS, SERVERS.releases[-1])
    options = ["-m", "slow", *sys.argv[1:], "tests/backends"]
    sys.exit(run_tests(place, SERVERS, options))
