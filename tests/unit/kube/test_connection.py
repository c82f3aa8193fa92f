"""Where the API server is: kubeconfigs and service accounts, good and bad."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_kube.connection import NoConnection, find, from_kubeconfig, in_cluster


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", "certificate-authority-data": b64("CA")}}
        ],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    return made | changes


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def test_a_kubeconfig_with_a_token(tmp_path: Path) -> None:
    found = from_kubeconfig(written(tmp_path, config()))
    assert (found.server, found.ca, found.token, found.namespace) == ("https://10.0.0.1:6443", "CA", "t", "ns")


def test_files_are_named_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("CA of a file")
    (tmp_path / "user.pem").write_text("certificate")
    (tmp_path / "user.key").write_text("key")
    clusters = [{"name": "c", "cluster": {"server": "https://a", "certificate-authority": "ca.pem"}}]
    users = [{"name": "u", "user": {"client-certificate": "user.pem", "client-key": "user.key", "tokenFile": "token"}}]
    found = find(written(tmp_path, config(clusters=clusters, users=users)))
    assert (found.ca, found.client_certificate, found.client_key) == ("CA of a file", "certificate", "key")
    assert found.token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("[", "not valid YAML"),
        ([], "kind"),
        ({"kind": "Pod"}, "kind"),
        (config(**{"current-context": ""}), "current-context"),
        (config(**{"current-context": "other"}), "contexts: there is no context 'other'"),
        (config(clusters=None), "clusters: there is no cluster 'c'"),
        (config(users=[{"name": "u", "user": None}]), "users: there is no user 'u'"),
        (config(users=[{"name": "u", "user": {"exec": {"command": "login"}}}]), "exec is not supported"),
        (config(clusters=[{"name": "c", "cluster": {"server": "10.0.0.1"}}]), "server"),
        (
            config(clusters=[{"name": "c", "cluster": {"server": "https://a", "insecure-skip-tls-verify": True}}]),
            "insecure",
        ),
        (
            config(clusters=[{"name": "c", "cluster": {"server": "https://a", "certificate-authority-data": "?"}}]),
            "certificate-authority",
        ),
        (
            config(clusters=[{"name": "c", "cluster": {"server": "https://a", "certificate-authority": "none.pem"}}]),
            "certificate-authority",
        ),
    ],
)
def test_what_is_wrong_names_the_file_and_the_field(tmp_path: Path, document: object, named: str) -> None:
    path = written(tmp_path, document)
    with pytest.raises(NoConnection, match=str(path)) as caught:
        from_kubeconfig(path)
    assert named in str(caught.value)


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoConnection, match="nowhere"):
        find(tmp_path / "nowhere")


def test_without_a_kubeconfig_nobodys_cluster_is_met(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path, config())))
    with pytest.raises(NoConnection, match="--kubeconfig"):
        find(None)


def test_a_pod_finds_its_server(tmp_path: Path) -> None:
    for name, text in (("ca.crt", "CA"), ("namespace", "mooring-system\n"), ("token", "t")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = in_cluster(tmp_path, environ)
    assert (found.server, found.ca, found.namespace) == ("https://[fd00::1]:6443", "CA", "mooring-system")
    assert found.token_file == tmp_path / "token"


def test_a_pod_without_its_token_says_so(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "namespace").write_text("a")
    with pytest.raises(NoConnection, match="token"):
        in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
