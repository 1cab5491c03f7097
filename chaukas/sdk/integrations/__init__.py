"""
The integrations that chaukas has: what each records, and where its code is.

Data alone, so that the settings, the runtime, the doctor and the documents read one
list, and nothing of an integration is imported before what it records is.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["INTEGRATIONS", "Known"]


class Known(NamedTuple):
    """One integration, not imported yet."""

    name: str
    """Name in the configuration."""
    module: str
    """Module that is loaded when the package is used, its top-level one as a rule."""
    path: str
    """Where the integration is, as `module:class`."""
    versions: str = ""
    """Releases of the package that are supported, as pip would be told."""
    absence: str = ""
    """What it means that the package is not installed; empty for a framework, whose
    absence is worth a warning."""
    serves: tuple[str, ...] = ()
    """Integrations that need it: it is installed with any of them."""

    def is_wanted(self, names: tuple[str, ...] | None) -> bool:
        """Tell whether it is to be installed, if the setting `integrations` is so."""
        if names is None:
            return True
        return any(name in names for name in (self.name, *self.serves))


INTEGRATIONS = (
    Known(
        "openai_agents",
        "agents",
        "chaukas.sdk.integrations.openai_agents:OpenAIAgentsEnhancedWrapper",
        versions=">=0.5,<0.25",
    ),
    Known(
        "crewai",
        "crewai",
        "chaukas.sdk.integrations.crewai:CrewAIWrapper",
        versions=">=1.11,<1.16",
    ),
    Known(
        "google_adk",
        "google.adk.runners",
        "chaukas.sdk.integrations.google_adk:GoogleADKWrapper",
        versions=">=1.10,<3",
    ),
    Known(
        "openai_client",
        "openai",
        "chaukas.sdk.integrations.openai_client:OpenAIClientWrapper",
        versions=">=2.7,<4",
        absence="there are no calls of it to record",
        serves=("openai_agents", "crewai", "google_adk"),
    ),
    Known(
        "mcp_client",
        "mcp",
        "chaukas.sdk.integrations.mcp_client:MCPClientWrapper",
        versions=">=1,<3",
        absence="there are no calls of it to record",
        serves=("google_adk",),
    ),
    Known(
        "tenacity",
        "tenacity",
        "chaukas.sdk.integrations.tenacity:TenacityWrapper",
        versions=">=8",
        absence="there are no retries of it to record",
        serves=("google_adk",),
    ),
)
"""All of them, in the order in which they are installed."""
