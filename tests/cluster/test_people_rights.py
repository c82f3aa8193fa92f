"""What people may do by the chart's roles: the API server is asked about each line of the table in docs/security.md."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mooring_kube.client import Client
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.charts import MOORING, ROOT
from mooring_lab.charts.helm import Helm
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.cluster

Document = dict[str, Any]
HERE, ELSEWHERE = "people-here", "people-elsewhere"
RESOURCES = ("virtualservers", "virtualips", "nodeconfigs")
READ, WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete")
VERBS = (*READ, *WRITE, "deletecollection")
#: What a cell of the table says.
CELLS = {"nothing": (), "read": READ, "read and write": (*READ, *WRITE)}
#: The cluster's roles are put together by a controller, some moments after ours have changed.
SOON_S = 30.0


class Right(NamedTuple):
    """Where nothing is below a resource, or it is asked for in the whole cluster, the name is empty."""

    verb: str
    resource: str
    below: str
    namespace: str


class Line(NamedTuple):
    """One of the table: a role, where it is bound, and what its holder may then do."""

    role: str
    here: bool
    rights: frozenset[Right]

    @property
    def user(self) -> str:
        return f"{self.role}-{'here' if self.here else 'everywhere'}"


def _line(row: str) -> Line:
    who, *cells = (cell.strip() for cell in row.strip("|").split("|"))
    role, _, where = who.partition(" in ")
    here = {"a namespace": True, "the cluster": False}[where]
    rights = set()
    for resource, cell in zip(RESOURCES, cells, strict=True):
        assert here == cell.endswith(" there") or cell == "nothing", row
        # Who may do a thing in the whole cluster may do it in each namespace.
        namespaces = ([HERE] if here else [HERE, ELSEWHERE, ""]) if resource == "virtualservers" else [""]
        rights |= {
            Right(verb, resource, "", name) for verb in CELLS[cell.removesuffix(" there")] for name in namespaces
        }
    return Line(role.strip("`"), here, frozenset(rights))


def _table() -> list[Line]:
    people = (ROOT / "docs" / "security.md").read_text().partition("\n## People\n")[2]
    _, _, *rows = (line for line in people.partition("\n## ")[0].splitlines() if line.startswith("|"))
    return [_line(row) for row in rows]


TABLE = _table()
ASKED = [
    *(
        Right(verb, "virtualservers", below, place)
        for verb, below, place in product(VERBS, ("", "status"), (HERE, ELSEWHERE, ""))
    ),
    *(
        Right(verb, resource, below, "")
        for verb, resource, below in product(VERBS, ("virtualips", "nodeconfigs"), ("", "status"))
    ),
]


def roles(home: Path, *flags: str) -> str:
    """Those for people, as the chart renders them."""
    rendered = yaml.safe_load_all(Helm(home).template(MOORING, *flags))
    people = [d for d in rendered if d and d["metadata"]["labels"]["app.kubernetes.io/component"] == "people"]
    return yaml.safe_dump_all(people)


def bindings() -> str:
    """Each line's user, bound to its role."""
    api = "rbac.authorization.k8s.io"
    return yaml.safe_dump_all(
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding" if line.here else "ClusterRoleBinding",
            "metadata": {"name": f"people-{line.user}"} | ({"namespace": HERE} if line.here else {}),
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": line.role},
            "subjects": [{"apiGroup": api, "kind": "User", "name": line.user}],
        }
        for line in TABLE
    )


@pytest.fixture(scope="module")
def given(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The roles and a user for each line of the table; the text of the roles."""
    wanted = roles(tmp_path_factory.mktemp("helm"))
    for name in (HERE, ELSEWHERE):
        assert kubectl("create", "namespace", name).returncode == 0
    done = kubectl("apply", "-f", "-", stdin=f"{wanted}---\n{bindings()}")
    assert done.returncode == 0, done.stderr
    yield wanted
    kubectl("delete", "-f", "-", stdin=f"{wanted}---\n{bindings()}")
    for name in (HERE, ELSEWHERE):
        kubectl("delete", "namespace", name, "--wait=false")


Allowed = Callable[[str], frozenset[Right]]


@pytest.fixture(scope="module")
def allowed(client: Client, given: str) -> Allowed:
    """What of all that can be asked a user may do, in the API server's own words."""
    assert given

    def may(user: str, right: Right) -> bool:
        attributes = {"group": "mooring.dev", "verb": right.verb, "resource": right.resource}
        attributes |= {"subresource": right.below, "namespace": right.namespace}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        review |= {"spec": {"user": user, "resourceAttributes": attributes}}
        said = client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review)
        return bool(said["status"]["allowed"])

    return lambda user: frozenset(right for right in ASKED if may(user, right))


