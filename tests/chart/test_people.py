"""The roles for people: what each may do, and which of the cluster's own roles take them in."""

import pytest
from tests.chart.matrix import SETS
from tests.chart.rendering import Document, Rendered, Renderer, Values

READ, WRITE = "get list watch", "create update patch delete"
#: Role, resource, verbs. Whoever gives another right changes this table too, and that of docs/security.md.
GIVEN = {
    "view": {"virtualips": READ, "virtualservers": READ, "nodeconfigs": READ},
    "edit": {"virtualservers": WRITE},
    "network-admin": {"virtualips": f"{READ} {WRITE}", "virtualservers": READ, "nodeconfigs": READ},
}
#: Which of the cluster's own roles take which in.
TAKEN = {"view": {"view", "edit", "admin"}, "edit": {"edit", "admin"}, "network-admin": set[str]()}
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
WITH_ROLES = {name: values for name, values in SETS.items() if values.get("rbac", {}).get("create", True)}


def roles(rendered: Rendered, name: str = "mooring") -> dict[str, Document]:
    """By what follows the release's name."""
    people = [
        role
        for role in rendered.all("ClusterRole")
        if role["metadata"]["labels"]["app.kubernetes.io/component"] == "people"
    ]
    return {role["metadata"]["name"].removeprefix(f"{name}-"): role for role in people}


def given(role: Document) -> dict[str, str]:
    assert all(rule.keys() == {"apiGroups", "resources", "verbs"} for rule in role["rules"])
    assert all(rule["apiGroups"] == ["mooring.dev"] for rule in role["rules"])
    pairs = [(resource, " ".join(rule["verbs"])) for rule in role["rules"] for resource in rule["resources"]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def taken(role: Document) -> set[str]:
    labels = role["metadata"]["labels"]
    assert {value for label, value in labels.items() if label.startswith(AGGREGATE)} <= {"true"}
    return {label.removeprefix(AGGREGATE) for label in labels if label.startswith(AGGREGATE)}


@pytest.mark.parametrize("values", WITH_ROLES.values(), ids=WITH_ROLES)
def test_each_role_has_these_rights_and_no_others(values: Values, render: Renderer) -> None:
    found = roles(render(values, release="vips"), values.get("fullnameOverride") or named(values))
    assert {name: given(role) for name, role in found.items()} == GIVEN
    assert {name: taken(role) for name, role in found.items()} == TAKEN


def named(values: Values) -> str:
    """What the objects of the release `vips` are named after."""
    return "vips" if values.get("nameOverride") == "vip" else "vips-mooring"


def test_nobody_is_given_one(render: Renderer) -> None:
    rendered = render()
    names = {role["metadata"]["name"] for role in roles(rendered).values()}
    bound = {d["roleRef"]["name"] for kind in ("ClusterRoleBinding", "RoleBinding") for d in rendered.all(kind)}
    assert not names & bound


def test_no_role_of_the_cluster_takes_them_in_where_that_is_off(render: Renderer) -> None:
    rendered = render({"rbac": {"aggregate": False}})
    assert {name: given(role) for name, role in roles(rendered).items()} == GIVEN
    assert AGGREGATE not in rendered.text


def test_no_right_of_a_service_account_gets_into_a_role_of_the_cluster(render: Renderer) -> None:
    labelled = {d["metadata"]["name"] for d in render().all("ClusterRole") if taken(d)}
    assert labelled == {"mooring-edit", "mooring-view"}


def test_without_roles_there_are_none_for_people_either(render: Renderer) -> None:
    assert roles(render({"rbac": {"create": False}})) == {}
