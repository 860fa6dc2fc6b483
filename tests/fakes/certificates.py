"""Certificates of an authority made for a test, as files that can be renewed in the ways that operators do it."""

from __future__ import annotations

import os
import ssl
from datetime import datetime
from pathlib import Path

import trustme
from cryptography import x509

from proxy.config import ListenTls, TlsConfig


class Issued:
    """A certificate and its key in a folder, under the names of Kubernetes' TLS secrets, with its authority beside them."""

    def __init__(self, folder: Path, authority: trustme.CA, *names: str) -> None:
        self.folder, self.authority, self.names = folder, authority, names or ("localhost", "127.0.0.1")
        folder.mkdir(exist_ok=True)
        self.ca, self.cert, self.key = folder / "ca.crt", folder / "tls.crt", folder / "tls.key"
        self.issue()

    def issue(self, *, until: datetime | None = None) -> int:
        """Writes anew, in place; the serial number."""
        issued = self.authority.issue_cert(*self.names, not_after=until)
        self.authority.cert_pem.write_to_path(str(self.ca))
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return self.serial

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number

    @property
    def pair(self) -> tuple[bytes, bytes]:
        return self.key.read_bytes(), self.cert.read_bytes()

    def listening(self, **given: object) -> ListenTls:
        return ListenTls(cert_file=self.cert, key_file=self.key, **given)

    def showing(self, **given: object) -> TlsConfig:
        """As a client that shows it."""
        return TlsConfig(ca_file=self.ca, cert_file=self.cert, key_file=self.key, **given)

    def trusting(self, *protocols: str, show: bool = False) -> ssl.SSLContext:
        """A client's context."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.set_alpn_protocols(protocols)
        if show:
            context.load_cert_chain(self.cert, self.key)
        return context


class Mounted:
    """A mounted secret: the files are links through `..data`, which leads to a folder with a date."""

    def __init__(self, folder: Path, first: Issued) -> None:
        self._folder = folder
        folder.mkdir()
        self.show(first)
        for name in ("ca.crt", "tls.crt", "tls.key"):
            (folder / name).symlink_to(Path("..data") / name)
        self.listening = ListenTls(cert_file=folder / "tls.crt", key_file=folder / "tls.key")

    def show(self, issued: Issued) -> None:
        """As the kubelet does it: a link beside, then renamed over."""
        (self._folder / "..data_tmp").symlink_to(issued.folder)
        os.replace(self._folder / "..data_tmp", self._folder / "..data")
