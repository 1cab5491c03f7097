"""
The page in Debian's Chromium, watched: what it asks for, logs and opens.

Nothing is downloaded: Playwright drives the browser that is on the machine.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.page_server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.page_server import Served

__all__ = ("AXE", "WIDE", "Watched", "browser", "watched")

AXE = ROOT / "chaukas/viewer/web/node_modules/axe-core/axe.min.js"
WIDE = (1360, 820)
_DEADLINE_S = 60


@dataclass
class Watched:
    """A page, and everything it did that a page of ours must not do."""

    page: Page
    base: str
    dialogs: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    """Requests to anything but the server."""
    complaints: list[str] = field(default_factory=list)
    """Errors that the browser logged, the content security policy's among them."""

    def go(self, route: str) -> None:
        """Show a route, anew."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/{route}")
        self.until("!document.querySelector('[aria-busy=true]')")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def ask(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        return self.page.evaluate(script)

    def until(self, script: str) -> None:
        """
        Wait until an expression is true.

        Playwright's own waiting evaluates text in the page, which the policy forbids.
        """
        deadline_s = monotonic() + _DEADLINE_S
        while not self.page.evaluate(script):
            assert monotonic() < deadline_s, f"never true: {script}"
            self.page.wait_for_timeout(40)

    def settle(self) -> None:
        """Wait until two pictures in a row are the same, charts included."""
        before = b""
        while (now := self.page.screenshot()) != before:
            before = now
            self.page.wait_for_timeout(120)

    def copied(self, text: str) -> str:
        """Return what is on the clipboard, once it holds a text."""
        read = "navigator.clipboard.readText()"
        self.until(f"{read}.then(now => now.includes({text!r}))")
        return str(self.page.evaluate(read))

    def count(self, selector: str) -> int:
        """Return how many elements there are."""
        return self.page.locator(selector).count()

    def text(self, selector: str) -> str:
        """Return the text of the first element, once it is there."""
        return self.page.locator(selector).first.inner_text()

    def see(self, text: str, within: str = "main") -> None:
        """Wait until a text is seen."""
        self.page.locator(within).get_by_text(text).first.wait_for(timeout=60_000)

    def serious_faults(self) -> list[str]:
        """Return what axe calls serious or critical, with the elements."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document)")["violations"]
        return [
            f"{each['id']}: {node['target']} {node['failureSummary'][:200]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no chromium on the PATH: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program,
            # In a container the machine's user is root, which Chromium refuses else.
            args=["--no-sandbox", "--disable-background-networking"],
        )
        try:
            yield started
        finally:
            started.close()


@contextmanager
def watched(
    started: Browser,
    server: Served,
    *,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
) -> Iterator[Watched]:
    """Open the page in a window of its own, signed in, and watch it."""
    context = started.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        timezone_id="UTC",
        locale="en-US",
        reduced_motion="reduce",
    )
    name, _, value = server.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": server.base}])
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    seen = Watched(page, server.base)

    def asked(request: Any) -> None:
        parts = urlsplit(request.url)
        inside = parts.scheme in {"about", "blob", "data", "file"}
        if not inside and f"{parts.scheme}://{parts.netloc}" != server.base:
            seen.strangers.append(request.url)

    def opened(dialog: Any) -> None:
        seen.dialogs.append(dialog.message)
        dialog.dismiss()

    def logged(message: Any) -> None:
        if message.type == "error":
            seen.complaints.append(message.text)

    context.on("request", asked)
    page.on("dialog", opened)
    page.on("console", logged)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    try:
        yield seen
    finally:
        context.close()
