"""The command lines of a real API server say what they must, and each names its folder."""

from pathlib import Path

from mooring_lab.api import commands, tools

FOLDER = Path("/run/mooring-lab/default/api")
SETTING = commands.Setting(FOLDER, 15001, 15002)
FLAGS = {
    "etcd": commands.etcd(SETTING),
    "kube-apiserver": commands.apiserver(SETTING),
    "kube-controller-manager": commands.controller_manager(SETTING),
}


def test_each_bears_its_mark() -> None:
    """By which it is found and ended; no other program's flags have it."""
    assert set(FLAGS) == set(tools.SERVERS)
    for name, flags in FLAGS.items():
        mark = commands.mark(name, FOLDER)
        assert str(FOLDER) in mark
        assert [other for other, theirs in FLAGS.items() if mark in theirs] == [name]
        assert commands.mark(name, FOLDER / "other") not in flags


def test_nothing_listens_but_on_loopback() -> None:
    assert "--bind-address=127.0.0.1" in FLAGS["kube-apiserver"]
    listening = [flag for flag in FLAGS["etcd"] if "listen" in flag]
    assert len(listening) == 2
    assert all("://127.0.0.1:" in flag for flag in listening)
    assert "--secure-port=0" in FLAGS["kube-controller-manager"]


def test_etcd_asks_who_asks_it() -> None:
    assert "--client-cert-auth" in FLAGS["etcd"]
    assert f"--etcd-certfile={commands.certificates(FOLDER).admin}" in FLAGS["kube-apiserver"]


def test_where_it_is_reached() -> None:
    assert (SETTING.url, SETTING.storage) == ("https://127.0.0.1:15002", "https://127.0.0.1:15001")
    assert f"--etcd-servers={SETTING.storage}" in FLAGS["kube-apiserver"]
