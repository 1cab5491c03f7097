"""
The check of the frameworks: which are installed, and what of them is recorded.

Each is patched in this process for a moment, which is the only sure way to know.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chaukas.cli.tree.line import shown
from chaukas.sdk._version import VERSION
from chaukas.sdk.maintenance import frameworks

from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.config import Config
    from chaukas.sdk.maintenance import Framework

    from .finding import Finding

__all__ = ("check_frameworks",)

_NAME_CHARS = 48
_SAYS = {
    "active": "found",
    "fallback": "replaced by public hooks",
    "missing": "missing",
    "waiting": "in parts that are loaded on demand",
}
_HELPERS = {
    "mcp_client": "there are no calls of it to record",
    "tenacity": "there are no retries of it to record",
}
"""What it means that a library is not here which runs no agents."""
_HERE = "Run this with the application's own Python: python -m chaukas.cli doctor"


def check_frameworks(config: Config) -> Iterator[Finding]:
    """Yield a line about chaukas and Python, and one for each framework."""
    python = sys.version.split()[0]
    yield ok(
        "versions",
        f"chaukas {VERSION}, Python {python} at {sys.executable!r}",
        chaukas=VERSION,
        python=python,
    )
    for framework in frameworks(config):
        wanted = config.integrations
        if wanted is not None and framework.name not in wanted:
            yield ok(framework.name, "left out by the setting integrations")
        else:
            yield _finding_of(framework)


def _finding_of(framework: Framework) -> Finding:
    name = framework.name
    if not framework.is_installed:
        if name in _HELPERS:
            return ok(name, f"not installed here: {_HELPERS[name]}")
        return warn(name, "not installed here: none of its runs is recorded", _HERE)
    if framework.error:
        text = f"cannot be imported ({shown(framework.error, _NAME_CHARS)})"
        return fail(name, text, f"Try: python -c 'import {framework.module}'")
    versions = ", ".join(
        f"{package} {version}"
        for package, version in framework.versions.items()
        if version
    )
    counts = {outcome: len(hooks) for outcome, hooks in framework.hooks.items()}
    found = ", ".join(
        f"{number} {_SAYS[outcome]}" for outcome, number in counts.items()
    )
    facts = {"versions": dict(framework.versions), "hooks": counts}
    text = f"{versions}; hook points: {found}"
    lost = [*framework.hooks.get("missing", ()), *framework.hooks.get("fallback", ())]
    if not counts.get("active"):
        return fail(
            name, text, "This release is not supported: see the README.", **facts
        )
    if lost:
        # Mostly parts that an older release does not have yet.
        remedy = "A newer release has them: see Supported versions in the README."
        return warn(name, text, remedy, **facts, lost=lost)
    return ok(name, text, **facts)
