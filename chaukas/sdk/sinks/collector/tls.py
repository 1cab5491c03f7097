"""
TLS settings: authorities, client certificate and key, for HTTP and gRPC.

Read by OpenSSL first in either case, because the gRPC library reports a file that
it cannot use only by a handshake that fails.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PemFiles", "TlsFilesError", "Trust"]

_EMPTY: Final = ""


class TlsFilesError(Exception):
    """A file for TLS cannot be used; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class PemFiles:
    """The contents of the files, as the gRPC library wants them."""

    root_certificates: bytes | None
    private_key: bytes | None
    certificate_chain: bytes | None


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust, and as whom to appear; paths to PEM files, or None."""

    ca_file: str | None = None
    """Authorities to trust instead of the system's."""
    client_cert: str | None = None
    """Our own certificate with its chain, for mutual TLS."""
    client_key: str | None = None
    """Its private key; None if that stands in the same file."""

    @classmethod
    def of(
        cls,
        ca_file: str | os.PathLike[str] | None,
        client_cert: str | os.PathLike[str] | None,
        client_key: str | os.PathLike[str] | None,
    ) -> Trust:
        """Return the same from paths of any kind."""
        given = (ca_file, client_cert, client_key)
        return cls(*(None if path is None else os.fspath(path) for path in given))

    def context(self) -> ssl.SSLContext:
        """
        Return a fresh context that verifies certificate and host.

        Raises:
            TlsFilesError: A file cannot be read, is not what it should be, or is
                a key without its certificate.
        """
        if self.client_key is not None and self.client_cert is None:
            message = "cannot use CHAUKAS_CLIENT_KEY without CHAUKAS_CLIENT_CERT"
            raise TlsFilesError(message)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is None:
            context.load_default_certs()
        else:
            self._load_authorities(context, self.ca_file)
        if self.client_cert is not None:
            self._load_own(context, self.client_cert)
        return context

    def files(self) -> PemFiles:
        """
        Return what the files hold, once they are known to be usable.

        Without a `ca_file` these are the system's authorities where they are
        kept in one file, so that both ways to a collector trust the same.

        Raises:
            TlsFilesError: A file cannot be read, or is not what it should be.
        """
        self.context()
        roots = self.ca_file or ssl.get_default_verify_paths().cafile
        return PemFiles(
            None if roots is None else _content(roots),
            _content(self.client_key or self.client_cert),
            _content(self.client_cert),
        )

    def _load_authorities(self, context: ssl.SSLContext, path: str) -> None:
        try:
            context.load_verify_locations(cafile=path)
        # ssl.SSLError is one of these.
        except OSError as error:
            raise _unusable("CHAUKAS_CA_FILE", path, error) from None

    def _load_own(self, context: ssl.SSLContext, path: str) -> None:
        try:
            # With a password of its own OpenSSL does not ask at the terminal.
            context.load_cert_chain(path, self.client_key, password=lambda: _EMPTY)
        except OSError as error:
            # OpenSSL does not say which of the two it means.
            has_own = _holds(path, b"BEGIN CERTIFICATE")
            if self.client_key is None and has_own and not _holds(path, b"PRIVATE KEY"):
                message = "there is no private key in it, and CHAUKAS_CLIENT_KEY is not"
                message = f"cannot use CHAUKAS_CLIENT_CERT={path!r}: {message} set"
                raise TlsFilesError(message) from None
            if self.client_key is None or not has_own:
                raise _unusable("CHAUKAS_CLIENT_CERT", path, error) from None
            raise _unusable("CHAUKAS_CLIENT_KEY", self.client_key, error) from None


def _holds(path: str, words: bytes) -> bool:
    try:
        return words in Path(path).read_bytes()
    except OSError:
        return False


def _content(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unusable("a file for TLS", path, error) from None


def _unusable(setting: str, path: str, error: OSError) -> TlsFilesError:
    what = error.strerror or type(error).__name__
    if isinstance(error, ssl.SSLError):
        what = f"not a usable PEM file ({error.reason or 'no certificate'})"
    return TlsFilesError(f"cannot use {setting}={path!r}: {what}")
