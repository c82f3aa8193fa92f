"""scripts/cluster-tools with stand-ins for Go and apt: what it builds when, and what it says when it cannot."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mooring_lab.api import tools
from mooring_lab.wait import wait_until

ROOT = Path(__file__).parents[4]
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager")
BUILT = (*SERVERS, "kubectl", "kubectl-1.32", "helm-3", "helm-4", "kubeconform", "monitoring-crds.yaml")
PLAIN = ("cat", "cut", "dirname", "flock", "head", "mkdir", "mktemp", "rm", "sed", "sha256sum", "sort", "tail", "date")
GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go${GO_VERSION:-1.26.8} linux/amd64"; exit; fi
echo "$PWD $*" >>"$CALLS"
if [ "$1" = mod ]; then
    mkdir -p "$PWD/example/prometheus-operator-crd"
    for kind in podmonitors servicemonitors prometheusrules; do
        echo "$kind" >"$PWD/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml"
    done
    printf '{\n\t"Path": "module",\n\t"Dir": "%s",\n\t"Sum": "h1"\n}\n' "$PWD"
    exit
fi
for word in "$@"; do
    [ "${last-}" != -o ] || out=$word
    last=$word
done
[ "${out##*/}" != "${FAILS-}" ] || { echo "no such package"; exit 1; }
echo half >"$out"
if [ "${out##*/}" = "${HANGS-}" ]; then sleep 600; fi
echo "$last" >"$out"
chmod 755 "$out"
"""
APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$CALLS"
[ -z "${NO_PACKAGE-}" ] || { echo "E: Unable to locate package" >&2; exit 100; }
touch kubernetes-client_1.20.2_amd64.deb
"""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3/usr/bin"
echo 1.20 >"$3/usr/bin/kubectl"
chmod 755 "$3/usr/bin/kubectl"
"""


class Script:
    """A copy of the script beside the real modules, with programs that only note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.root, self.programs, self.calls = folder / "root", folder / "programs", folder / "calls"
        (self.root / "scripts").mkdir(parents=True)
        shutil.copy2(ROOT / "scripts/cluster-tools", self.root / "scripts")
        shutil.copytree(ROOT / "lab/cluster-tools", self.root / "lab/cluster-tools")
        self.programs.mkdir()
        for name, text in (("go", GO), ("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)
        self.cache = self.root / ".cache/cluster-tools"

    def command(self, **environ: str) -> "subprocess.Popen[str]":
        kept = {key: os.environ[key] for key in ("HOME", "TMPDIR") if key in os.environ}
        path = f"{self.programs}:/usr/bin:/bin"
        return subprocess.Popen(
            [self.root / "scripts/cluster-tools"],
            env={"PATH": path, "CALLS": str(self.calls), **kept, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, **environ: str) -> tuple[int, str, str]:
        """Exit code, what it prints, and what it says."""
        process = self.command(**environ)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def built(self) -> list[str]:
        """What was built since it was last asked."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return ["kubectl-1.20" if "apt-get" in line else line.rpartition("/")[2] for line in lines]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def test_the_first_time_it_builds_all_and_the_second_nothing(script: Script) -> None:
    code, out, err = script.run()
    assert (code, out) == (0, f"{script.cache}\n")
    calls = script.calls.read_text()
    assert "-X k8s.io/component-base/version.gitVersion=v1.37." in calls
    assert "gitMinor=32 -X" in calls
    assert "go.etcd.io/etcd/server/v3" in calls
    assert "-X helm.sh/helm/v3/internal/version.version=v3." in calls
    assert "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37 -o" in calls, "else it takes the cluster for 1.20"
    assert "-X helm.sh/helm/v4/internal/version.version=v4." in calls
    assert "etcd build -mod=readonly -buildvcs=false -ldflags -s -w -o" in calls, "etcd has no version to be told"
    script.calls.unlink()
    for name in (*BUILT, "kubectl-1.20"):
        assert f"cluster-tools: {name} is there after " in err
        assert tools.find(name, {tools.CACHE_VARIABLE: str(script.cache)})
    assert script.run() == (0, out, "")
    assert script.built() == []
    assert list(script.cache.glob("new.*")) == []


