"""When files of TLS count as changed, and what stays in use when they cannot be used."""

from __future__ import annotations

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as s
from fakes.certificates import Issued, Mounted

from proxy.certificates import LOOK, Renewed, certificates, client_context, server_contexts
from proxy.config import ListenTls, TlsConfig
from proxy.errors import ConfigError


@pytest.fixture
def issued(tmp_path) -> Issued:
    return Issued(tmp_path / "issued", trustme.CA())


def test_a_file_is_read_again_when_it_changed_and_not_before(tmp_path):
    file, read = tmp_path / "file", []
    file.write_text("a")
    renewed = Renewed([file], lambda: read.append(file.read_text()) or read[-1])
    assert [renewed.look(), renewed.look(), read] == [False, False, ["a"]]
    file.write_text("b")
    assert [renewed.look(), renewed.current, renewed.look()] == [True, "b", False]


def test_the_disk_is_looked_at_once_in_a_while(tmp_path):
    file = tmp_path / "file"
    file.write_text("a")
    renewed = Renewed([file], file.read_text)
    assert renewed.at(100.0) == "a"
    file.write_text("b")
    assert renewed.at(100.0 + LOOK / 2) == "a"
    assert renewed.at(100.0 + LOOK) == "b"


def test_a_mounted_secret_is_noticed_when_its_link_is_exchanged(tmp_path, issued):
    other = Issued(tmp_path / "other", issued.authority)
    mounted = Mounted(tmp_path / "mount", issued)
    renewed = Renewed([mounted.listening.cert_file], lambda: certificates(mounted.listening))
    mounted.show(other)
    assert renewed.look()
    assert renewed.current[0].serial == f"{other.serial:x}"


def test_what_is_replaced_file_by_file_is_never_told_as_broken(tmp_path, issued):
    listening = issued.listening()
    renewed = Renewed([listening.cert_file, listening.key_file], lambda: list(server_contexts(listening)))
    before, other = renewed.current, Issued(tmp_path / "other", issued.authority)
    issued.cert.write_bytes(other.cert.read_bytes())
    assert not renewed.look()
    assert (renewed.current, renewed.problem) == (before, "")
    issued.key.write_bytes(other.key.read_bytes())
    assert renewed.look()
    assert renewed.current is not before


def test_what_stays_broken_is_told_once_and_what_was_good_stays(issued):
    listening = issued.listening()
    renewed = Renewed([listening.cert_file], lambda: list(server_contexts(listening)))
    before, good = renewed.current, issued.cert.read_bytes()
    issued.cert.write_bytes(good[:200])
    assert [renewed.look(), renewed.look(), renewed.look()] == [False, True, False]
    assert renewed.current is before
    assert "tls.crt" in renewed.problem
    issued.cert.write_bytes(good)
    assert [renewed.look(), renewed.problem] == [True, ""]


def _encrypted(issued: Issued) -> None:
    key = s.load_pem_private_key(issued.key.read_bytes(), None)
    secret = s.BestAvailableEncryption(b"secret")
    issued.key.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, secret))


BROKEN = {
    "no file": (lambda issued: issued.cert.unlink(), "No such file"),
    "no PEM": (lambda issued: issued.cert.write_text("?"), "no certificate in it"),
    "no key": (lambda issued: issued.key.write_text("?"), "no key in it"),
    "the key of another": (lambda i: i.key.write_bytes(i.authority.issue_cert("x").private_key_pem.bytes()), "is not the cert"),
    "an encrypted key": (_encrypted, "without a passphrase"),
}


@pytest.mark.parametrize(("spoil", "says"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(issued, spoil, says):
    spoil(issued)
    with pytest.raises(ConfigError, match=says) as caught:
        list(server_contexts(issued.listening()))
    assert caught.value.path == "listen_tls.cert_file"
    assert str(issued.cert) in str(caught.value)


def test_an_authority_that_cannot_be_read_is_named(tmp_path, issued):
    with pytest.raises(ConfigError, match="No such file") as caught:
        client_context(TlsConfig(ca_file=tmp_path / "missing.pem"))
    assert caught.value.path == "tls.ca_file"
    with pytest.raises(ConfigError, match="no certificate in it") as caught:
        list(server_contexts(issued.listening(client_ca_file=issued.key)))
    assert caught.value.path == "listen_tls.client_ca_file"


def test_a_certificate_without_its_key_is_no_setting(issued):
    with pytest.raises(ValueError, match="belong together"):
        TlsConfig(cert_file=issued.cert)


@pytest.mark.parametrize("given", ["1.3", 1.3])
def test_a_version_may_be_written_as_a_number(issued, given):
    assert ListenTls(cert_file=issued.cert, key_file=issued.key, min_version=given).min_version == "1.3"
