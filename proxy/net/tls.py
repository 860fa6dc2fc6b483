"""TLS contexts of our listening ports and towards the sides, and why a handshake failed, in an operator's words.

Owns: ALPN, the certificate for a name (SNI), words. Not: the files (certificates), handshakes of clients (entrance).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from proxy.certificates import Renewed, client_context, files, read_certificates, server_contexts
from proxy.config import CertificateFiles, ListenTls, TlsConfig
from proxy.net.ends import Version

_ALPN = {Version.HTTP1: "http/1.1", Version.HTTP2: "h2"}


def towards_clients(tls: ListenTls, kind: type[ssl.SSLObject]) -> Renewed[ssl.SSLContext]:
    """Both protocols on one port; with `client_ca_file` clients must show a certificate. Raises ConfigError."""
    return Renewed(list(files(tls).values()), lambda: _server_context(tls, kind))


def _server_context(tls: ListenTls, kind: type[ssl.SSLObject]) -> ssl.SSLContext:
    made = list(server_contexts(tls))
    for _, context in made:
        context.set_alpn_protocols([_ALPN[Version.HTTP2], _ALPN[Version.HTTP1]])
    first = made[0][1]
    first.sslobject_class = kind
    if tls.more:
        by_name = {name: context for pair, context in reversed(made) for name in _names(pair)}
        first.sni_callback = lambda handshake, name, _: _show(handshake, by_name.get(name or "") or by_name.get(_wild(name)))
    return first


def _show(handshake: ssl.SSLObject, context: ssl.SSLContext | None) -> None:
    if context is not None:
        handshake.context = context


def _wild(name: str | None) -> str:
    return f"*.{(name or '').partition('.')[2]}"


def _names(pair: CertificateFiles) -> list[str]:
    leaf = read_certificates("listen_tls.cert_file", pair.cert_file)[0]
    try:
        found = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return []
    return found.get_values_for_type(x509.DNSName) if isinstance(found, x509.SubjectAlternativeName) else []


def towards_side(tls: TlsConfig, version: Version) -> Renewed[ssl.SSLContext]:
    """Raises ConfigError."""
    return Renewed(list(files(tls).values()), lambda: _client_context(tls, version))


def _client_context(tls: TlsConfig, version: Version) -> ssl.SSLContext:
    context = client_context(tls)
    context.set_alpn_protocols([_ALPN[version]])
    return context


def chosen(ssl_object: ssl.SSLObject | None) -> Version | None:
    """What both sides agreed on by ALPN; None without TLS or without ALPN."""
    agreed = ssl_object.selected_alpn_protocol() if ssl_object is not None else None
    return next((version for version, name in _ALPN.items() if name == agreed), None)


_NO_TLS: Final = "it does not speak TLS: use http:// in its URL"
_OUR_CERTIFICATE: Final = "it asks for a certificate of ours: give tls.cert_file and tls.key_file"
_NOTHING_IN_COMMON: Final = "no version of TLS is spoken by both: see tls.min_version"
_OF_UPSTREAM: Final[Mapping[str, str]] = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _OUR_CERTIFICATE,
    "TLSV1_ALERT_PROTOCOL_VERSION": _NOTHING_IN_COMMON,
    "UNSUPPORTED_PROTOCOL": _NOTHING_IN_COMMON,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "it has no protocol in common with us (ALPN): the client's does not pass there",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": f"it refuses the handshake; perhaps {_OUR_CERTIFICATE}",
    "TLSV1_ALERT_UNKNOWN_CA": "it refuses our certificate: unknown authority",
    "TLSV1_ALERT_DECRYPT_ERROR": "it refuses our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it refuses our certificate: expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it refuses our certificate: revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses our certificate",
}


def words(error: Exception) -> str:
    """Why a connection to an upstream failed or broke."""
    match error:
        case ssl.SSLCertVerificationError():
            advice = "tls.server_name" if "mismatch" in error.verify_message else "tls.ca_file"
            return f"its certificate is not accepted: {error.verify_message} (certificate verify failed; see {advice})"
        case ssl.SSLError() if error.reason:
            return _OF_UPSTREAM.get(error.reason, str(error))
        case ConnectionResetError() if not str(error):  # as the event loop says it
            return "it closed the connection during the handshake"
    return str(error) or type(error).__name__
