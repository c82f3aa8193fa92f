"""examples/static-pod as it stands, run by the lab's kubelet; there is no API server anywhere."""

import json
from pathlib import Path

import pytest
import yaml

from mooring_lab.kubelet.handle import Kubelet
from mooring_lab.lab import Lab, remove
from mooring_lab.wait import wait_until
from mooring_node.supervisor.control import ask

pytestmark = pytest.mark.netns

EXAMPLE = Path(__file__).parents[2] / "examples" / "static-pod"
ADDRESS = "10.0.0.20"
SECONDS = 60.0
NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: none}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


class Site:
    """Two control-plane nodes with the example's files, as its README says."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.nodes = lab.nodes
        self.manifests = {node.name: folder / node.name for node in self.nodes}
        self.kubelets = {node.name: Kubelet(lab, node.name) for node in self.nodes}
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(NOWHERE)
        images = folder / "images.json"
        images.write_text(json.dumps({"registry.example.com/mooring-node": {"entrypoint": ["mooring-node"]}}))
        for node in self.nodes:
            self.manifests[node.name].mkdir()
            self.configure(node)
            where = ("--manifests", str(self.manifests[node.name]), "--images", str(images))
            options = (*where, "--back-off", "0.5")
            self.kubelets[node.name].start(kubeconfig, options=options)

    def disk(self, node):
        return self.kubelets[node.name].folder / "disk"

    def configure(self, node):
        document = yaml.safe_load((EXAMPLE / "node.yaml").read_text())
        (instance,) = document["spec"]["instances"]
        others = [each.address for each in self.nodes if each is not node]
        instance["transport"] = {"source": node.address, "peers": others}
        file = self.disk(node) / "etc/mooring/node.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump(document))

    def deploy(self, node, change=lambda text: text):
        file = self.manifests[node.name] / "mooring-node.yaml"
        file.with_suffix(".new").write_text(change((EXAMPLE / "mooring-node.yaml").read_text()))
        file.with_suffix(".new").rename(file)

    def withdraw(self, node):
        (self.manifests[node.name] / "mooring-node.yaml").unlink()

    def answers(self, node):
        try:
            ask(self.disk(node) / "var/lib/mooring/control.sock", {"do": "status"})
        except OSError:
            return False
        return True

    def until(self, what, predicate):
        try:
            return wait_until(predicate, SECONDS, what, every=0.1)
        except TimeoutError as error:
            logs = "\n".join(kubelet.log for kubelet in self.kubelets.values())
            said = "\n".join(self.container_log(node) for node in self.nodes)
            raise TimeoutError(f"{error}\n{logs}\n{said}") from error

    def holders(self):
        return [node.name for node in self.nodes if ADDRESS in node.held()]

    def container_log(self, node):
        return self.kubelets[node.name].container_log("kube-system", f"mooring-node-{node.name}", "daemon")


@pytest.fixture
def site(tmp_path):
    name = "tstatic"
    remove(name)
    try:
        with Lab(name, nodes=("cp-1", "cp-2")) as lab:
            made = Site(lab, tmp_path)
            yield made
            for kubelet in made.kubelets.values():
                kubelet.stop()
    finally:
        remove(name)


def test_it_holds_the_address_without_any_api_server_and_is_changed_and_ended_by_its_file(site):
    first, second = site.nodes
    site.deploy(first)
    site.until("the first to hold", lambda: site.holders() == ["cp-1"])
    site.deploy(second)
    site.until("the second to run", lambda: "Initialize -> Backup" in site.container_log(second))
    assert site.holders() == ["cp-1"]
    client = site.lab.client
    with client.measure([ADDRESS]) as measured:
        # An annotation is another pod: kubelet hands over, ends the old one and starts the new one.
        site.deploy(first, lambda text: text.replace("metadata:\n", "metadata:\n  annotations: {turn: '2'}\n", 1))
        site.until("the second to hold", lambda: site.holders() == ["cp-2"])
        site.until("the first to be back", lambda: site.container_log(first).count("Initialize -> Backup") == 2)
    assert measured.result()[ADDRESS].lost <= 5
    assert "everything is handed over" in site.container_log(first)
    # A kubelet that is replaced leaves it alone.
    site.kubelets["cp-2"].kill()
    assert site.holders() == ["cp-2"]
    site.withdraw(first)
    site.until("the first to end", lambda: not site.answers(first))
    assert ADDRESS not in first.held()


def test_the_power_comes_back_and_so_does_the_address(site):
    """All nodes at once, and nobody there to ask."""
    for node in site.nodes:
        site.deploy(node)
    site.until("one to hold", lambda: len(site.holders()) == 1)
    for node in site.nodes:
        node.fault_node()
    for node in site.nodes:
        node.heal()
    site.until("one to hold again", lambda: len(site.holders()) == 1)


def test_the_example_s_container_is_the_chart_s():
    """The same rights, probes and hooks as in the DaemonSet."""
    pod = yaml.safe_load((EXAMPLE / "mooring-node.yaml").read_text())
    text = (EXAMPLE.parents[1] / "deploy" / "workloads" / "node.yaml").read_text()
    daemon_set = next(each for each in yaml.safe_load_all(text) if each["kind"] == "DaemonSet")
    (ours,), (theirs,) = pod["spec"]["containers"], daemon_set["spec"]["template"]["spec"]["containers"]
    for field in ("image", "securityContext", "lifecycle", "startupProbe", "resources"):
        assert ours[field] == theirs[field], field
    for probe in ("livenessProbe", "readinessProbe"):
        assert ours[probe]["exec"] == theirs[probe]["exec"]
