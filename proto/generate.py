"""
Turn the .proto files into `chaukas/sdk/wire/proto`.

The generator is pinned to an old release on purpose: code made by protoc 25
imports on every protobuf runtime from 4.25 on, newer code demands a runtime at
least as new as itself. It lives in a throw-away environment, because that
release needs an older protobuf than the project does.

    python proto/generate.py            write chaukas/sdk/wire/proto
    python proto/generate.py --to DIR   write somewhere else, to compare
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

__all__ = ("GENERATOR", "SOURCES", "generate", "relocate")

GENERATOR = ("grpcio-tools==1.62.3", "protobuf==4.25.8", "setuptools==80.9.0")
"""What goes into the throw-away environment; the last release of its line."""

SOURCES = ("events", "query", "service")
"""The .proto files, and thereby the modules, in order of dependence."""

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "chaukas" / "sdk" / "wire" / "proto"


def relocate(code: str) -> str:
    """
    Return generated `code` as it must read inside `chaukas.sdk.wire.proto`.

    protoc takes the Python package from the path of the .proto file, which is
    `chaukas/v1`. Only Python names change: the serialised description, and with
    it the name of the file in the descriptor pool, stays as it is.
    """
    code = re.sub(
        r"^from chaukas\.v1 import ", "from . import ", code, flags=re.MULTILINE
    )
    code = code.replace("'chaukas.v1.", "'chaukas.sdk.wire.proto.")
    # Strict type checks refuse a generic type without its arguments.
    return code.replace(", _Mapping]", ", _Mapping[str, object]]")


def generate(target: Path) -> None:
    """
    Write the modules and their stubs to `target`.

    Raises:
        subprocess.CalledProcessError: The environment cannot be made (no
            network, or a Python without a wheel of the generator), or a .proto
            file is wrong.
    """
    with tempfile.TemporaryDirectory() as scratch:
        python = _environment(Path(scratch) / "venv")
        made = Path(scratch) / "made"
        made.mkdir()
        sources = [f"chaukas/v1/{name}.proto" for name in SOURCES]
        outputs = [f"--{kind}_out={made}" for kind in ("python", "pyi")]
        protoc = [str(python), "-m", "grpc_tools.protoc", f"-I{HERE}", *outputs]
        _run([*protoc, *sources])
        # Only the service has stubs: for the others gRPC makes empty modules.
        _run([*protoc[:4], f"--grpc_python_out={made}", sources[-1]])
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted((made / "chaukas" / "v1").iterdir()):
            text = relocate(path.read_text(encoding="utf-8"))
            (target / path.name).write_text(text, encoding="utf-8")


def _environment(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    _run([*pip, *GENERATOR])
    return python


def _run(command: list[str]) -> None:
    # The commands are built above from constants and our own paths.
    subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> int:
    """Read the command line, generate, and say where."""
    parser = argparse.ArgumentParser(description="Generate chaukas/sdk/wire/proto.")
    parser.add_argument("--to", type=Path, default=TARGET, metavar="DIR")
    target: Path = parser.parse_args().to
    try:
        generate(target)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        return 1
    if target == TARGET:
        shutil.rmtree(target / "__pycache__", ignore_errors=True)
    sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
