"""The real command with TLS on its port: certificates are renewed under an official client, and the operator sees it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from fakes.certificates import Issued, Mounted
from pymilvus import MilvusClient

from tests.servers.facade import MilvusFacade
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def issued(folder: Path) -> Issued:
    return Issued(folder / "..first", trustme.CA())


@pytest.fixture(scope="module")
def mounted(folder: Path, issued: Issued) -> Mounted:
    return Mounted(folder / "mount", issued)


@pytest.fixture(scope="module")
def sidecar(folder: Path, mounted: Mounted) -> Iterator[Sidecar]:
    files = {"cert_file": str(mounted.listening.cert_file), "key_file": str(mounted.listening.key_file)}
    with (
        MilvusFacade() as source,
        QdrantServer(folder / "qdrant") as target,
        Sidecar(folder / "sidecar", source.url, target, routing={"phase": "mirror"}, listen_tls=files) as made,
    ):
        yield made


class Application:
    """Works over one connection until it is told to stop."""

    def __init__(self, sidecar: Sidecar, issued: Issued) -> None:
        self.client = secure_client(sidecar, issued)
        self.client.create_collection("books", dimension=4)
        self.stop, self.calls, self.errors = threading.Event(), 0, list[Exception]()

    def work(self) -> None:
        while not self.stop.is_set():
            try:
                self.client.upsert("books", [{"id": self.calls, "vector": [1.0, 2.0, 3.0, 4.0]}])
            except Exception as error:  # noqa: BLE001  any of them is one too many
                self.errors.append(error)
            self.calls += 1


def secure_client(sidecar: Sidecar, issued: Issued) -> MilvusClient:
    return MilvusClient(f"https://localhost:{sidecar.port}", secure=True, server_pem_path=str(issued.ca), dedicated=True)


@contextmanager
def working(sidecar: Sidecar, issued: Issued) -> Iterator[Application]:
    application = Application(sidecar, issued)
    thread = threading.Thread(target=application.work)
    thread.start()
    try:
        yield application
    finally:
        application.stop.set()
        thread.join()
        application.client.close()


def shown(sidecar: Sidecar, issued: Issued) -> int:
    with (
        socket.create_connection(("127.0.0.1", sidecar.port), 5) as plain,
        issued.trusting("h2").wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(True) or b"").serial_number


def certificate(sidecar: Sidecar) -> dict[str, object]:
    found: dict[str, object] = sidecar.status()["certificates"][0]
    return found


def test_a_secret_is_renewed_under_pymilvus_and_a_broken_one_is_told(sidecar, issued, mounted, folder) -> None:
    following = Issued(folder / "..second", issued.authority)
    with working(sidecar, issued) as application:
        assert shown(sidecar, issued) == issued.serial
        mounted.show(following)
        wait_until(lambda: shown(sidecar, issued) == following.serial, 10, lambda: sidecar.log[-2000:])
        wait_until(lambda: certificate(sidecar)["serial"] == f"{following.serial:x}", 10, lambda: certificate(sidecar))
        secure_client(sidecar, issued).close()
        following.key.write_text("half a k")
        wait_until(lambda: certificate(sidecar)["warning"] != "", 10, lambda: certificate(sidecar))
        assert shown(sidecar, issued) == following.serial
    assert application.errors == []
    assert application.calls > 10
    assert "there is no key in it" in said_by_the_command(sidecar)
    metrics = sidecar.admin.get("/metrics").text
    assert 'vecferry_certificate_broken{files="listen_tls"} 1.0' in metrics
    assert 'vecferry_certificate_expires_seconds{file="listen_tls.cert_file"}' in metrics


def said_by_the_command(sidecar: Sidecar) -> str:
    command = [*sidecar.program, "status", "--admin", str(sidecar.admin.base_url)]
    return " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_clients_without_tls_are_counted_and_leave_no_trace_in_the_log_but_a_line(sidecar, issued) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", sidecar.port), 5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert plain.recv(100) == b""
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", sidecar.port), 5) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    wait_until(lambda: 'reason="ours_refused",role="grpc"} 1.0' in sidecar.admin.get("/metrics").text, 5, lambda: sidecar.log)
    assert 'vecferry_turned_away_total{reason="no_tls",role="grpc"} 20.0' in sidecar.admin.get("/metrics").text
    assert sidecar.log.count("it does not speak TLS") == 1
    assert "Traceback" not in sidecar.log
