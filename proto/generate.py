"""
Turn the .proto files into `chaukas/sdk/wire/proto`, or into code of the tests.

The generator is pinned to an old release on purpose: code made by protoc 25
imports on every protobuf runtime from 4.25 on, newer code demands a runtime at
least as new as itself. It lives in a throw-away environment, because that
release needs an older protobuf than the project does.

    python proto/generate.py            write where each module belongs
    python proto/generate.py --to DIR   write all of them there, to compare
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

__all__ = ("GENERATOR", "PACKAGES", "generate", "relocate")

GENERATOR = ("grpcio-tools==1.62.3", "protobuf==4.25.8", "setuptools==80.9.0")
"""What goes into the throw-away environment; the last release of its line."""

HERE = Path(__file__).resolve().parent
PACKAGES = {
    "events": "chaukas.sdk.wire.proto",
    "ingest": "chaukas.sdk.wire.proto",
    "query": "chaukas.sdk.wire.proto",
    "service": "chaukas.sdk.wire.proto",
}
"""For each .proto file, in order of dependence, the package of its module."""


def relocate(code: str) -> str:
    """
    Return generated `code` as it must read in the packages of `PACKAGES`.

    protoc takes the Python package from the path of the .proto file, which is
    `chaukas/v1`. Only Python names change: the serialised description, and with
    it the name of the file in the descriptor pool, stays as it is.
    """
    for name, package in PACKAGES.items():
        code = code.replace(
            f"from chaukas.v1 import {name}_pb2", f"from {package} import {name}_pb2"
        )
        code = code.replace(f"'chaukas.v1.{name}_pb2", f"'{package}.{name}_pb2")
    # Strict type checks refuse a generic type without its arguments.
    return code.replace(", _Mapping]", ", _Mapping[str, object]]")


def generate(target: Path | None = None) -> None:
    """
    Write the modules, with stubs for those of the product.

    Args:
        target: Folder for all of them; None for the folder of each package.

    Raises:
        subprocess.CalledProcessError: The environment cannot be made (no
            network, or a Python without a wheel of the generator), or a .proto
            file is wrong.
    """
    with tempfile.TemporaryDirectory() as scratch:
        python = _environment(Path(scratch) / "venv")
        made = Path(scratch) / "made"
        made.mkdir()
        for name, package in PACKAGES.items():
            kinds = ("python", "pyi") if package.startswith("chaukas") else ("python",)
            outputs = [f"--{kind}_out={made}" for kind in kinds]
            protoc = [str(python), "-m", "grpc_tools.protoc", f"-I{HERE}", *outputs]
            _run([*protoc, f"chaukas/v1/{name}.proto"])
            folder = target or HERE.parent.joinpath(*package.split("."))
            for path in sorted((made / "chaukas" / "v1").glob(f"{name}_pb2*")):
                text = relocate(path.read_text(encoding="utf-8"))
                (folder / path.name).write_text(text, encoding="utf-8")


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
    """Read the command line and generate."""
    parser = argparse.ArgumentParser(description="Generate the protobuf modules.")
    parser.add_argument("--to", type=Path, metavar="DIR")
    try:
        generate(parser.parse_args().to)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
