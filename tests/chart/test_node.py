"""The daemons' DaemonSet."""

import pytest
from tests.chart.matrix import SETS
from tests.chart.rendering import Document, Renderer

from mooring_node.options import parser

CAPABILITIES = {"NET_ADMIN", "NET_RAW", "SYS_NICE", "IPC_LOCK"}
OF_SCRIPTS = {"SETUID", "SETGID", "KILL"}


def spec_of(render: Renderer, **node: object) -> Document:
    found: Document = render({"node": node}).pod("DaemonSet")["spec"]
    return found


@pytest.mark.parametrize("name", SETS)
def test_the_daemon_understands_its_arguments(name: str, render: Renderer) -> None:
    container = render(SETS[name]).container("DaemonSet")
    assert "command" not in container, "the image's entry point is the program"
    parser().parse_args([word.replace("$(MOORING_NODE_NAME)", "n1") for word in container["args"]])
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        parser().parse_args(container[probe]["exec"]["command"][1:])
    parser().parse_args(container["lifecycle"]["preStop"]["exec"]["command"][1:])


def test_it_runs_on_the_nodes_network_whatever_its_taints(render: Renderer) -> None:
    spec = spec_of(render)
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "Default")
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}


def test_a_rollout_takes_one_node_at_a_time_and_waits_until_it_has_settled(render: Renderer) -> None:
    spec = render().one("DaemonSet")["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert spec["minReadySeconds"] > 0
    assert render(SETS["stopped"]).one("DaemonSet")["spec"]["updateStrategy"] == {"type": "OnDelete"}


def test_a_stop_hands_over_and_has_the_time_for_it(render: Renderer) -> None:
    spec = spec_of(render)
    assert spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["mooring-node", "hand-over"]
    # What docs/node-daemon.md counts for a stop: 150 s of handing over, 20 s of tables, 10 s of telling.
    assert spec["terminationGracePeriodSeconds"] >= 180


@pytest.mark.parametrize("name", SETS)
def test_it_has_no_limit_and_asks_for_cpu_and_memory(name: str, render: Renderer) -> None:
    resources = render(SETS[name]).container("DaemonSet")["resources"]
    assert resources.keys() == {"requests"}
    assert resources["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", SETS)
def test_it_has_the_capabilities_that_it_needs_and_no_more(name: str, render: Renderer) -> None:
    context = render(SETS[name]).container("DaemonSet")["securityContext"]
    assert context["capabilities"]["drop"] == ["ALL"]
    node = SETS[name].get("node", {})
    scripts = OF_SCRIPTS if node.get("scripts") or node.get("scriptsConfigMap") else set()
    wanted = CAPABILITIES | scripts | set(node.get("extraCapabilities", ()))
    assert sorted(context["capabilities"]["add"]) == sorted(wanted), "each of them once"
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert "privileged" not in context
    spec = render(SETS[name]).pod("DaemonSet")["spec"]
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert not {"hostPID", "hostIPC"} & spec.keys()


def test_probes_ask_the_daemon_and_no_port(render: Renderer) -> None:
    container = render().container("DaemonSet")
    assert container["startupProbe"]["exec"]["command"] == ["mooring-node", "probe", "live"]
    assert container["livenessProbe"]["exec"]["command"] == ["mooring-node", "probe", "live"]
    assert container["readinessProbe"]["exec"]["command"] == ["mooring-node", "probe", "ready"]
    # A machine that stalls for seconds is no reason to take a daemon's addresses away.
    patience = container["livenessProbe"]
    assert patience["periodSeconds"] * patience["failureThreshold"] >= 60
    slow = render({"node": {"readinessProbe": {"periodSeconds": 30}}}).container("DaemonSet")
    assert slow["readinessProbe"]["periodSeconds"] == 30
    assert slow["readinessProbe"]["failureThreshold"] == 3, "what is not said is the default"


def test_metrics_are_at_the_nodes_own_address(render: Renderer) -> None:
    def address(**metrics: object) -> str:
        args = render({"node": {"metrics": metrics}}).container("DaemonSet")["args"]
        return str(next(word for word in args if word.startswith("--metrics-address=")).partition("=")[2])

    assert address() == "[$(MOORING_HOST_IP)]:9650"
    assert address(host="127.0.0.1", port=1) == "[127.0.0.1]:1"
    assert address(host="2001:db8::1") == "[2001:db8::1]:9650"
    env = {each["name"]: each for each in render().container("DaemonSet")["env"]}
    assert env["MOORING_HOST_IP"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.hostIP"}}
    off = render({"node": {"metrics": {"enabled": False}}})
    assert "--metrics-address=127.0.0.1:0" in off.container("DaemonSet")["args"]
    assert "ports" not in off.container("DaemonSet")
    assert [each["metadata"]["name"] for each in off.all("Service")] == ["mooring-operator"]


def volumes(render: Renderer, **node: object) -> dict[str, tuple[Document, Document]]:
    """Those of the daemon, but for its token, see test_everywhere."""
    spec = spec_of(render, **node)
    mounts = {each["name"]: each for each in spec["containers"][0]["volumeMounts"]}
    assert mounts.keys() == {each["name"] for each in spec["volumes"]}
    return {each["name"]: (each, mounts[each["name"]]) for each in spec["volumes"] if "projected" not in each}


def test_of_the_nodes_files_it_has_its_own_folder_and_the_network_settings(render: Renderer) -> None:
    found = volumes(render)
    assert {name: volume["hostPath"]["path"] for name, (volume, _) in found.items()} == {
        "state": "/var/lib/mooring", "sys-net": "/proc/sys/net"
    }  # fmt: skip
    assert found["state"][1]["mountPath"] == "/var/lib/mooring"
    assert found["sys-net"][1]["mountPath"] == "/host/proc/sys/net", "runtimes mount nothing below /proc"
    told = {"name": "MOORING_SYS_NET", "value": "/host/proc/sys/net"}
    assert told in render().container("DaemonSet")["env"], "also to who is sent in by kubectl exec"
    assert volumes(render, sysNet=False).keys() == {"state"}
    assert told not in render({"node": {"sysNet": False}}).container("DaemonSet")["env"]
    moved = volumes(render, stateDir="/srv/mooring")["state"]
    assert (moved[0]["hostPath"]["path"], moved[1]["mountPath"]) == ("/srv/mooring", "/var/lib/mooring")


def test_the_priority_is_told_to_the_container_and_so_to_whoever_looks_there(render: Renderer) -> None:
    for node, value in (({}, "50"), ({"realTimePriority": 0}, "0")):
        env = render({"node": node}).container("DaemonSet")["env"]
        assert {"name": "MOORING_REAL_TIME_PRIORITY", "value": value} in env


def test_scripts_are_a_config_map_that_can_be_run_and_not_written(render: Renderer) -> None:
    scripts = {"check": "#!/usr/bin/python3\n"}
    volume, mount = volumes(render, scripts=scripts)["scripts"]
    assert volume["configMap"] == {"name": "mooring-node-scripts", "defaultMode": 0o555}
    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/mooring/scripts", True)
    assert render({"node": {"scripts": scripts}}).one("ConfigMap", "mooring-node-scripts")["data"] == scripts
    theirs = render({"node": {"scriptsConfigMap": "ours"}})
    assert theirs.all("ConfigMap") == []
    assert volumes(render, scriptsConfigMap="ours")["scripts"][0]["configMap"]["name"] == "ours"


def test_a_changed_script_starts_no_daemon_anew(render: Renderer) -> None:
    """The folder follows the ConfigMap by itself; a rollout would move every address."""
    one, other = (render({"node": {"scripts": {"check": text}}}).pod("DaemonSet") for text in ("a", "b"))
    assert one == other


@pytest.mark.parametrize("sys_net", [True, False])
def test_preflight_looks_at_the_node_before_the_daemon_starts_and_only_warns(sys_net: bool, render: Renderer) -> None:
    assert "initContainers" not in spec_of(render), "it sees all of the node's files, so somebody must want it"
    spec = spec_of(render, preflight={"enabled": True}, sysNet=sys_net)
    (flight,), (daemon,) = spec["initContainers"], spec["containers"]
    assert "command" not in flight
    options, runs = (parser().parse_args(each["args"]) for each in (flight, daemon))
    assert (options.command, options.warn_only) == ("preflight", True), "no finding keeps a daemon from starting"
    assert options.sys_net == runs.sys_net, "what it judges is what the daemon has"
    assert flight["env"] == [each for each in daemon["env"] if each["name"] != "MOORING_NODE_NAME"]
    assert ("MOORING_SYS_NET" in {each["name"] for each in flight["env"]}) == sys_net
    assert flight["securityContext"] == daemon["securityContext"]
    assert (flight["image"], flight["resources"]) == (daemon["image"], daemon["resources"])
    assert "limits" not in flight["resources"]
    sources = {each["name"]: each.get("hostPath", {}).get("path") for each in spec["volumes"]}
    seen = {sources[each["name"]]: each for each in flight["volumeMounts"]}
    assert seen.keys() == {"/", "/var/lib/mooring"} | ({"/proc/sys/net"} if sys_net else set())
    assert (seen["/"]["mountPath"], seen["/"]["readOnly"]) == (str(options.host_root), True)
    assert seen["/"]["recursiveReadOnly"] == "IfPossible"
    assert (seen["/var/lib/mooring"]["mountPath"], seen["/var/lib/mooring"]["readOnly"]) == ("/var/lib/mooring", True)
    assert "host-root" not in {each["name"] for each in daemon["volumeMounts"]}, "the daemon never sees it"


def test_preflight_is_confined_as_the_daemon_is_and_runs_no_scripts(render: Renderer) -> None:
    spec = render(SETS["everything"]).pod("DaemonSet")["spec"]
    (flight,), (daemon,) = spec["initContainers"], spec["containers"]
    assert set(flight["securityContext"]["capabilities"]["add"]) == CAPABILITIES
    own, of_daemon = ({**each["securityContext"], "capabilities": None} for each in (flight, daemon))
    assert own == of_daemon, "SELinux and AppArmor too"


def test_names_that_yaml_reads_otherwise_stay_text(render: Renderer) -> None:
    args = render({"node": {"showInterfaces": ["*", "yes"], "hideInterfaces": ["a: b"]}}).container("DaemonSet")["args"]
    assert args[-3:] == ["--show-interface=*", "--show-interface=yes", "--hide-interface=a: b"]
