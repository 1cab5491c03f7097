"""
Make the pictures of VIEWER.md and of the README: `python docs/pictures.py`.

The same server and browser as in the tests (`pytest -m browser`), with the records of
the examples; the tests make them too, and look whether anything is in them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(_HERE.parent))

# Late: only now are they found.
from tests.support.browser import browser  # noqa: E402
from tests.support.page_pictures import take_pictures  # noqa: E402
from tests.support.page_server import recorded, served, wait_until_read  # noqa: E402

__all__ = ("main",)


def main() -> None:
    """Record the examples, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        records = recorded(Path(folder))
        cache = Path(folder, "cache")
        cache.mkdir()
        with served([records], cache) as server, browser() as started:
            server.enter()
            wait_until_read(server)
            for picture in take_pictures(started, server, _HERE / "pictures"):
                print(picture)


if __name__ == "__main__":
    main()
