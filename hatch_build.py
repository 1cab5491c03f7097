"""
The build hook: a wheel and an sdist hold the built page.

Without Node the package is built without the page, and says so: recording and the
commands need none. An editable install builds the page at the first `chaukas view`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ("PageHook",)


class PageHook(BuildHookInterface[Any]):
    """Builds the page, before what goes into the package is collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page and add it; `version` is that of the build, as `editable`."""
        if version == "editable":
            return
        path = Path(self.root) / "chaukas" / "viewer" / "build.py"
        spec = importlib.util.spec_from_file_location("page_build", path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        page = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(page)
        try:
            page.build(self.app.display_info)
        except page.BuildError as error:
            self.app.display_warning(f"chaukas: without the page: {error}")
        if page.is_built():
            # Ignored by git, and therefore not taken along by itself.
            build_data["artifacts"].append("/chaukas/viewer/page/")
