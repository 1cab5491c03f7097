"""
Records several of the examples, and opens the page that shows what they did.

    python examples/view.py [--no-open] [--port N]

Each example is run as it is, in a process of its own; their files are then served
together, as `chaukas view FOLDER` does. `--no-open` prints the address only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from chaukas.cli import main

EXAMPLES = (
    "handoffs",
    "tools",
    "guardrails",
    "streaming",
    "openai_retry_example",
    "multi_tenant_sessions",
    "tawk_style_platform",
)


def record(folder: Path) -> None:
    """Run the examples in a folder, where each leaves its file."""
    folder.mkdir(exist_ok=True)
    here = Path(__file__).resolve().parent
    for name in EXAMPLES:
        print(f"recording {name} …")
        # Programs beside this one, with the Python that runs it.
        subprocess.run(  # noqa: S603
            [sys.executable, here / f"{name}.py"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )


if __name__ == "__main__":
    folder = Path("view_records")
    record(folder)
    main(["view", str(folder), *sys.argv[1:]])
