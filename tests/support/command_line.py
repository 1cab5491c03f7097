"""The runner of the command line, whichever release of click is installed."""

from __future__ import annotations

import inspect

from click.testing import CliRunner

__all__ = ("command_line",)


def command_line() -> CliRunner:
    """Return a runner that keeps both outputs apart, which click 8.2 always does."""
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        # Unknown to the release that types are checked with.
        return CliRunner(mix_stderr=False)  # type: ignore[call-arg]
    return CliRunner()
