"""
Certificates made on the spot, as files.

So that TLS is tested with real handshakes, and no private key stands in the tree.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ("Authority",)


class Authority:
    """An authority of its own, and the certificates that it issues."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._numbers = count(1)
        self._ca = trustme.CA()
        self.ca_file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def issue(
        self, host: str = "localhost", *, not_after: datetime | None = None
    ) -> dict[str, Path]:
        """Return the files of a certificate and its key, as collectors take them."""
        issued = self._ca.issue_cert(host, not_after=not_after)
        name = f"{self.ca_file.stem}-{next(self._numbers)}"
        certificate = self._folder / f"{name}.pem"
        private_key = self._folder / f"{name}.key"
        for index, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(str(certificate), append=index > 0)
        issued.private_key_pem.write_to_path(str(private_key))
        return {"certificate": certificate, "private_key": private_key}
