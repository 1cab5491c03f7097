"""
The `chaukas` name: a door to `chaukas.sdk`, shared with other distributions.

The published `chaukas-spec-client` and `-server` install `chaukas/spec` beside us,
so the path is extended before anything else, and the names of `chaukas.sdk` are
handed on lazily.
"""

from pkgutil import extend_path
from typing import Any

__path__ = extend_path(__path__, __name__)


def __getattr__(name: str) -> Any:
    """Hand on a public name of `chaukas.sdk`."""
    if name.startswith("_") and name != "__version__":
        raise AttributeError(name)
    from importlib import import_module

    front_door = import_module("chaukas.sdk")
    try:
        return getattr(front_door, name)
    except AttributeError:
        message = f"module 'chaukas' has no attribute {name!r}"
        raise AttributeError(message) from None


def __dir__() -> list[str]:
    """List the public names of `chaukas.sdk`."""
    from importlib import import_module

    return sorted(import_module("chaukas.sdk").__all__)
