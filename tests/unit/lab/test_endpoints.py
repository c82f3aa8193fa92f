"""The EndpointSlices of Services, as Kubernetes' controller would make them."""

from typing import Any

from mooring_lab import endpoints


def pod(name: str, *, ready: bool = True, **meta: Any) -> dict[str, Any]:
    made = endpoints.pod(name, "lb-1", ["10.244.0.11", "fd00:244::11"], on_host=False)
    made["status"] = endpoints.pod_status(["10.244.0.11", "fd00:244::11"], ready=ready)
    made["metadata"] |= meta
    return made


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "metadata": {"name": "web", "namespace": "web", "uid": "u"},
        "spec": {"selector": {"app": "web"}, "ports": ports, **spec},
    }


def conditions(made: dict[str, Any]) -> list[dict[str, bool]]:
    return [each["conditions"] for each in made["endpoints"]]


def test_a_slice_for_each_family_with_the_pods_of_that_name() -> None:
    v4, v6 = endpoints.slices_of(service(ipFamilies=["IPv4", "IPv6"]), [pod("b"), pod("a")])
    assert [each["addresses"] for each in v4["endpoints"]] == [["10.244.0.11"], ["10.244.0.11"]]
    assert [each["targetRef"]["name"] for each in v4["endpoints"]] == ["a", "b"]
    assert [each["addresses"] for each in v6["endpoints"]] == [["fd00:244::11"], ["fd00:244::11"]]
    assert v4["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert endpoints.is_ours(v4)
    assert v4["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]


def test_only_pods_that_are_selected() -> None:
    others = [
        pod("labels", labels={"app": "other"}),
        pod("namespace", namespace="other"),
        pod("over") | {"status": {"phase": "Succeeded"}},
    ]
    assert endpoints.slices_of(service(), others)[0]["endpoints"] == []
    assert endpoints.slices_of(service(selector={}), [pod("a")]) == ()


def test_a_pod_that_is_not_ready_or_is_deleted_is_said_to_be() -> None:
    found = [pod("a", ready=False), pod("b", deletionTimestamp="2026-01-01T00:00:00Z"), pod("c")]
    assert conditions(endpoints.slices_of(service(), found)[0]) == [
        {"ready": False, "serving": False, "terminating": False},
        {"ready": False, "serving": True, "terminating": True},
        {"ready": True, "serving": True, "terminating": False},
    ]


def test_a_port_by_name_is_the_containers() -> None:
    for given, expected in (("http", 8080), ("low", 80), ("unknown", 80), (81, 81)):
        made = endpoints.slices_of(service(ports=[{"port": 80, "targetPort": given}]), [pod("a")])
        assert made[0]["ports"] == [{"name": "", "protocol": "TCP", "port": expected}]


def test_slices_of_others_are_left_alone() -> None:
    assert not endpoints.is_ours({"metadata": {"name": "x"}})
    assert not endpoints.is_ours({"metadata": {"name": "x", "labels": {"kubernetes.io/service-name": "web"}}})