def test_another_recipe_builds_what_it_names(script: Script) -> None:
    script.run()
    script.built()
    with open(script.root / "lab/cluster-tools/kubectl-1.32/go.sum", "a", encoding="utf-8") as file:
        file.write("\n")
    assert script.run()[0] == 0
    assert script.built() == ["kubectl"]
    (script.cache / "etcd.stamp").unlink()
    (script.cache / "kube-apiserver").unlink()
    script.run()
    assert script.built() == ["v3", "kube-apiserver"]


def test_killed_in_the_middle_it_goes_on_where_it_was(script: Script) -> None:
    process = script.command(HANGS="kube-apiserver")
    wait_until(lambda: any(script.cache.glob("new.*/kube-apiserver")), 30, "the build of kube-apiserver")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    assert not (script.cache / "kube-apiserver").exists()
    assert list(script.cache.glob("new.*"))
    script.built()
    code, _, _ = script.run()
    assert code == 0
    assert "v3" not in script.built(), "etcd was whole"
    assert list(script.cache.glob("new.*")) == []


def test_two_at_once_build_once(script: Script) -> None:
    both = [script.command(), script.command()]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][0] == said[1][0]
    assert len(script.built()) == len(BUILT) + 1


def test_a_build_that_fails_shows_its_log_and_leaves_nothing(script: Script) -> None:
    code, out, err = script.run(FAILS="kube-apiserver")
    assert (code, out) == (1, "")
    assert "no such package\ncluster-tools: kube-apiserver could not be built\n" in err
    assert not (script.cache / "kube-apiserver").exists()


def test_without_go_it_names_what_to_install(script: Script, tmp_path: Path) -> None:
    """In a PATH that has what every machine has, and no Go, which this machine may have."""
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in PLAIN:
        found = shutil.which(name)
        assert found, name
        (plain / name).symlink_to(found)
    code, out, err = script.run(PATH=str(plain))
    assert (code, out) == (1, "")
    assert "there is no Go here to build etcd: install Go 1.26 or newer" in err
    assert "KUBEBUILDER_ASSETS" in err


@pytest.mark.parametrize("version", ["1.19.8", "1.25.9"])
def test_an_old_go_is_named(script: Script, version: str) -> None:
    code, _, err = script.run(GO_VERSION=version)
    assert code == 1
    assert f"Go {version.rpartition('.')[0]} is too old to build etcd: install Go 1.26 or newer" in err
    assert "Debian's golang is too old" in err


def test_a_newer_go_will_do(script: Script) -> None:
    assert script.run(GO_VERSION="1.100.0")[0] == 0


def test_where_apt_has_no_such_kubectl_it_says_where_to_put_one(script: Script) -> None:
    code, _, err = script.run(NO_PACKAGE="1")
    assert code == 1
    assert f"put that kubectl at {script.cache}/kubectl-1.20" in err
    (script.cache / "kubectl-1.20").touch(0o755)
    assert script.run(NO_PACKAGE="1")[0] == 0


def test_assets_take_the_place_of_the_servers(script: Script, tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).touch(0o755)
    code, out, err = script.run(KUBEBUILDER_ASSETS=str(assets))
    assert (code, out) == (1, "")
    assert f"KUBEBUILDER_ASSETS={assets} has no kube-controller-manager: add what is missing" in err
    (assets / "kube-controller-manager").touch(0o755)
    code, out, _ = script.run(KUBEBUILDER_ASSETS=str(assets))
    assert (code, out) == (0, f"{assets}\n")
    clients = ["kubectl", "kubectl-1.20", "helm", "helm", "kubeconform", "prometheus-operator"]
    assert script.built() == clients, "only the clients that the assets do not hold"


def test_another_folder_may_keep_what_is_built(script: Script, tmp_path: Path) -> None:
    code, out, _ = script.run(MOORING_CLUSTER_TOOLS=str(tmp_path / "shared"))
    assert (code, out) == (0, f"{tmp_path}/shared\n")
    assert (tmp_path / "shared/etcd").exists()
    assert not script.cache.exists()
