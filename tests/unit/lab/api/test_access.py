"""A kubeconfig that our own client reads, and a token request as the API server wants it."""

from pathlib import Path

import pytest

from mooring_kube.connection import from_kubeconfig
from mooring_lab.api.access import encoded, request_token, write_kubeconfig
from mooring_lab.rights import LabError


def test_a_kubeconfig_holds_all_that_a_client_needs(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("the authority")
    path = write_kubeconfig(tmp_path / "k", "https://127.0.0.1:6443", ca, {"token": "secret"})
    assert path.stat().st_mode & 0o777 == 0o600
    connection = from_kubeconfig(path)
    assert (connection.server, connection.ca, connection.token) == ("https://127.0.0.1:6443", "the authority", "secret")
    user = {"client-certificate-data": encoded(ca), "client-key-data": encoded(ca)}
    connection = from_kubeconfig(write_kubeconfig(path, "https://127.0.0.1:6443", ca, user))
    assert (connection.token, connection.client_certificate) == (None, "the authority")


def test_a_token_is_bound_to_one_thing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="to a node or to a pod, not to both"):
        request_token(tmp_path / "k", "someone", "default", "lb-1", "pod-1", 600)


def test_without_a_server_there_is_no_token(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    path = write_kubeconfig(tmp_path / "k", "http://127.0.0.1:1", ca, {})
    with pytest.raises(LabError, match=r"no token for the service account default/someone: 127\.0\.0\.1:1: "):
        request_token(path, "someone", "default", None, None, 600)
