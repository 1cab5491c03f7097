"""
The `chaukas` name: a short one for `chaukas.sdk`, shared with other distributions.

The published `chaukas-spec-client` and `-server` install `chaukas/spec` beside us,
so the path is extended before anything else, and the names of `chaukas.sdk` are
handed on lazily.
"""

from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

__path__ = extend_path(__path__, __name__)

if TYPE_CHECKING:
    # What `__getattr__` finds, for type checkers and editors.
    from chaukas.sdk import ChaukasError as ChaukasError
    from chaukas.sdk import ConfigError as ConfigError
    from chaukas.sdk import EventType as EventType
    from chaukas.sdk import Stats as Stats
    from chaukas.sdk import __version__ as __version__
    from chaukas.sdk import current_traceparent as current_traceparent
    from chaukas.sdk import data_access as data_access
    from chaukas.sdk import disable_chaukas as disable_chaukas
    from chaukas.sdk import enable_chaukas as enable_chaukas
    from chaukas.sdk import end_session as end_session
    from chaukas.sdk import event as event
    from chaukas.sdk import flush as flush
    from chaukas.sdk import is_enabled as is_enabled
    from chaukas.sdk import policy_decision as policy_decision
    from chaukas.sdk import retrieval_tool as retrieval_tool
    from chaukas.sdk import score as score
    from chaukas.sdk import session as session
    from chaukas.sdk import state_update as state_update
    from chaukas.sdk import stats as stats
else:
    # Hidden from type checkers, which would take any slip of the pen for a name.

    def __getattr__(name: str) -> Any:
        """Hand on a public name of `chaukas.sdk`."""
        if name.startswith("_") and name != "__version__":
            raise AttributeError(name)
        from importlib import import_module

        sdk = import_module("chaukas.sdk")
        try:
            return getattr(sdk, name)
        except AttributeError:
            message = f"module 'chaukas' has no attribute {name!r}"
            raise AttributeError(message) from None


def __dir__() -> list[str]:
    """List the public names of `chaukas.sdk`."""
    from importlib import import_module

    return sorted(import_module("chaukas.sdk").__all__)