def test_the_table_is_about_each_role(given: str) -> None:
    """`mooring-edit` is only of use within `edit` or beside `mooring-view`."""
    ours = {role["metadata"]["name"] for role in yaml.safe_load_all(given)}
    assert {line.role for line in TABLE} == (ours | {"view", "edit", "admin"}) - {"mooring-edit"}
    assert {(line.role, line.here) for line in TABLE} >= set(product(("view", "edit", "admin"), (True, False)))


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.user)
def test_people_may_do_what_the_table_says_and_nothing_else(allowed: Allowed, line: Line) -> None:
    def settled() -> bool:
        return allowed(line.user) >= line.rights

    wait_until(settled, SOON_S, f"{line.user} to have its rights", every=0.2)
    assert allowed(line.user) == line.rights


SERVER = f"""\
apiVersion: mooring.dev/v1alpha1
kind: VirtualServer
metadata: {{name: shop, namespace: {HERE}}}
spec: {{virtualIPRef: {{name: people}}, ports: [{{name: http, port: 80}}], backends: {{service: {{name: shop}}}}}}
"""
ADDRESS = """\
apiVersion: mooring.dev/v1alpha1
kind: VirtualIP
metadata: {name: people}
spec: {addresses: [{address: 10.0.0.100/24}]}
"""


@pytest.mark.usefixtures("given")
def test_a_tenant_and_the_network_team_apply_what_is_theirs(kubectl: Kubectl) -> None:
    def refused(user: str, document: str, *words: str) -> str:
        done = kubectl(*(words or ("apply", "-f", "-")), f"--as={user}", stdin=document)
        assert "Forbidden" in done.stderr, done.stdout + done.stderr
        return done.stderr

    def applied(user: str, document: str) -> bool:
        return kubectl("apply", "-f", "-", f"--as={user}", stdin=document).returncode == 0

    tenant, network = "edit-here", "mooring-network-admin-everywhere"
    try:
        wait_until(lambda: applied(network, ADDRESS), SOON_S, "the network team's right", every=0.2)
        wait_until(lambda: applied(tenant, SERVER), SOON_S, "the tenant's right", every=0.2)
        refused(tenant, ADDRESS)
        refused(network, SERVER.replace("port: 80", "port: 81"))
        refused(tenant, SERVER.replace(HERE, ELSEWHERE))
        patch = ("patch", "mvs", "shop", "-n", HERE, "--subresource=status", "--type=merge", "-p", '{"status": {}}')
        refused(tenant, "", *patch)
        assert kubectl("delete", "mvs", "--all", "-n", HERE, f"--as={tenant}").returncode == 0
    finally:
        kubectl("delete", "mvs", "--all", "-n", HERE)
        kubectl("delete", "vip", "people", "--ignore-not-found")


def test_without_the_labels_the_clusters_roles_are_as_they_were(
    kubectl: Kubectl, given: str, allowed: Allowed, tmp_path: Path
) -> None:
    """And ours are there to be bound."""
    usual = [line for line in TABLE if line.role in ("view", "edit", "admin")]
    unlabelled = roles(tmp_path, "--set=rbac.aggregate=false")
    try:
        assert kubectl("apply", "-f", "-", stdin=unlabelled).returncode == 0
        for line in usual:
            wait_until(lambda line=line: not allowed(line.user), SOON_S, f"{line.user} to have no right", every=0.2)
        for line in (each for each in TABLE if each not in usual):
            assert allowed(line.user) == line.rights
    finally:
        assert kubectl("apply", "-f", "-", stdin=given).returncode == 0
