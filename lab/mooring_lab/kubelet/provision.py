"""What a pod needs before a container of it can start: the objects that it names, its tokens, its volumes."""

from mooring_kube.client import Client
from mooring_kube.errors import NotFound, Unreachable
from mooring_kube.resources import CONFIG_MAPS, SECRETS
from mooring_lab.kubelet.document import PodKey, View, references, volumes
from mooring_lab.kubelet.facts import Facts, NodeFacts
from mooring_lab.kubelet.payload import KINDS, files, token_wishes
from mooring_lab.kubelet.tokens import Tokens
from mooring_lab.kubelet.volumes import PodFolder, make_directories

_RESOURCES = {"ConfigMap": CONFIG_MAPS, "Secret": SECRETS}


class Provisioner:
    """For one pod. KubeError when the API server does not say, CannotRun when something is missing.

    While nobody answers, what was read before is good enough to start a container again.
    """

    def __init__(self, client: Client, node: NodeFacts, folder: PodFolder) -> None:
        self._client = client
        self._node = node
        self._folder = folder
        self._tokens = Tokens(client)
        self._objects: dict[tuple[str, str], View] | None = None

    def prepare(self, pod: View) -> Facts:
        """Make the volumes, and say what the plan of a container needs."""
        make_directories(pod, self._folder.path, self._node.disk)
        return self.renew(pod)

    def renew(self, pod: View) -> Facts:
        """Bring volumes that show API objects up to date."""
        try:
            self._objects = self._read(pod)
        except Unreachable:
            if self._objects is None:
                raise
        facts = Facts(self._node, self._folder.path, self._objects)
        tokens = {wish: self._tokens.get(pod, wish) for wish in token_wishes(pod)}
        for volume in volumes(pod):
            if volume.keys() & set(KINDS):
                self._folder.write(volume["name"], files(pod, volume, facts, tokens))
        return facts

    def _read(self, pod: View) -> dict[tuple[str, str], View]:
        """The ConfigMaps and Secrets that the pod names, where they exist."""
        namespace = PodKey.of(pod).namespace
        found: dict[tuple[str, str], View] = {}
        for kind, name in sorted(references(pod)):
            try:
                found[kind, name] = self._client.get(_RESOURCES[kind], name, namespace)
            except NotFound:
                continue
        return found
