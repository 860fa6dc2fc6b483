"""What an operator learns of the files of TLS."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import trustme
from fakes.certificates import Issued

from proxy.config import Config, parse
from proxy.control.expiry import Expiry
from proxy.errors import ConfigError
from proxy.telemetry import metrics

DAY = 86400.0
END = datetime(2030, 1, 31, tzinfo=UTC)


class Clock:
    """Ends the run after so many looks."""

    def __init__(self, now: float, looks: int = 0) -> None:
        self._now, self._looks = now, looks

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if not self._looks:
            raise asyncio.CancelledError
        self._looks -= 1


@pytest.fixture
def issued(tmp_path) -> Issued:
    found = Issued(tmp_path / "issued", trustme.CA())
    found.issue(until=END)
    return found


def settings(issued: Issued) -> Config:
    tls = {"ca_file": str(issued.ca)}
    return parse(
        {
            "source": {"product": "milvus", "url": "https://localhost:1", "tls": tls},
            "listen": {"grpc": "127.0.0.1:0"},
            "listen_tls": {"cert_file": str(issued.cert), "key_file": str(issued.key)},
        }
    )


async def followed(expiry: Expiry) -> None:
    with suppress(asyncio.CancelledError):
        await expiry.run()


def test_each_file_is_told_with_its_serial_and_its_end(issued):
    clock = Clock(END.timestamp() - 20 * DAY)
    mine, theirs = Expiry(settings(issued), clock).documents()
    assert (mine["file"], mine["serial"]) == ("listen_tls.cert_file", f"{issued.serial:x}")
    assert (mine["path"], mine["expires_in"], mine["warning"]) == (str(issued.cert), 20 * DAY, "")
    assert theirs["file"] == "source.tls.ca_file"


@pytest.mark.parametrize(
    ("left", "says"), [(13 * DAY, "ends in 13 days"), (3600.0, "ends in 1.0 hours"), (-4 * DAY, "expired 4 days ago")]
)
def test_a_certificate_that_ends_soon_is_warned_of(issued, left, says):
    expiry = Expiry(settings(issued), Clock(END.timestamp() - left))
    assert expiry.documents()[0]["warning"] == says
    expiry.gauge()
    assert metrics.CERTIFICATE_EXPIRES.labels("listen_tls.cert_file")._value.get() == pytest.approx(left)


async def test_what_is_renewed_is_logged_with_the_new_serial(issued, caplog):
    caplog.set_level(logging.INFO)
    expiry = Expiry(settings(issued), Clock(END.timestamp() - 20 * DAY, looks=3))
    serial = issued.issue(until=END)
    await followed(expiry)
    assert [record.message for record in caplog.records] == ["TLS files were renewed"] * 2  # its authority was written too
    assert expiry.documents()[0]["serial"] == f"{serial:x}"


async def test_what_cannot_be_used_is_told_once_in_the_log_and_always_in_the_status(issued, caplog):
    expiry = Expiry(settings(issued), Clock(END.timestamp() - 20 * DAY, looks=5))
    before = issued.serial
    issued.key.write_text("half a ke")
    await followed(expiry)
    assert [record.message for record in caplog.records] == ["TLS files cannot be used: those of before stay in use"]
    document = expiry.documents()[0]
    assert document["serial"] == f"{before:x}"
    assert "listen_tls.cert_file" in document["warning"]
    assert "there is no key in it" in document["warning"]
    expiry.gauge()
    assert metrics.CERTIFICATE_BROKEN.labels("listen_tls")._value.get() == 1


def test_files_of_a_side_are_named_by_its_place(issued):
    config = settings(issued)
    issued.ca.write_text("?")
    with pytest.raises(ConfigError) as caught:
        Expiry(config, Clock(0))
    assert caught.value.path == "source.tls.ca_file"
