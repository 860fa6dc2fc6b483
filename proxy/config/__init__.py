"""The settings: frozen groups, one loader, every check.

An unknown key, a wrong type, a missing secret stops the start with the key's path. Owns: meaning and defaults of every key
(docs/configuration.md is printed from here). Not: reacting to a change.
"""

from proxy.config.groups import (
    AdminConfig,
    BackfillConfig,
    CertificateFiles,
    CollectionRouting,
    Config,
    CutoverConfig,
    Fsync,
    GatesConfig,
    JournalConfig,
    ListenTls,
    MirrorConfig,
    MirrorMode,
    PineconeConfig,
    RelayConfig,
    RoutingConfig,
    ShadowConfig,
    SideConfig,
    TelemetryConfig,
    TlsConfig,
    VerifyConfig,
    WhenFull,
)
from proxy.config.loading import load, parse
from proxy.config.values import SIZES
from proxy.model.phase import Phase

__all__ = [
    "SIZES",
    "AdminConfig",
    "BackfillConfig",
    "CertificateFiles",
    "CollectionRouting",
    "Config",
    "CutoverConfig",
    "Fsync",
    "GatesConfig",
    "JournalConfig",
    "ListenTls",
    "MirrorConfig",
    "MirrorMode",
    "Phase",
    "PineconeConfig",
    "RelayConfig",
    "RoutingConfig",
    "ShadowConfig",
    "SideConfig",
    "TelemetryConfig",
    "TlsConfig",
    "VerifyConfig",
    "WhenFull",
    "load",
    "parse",
]
