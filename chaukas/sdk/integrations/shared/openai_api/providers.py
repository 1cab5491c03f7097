"""Who serves a model, by the address that its requests go to."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["COMPATIBLE", "provider_at"]

_PROVIDERS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure",
    "cognitiveservices.azure.com": "azure",
    "services.ai.azure.com": "azure",
}
COMPATIBLE = "openai_compatible"
"""Who serves an address that names nobody: the API is OpenAI's, the model is not."""


@lru_cache(maxsize=256)
def provider_at(host: str) -> str:
    """Return who serves *host*: `openai`, `azure`, the host itself, or `COMPATIBLE`."""
    name = host.lower().rstrip(".")
    for known, provider in _PROVIDERS.items():
        if name == known or name.endswith(f".{known}"):
            return provider
    is_name = "." in name and ":" not in name and not name[-1].isdigit()
    return host if is_name else COMPATIBLE
