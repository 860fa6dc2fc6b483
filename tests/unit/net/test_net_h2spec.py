"""h2spec, strict cases included, against our listener, plain and over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

import h2.events
import h2.exceptions
import net_tools
import pytest
import trustme
from net_h2_peers import Peer

from proxy.config import ListenTls


class Gap(NamedTuple):
    owner: str
    reason: str


CASES: Final = 146
TABLE: Final = Gap(
    "h2spec",
    "it sets a table of 128 bytes or more on a connection whose acknowledged SETTINGS allow none, which RFC 7541, 4.2"
    " has us treat as an error; its own case hpack/6.3 asks for that error",
)
PREFACE: Final = Gap(
    "nobody",
    "the port speaks HTTP/1.1 too, so what is no preface is answered with 400 in HTTP/1.1 and then closed;"
    " h2spec takes that answer for a broken frame. Over TLS, where ALPN has settled HTTP/2, the case passes",
)
TABLES: Final = {
    "generic/5: Sends a dynamic table size update": TABLE,
    "generic/5: Sends multiple dynamic table size update": TABLE,
}
GAPS: Final[Mapping[str, Mapping[str, Gap]]] = {
    "plain": {**TABLES, "http2/3.5: Sends invalid connection preface": PREFACE},
    "tls": TABLES,
}
"""Cases that fail, and must."""


def answer(peer: Peer, event: h2.events.Event) -> None:
    """With a body: some cases look at its frames."""
    if isinstance(event, h2.events.StreamEnded):
        with suppress(h2.exceptions.StreamClosedError):  # reset in the same breath
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, b"hello", end_stream=True)


@pytest.fixture
def listen_tls(tmp_path: Path) -> ListenTls:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return ListenTls(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")


@pytest.mark.parametrize("form", GAPS)
async def test_h2spec_passes(h2_server, start, listen_tls, tmp_path, form):
    program = await asyncio.to_thread(net_tools.h2spec)
    h2_server.on = answer
    proxy = await start(h2_server.url, listen_tls=listen_tls if form == "tls" else None)
    report = tmp_path / "report.xml"
    options = ["--strict", "--timeout", "10", "--host", "127.0.0.1", "--port", str(proxy.port), "--junit-report", report]
    options += ["--max-header-length", "14000"]  # five such fields are more than the frame size that we announce
    options += ["--tls", "--insecure"] if form == "tls" else []
    process = await asyncio.create_subprocess_exec(program, "generic", "http2", "hpack", *options, stdout=-3)
    await asyncio.wait_for(process.wait(), 200)
    results = {_name(case): case for case in ElementTree.parse(report).iter("testcase")}
    assert len(results) == CASES
    assert [name for name, case in results.items() if case.find("skipped") is not None] == []
    assert {name for name, case in results.items() if len(case)} == set(GAPS[form])


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('package')}: {case.get('classname')}"


async def test_what_is_no_preface_behind_alpn_ends_its_connection(h2_server, start, listen_tls):
    proxy = await start(h2_server.url, listen_tls=listen_tls)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port, ssl=context)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
