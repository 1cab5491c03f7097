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
    found = list(frameworks(config))
    # Who uses one framework need not have the others.
    is_any = any(each.is_installed and not each.known.absence for each in found)
    for framework in found:
        wanted = config.integrations
        if not framework.known.is_wanted(wanted):
            yield ok(framework.known.name, "left out by the setting integrations")
        else:
            yield _finding_of(framework, is_any=is_any)


def _finding_of(framework: Framework, *, is_any: bool) -> Finding:
    known = framework.known
    name = known.name
    if not framework.is_installed:
        if known.absence or is_any:
            why = known.absence or "there are no runs of it to record"
            return ok(name, f"not installed here: {why}")
        return warn(name, "not installed here: none of its runs is recorded", _HERE)
    if framework.error:
        text = f"cannot be imported ({shown(framework.error, _NAME_CHARS)})"
        return fail(name, text, f"Try: python -c 'import {known.module}'")
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
        remedy = f"This release is not supported, these are: {known.versions}."
        return fail(name, text, remedy, **facts)
    if lost:
        # Mostly parts that an older release does not have yet.
        remedy = "A newer release has them: see Supported versions in the README."
        return warn(name, text, remedy, **facts, lost=lost)
    return ok(name, text, **facts)
