"""TLS contexts of our listening ports and towards the sides.

Owns: versions, ALPN, certificates. Not: settings' meaning (config). Raises ConfigError for files that cannot be used.
"""

from __future__ import annotations

import ssl

from proxy.config import ListenTls, TlsConfig
from proxy.errors import ConfigError
from proxy.net.ends import Version

_ALPN = {Version.HTTP1: "http/1.1", Version.HTTP2: "h2"}


def server_context(tls: ListenTls) -> ssl.SSLContext:
    """Both protocols on one port; with `client_ca_file` clients must show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([_ALPN[Version.HTTP2], _ALPN[Version.HTTP1]])
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.client_ca_file is not None:
            context.load_verify_locations(tls.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("listen_tls", f"cannot be used: {error}") from error
    return context


def client_context(tls: TlsConfig, version: Version) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([_ALPN[version]])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        _load(context, tls)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("tls", f"cannot be used: {error}") from error
    return context


def _load(context: ssl.SSLContext, tls: TlsConfig) -> None:
    if tls.ca_file is not None:
        context.load_verify_locations(tls.ca_file)
    else:
        context.load_default_certs()
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)


def chosen(ssl_object: ssl.SSLObject | None) -> Version | None:
    """What both sides agreed on by ALPN; None without TLS or without ALPN."""
    agreed = ssl_object.selected_alpn_protocol() if ssl_object is not None else None
    return next((version for version, name in _ALPN.items() if name == agreed), None)
