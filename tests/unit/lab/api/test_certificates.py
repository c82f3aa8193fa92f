"""Certificates that a TLS library which we did not write accepts, and that nobody else can read."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from mooring_lab.api import NODES_VIEW
from mooring_lab.api.certificates import ADMINISTRATORS, Certificates


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path / "pki")
    made.write(("api.example.com", "10.0.0.1"))
    return made


def _client_seen(certificates: Certificates, name: str) -> dict[str, str]:
    """Shake hands as administrator with a server that is called `name`; what it sees of the client."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(certificates.server)
    client = ssl.create_default_context(cafile=str(certificates.ca))
    client.load_cert_chain(certificates.admin)
    near, far = socket.socketpair()

    def shake() -> None:
        with near, client.wrap_socket(near, server_hostname=name) as connected:
            connected.recv(1)

    thread = threading.Thread(target=shake)
    thread.start()
    with far, server.wrap_socket(far, server_side=True) as connected:
        subject = connected.getpeercert()
        connected.send(b".")
    thread.join()
    assert subject is not None
    return {key: value for ((key, value),) in subject["subject"]}


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", NODES_VIEW, "api.example.com", "10.0.0.1"])
def test_the_server_is_known_by_each_of_its_names(certificates: Certificates, name: str) -> None:
    seen = _client_seen(certificates, name)
    assert (seen["commonName"], seen["organizationName"]) == ("admin", ADMINISTRATORS)


def test_keys_are_their_owners_alone(certificates: Certificates) -> None:
    assert certificates.folder.stat().st_mode & 0o777 == 0o700
    for file in (certificates.server, certificates.admin, certificates.service_accounts):
        assert "PRIVATE KEY" in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in certificates.ca.read_text()


def test_written_again_they_are_others(certificates: Certificates) -> None:
    before = certificates.ca.read_text()
    certificates.write()
    assert certificates.ca.read_text() != before
