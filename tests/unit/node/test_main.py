"""The command line: exit codes and what is said with them."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_node import commands as module
from mooring_node.checks.scripts import DEFAULT_FOLDER
from mooring_node.main import main
from mooring_node.options import parser, shared_with_preflight
from mooring_node.preflight.facts import Facts, Rights
from mooring_node.probe import unanswered

GOOD = """\
apiVersion: mooring.dev/v1alpha1
kind: NodeConfig
metadata: {name: lb-1}
spec:
  instances:
    - {name: a, virtualRouterID: 1, interface: eth0,
       addresses: [{address: 10.0.0.1/24}], transport: {peers: [10.0.0.28]}}
    - {name: b, virtualRouterID: 2, transport: {alone: true}, addresses: [{address: 10.0.0.2/24}]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["run"],
        ["run", "--config", "x", "--log-format", "xml"],
        ["run", "--config", "x", "--real-time-priority", "200"],
        ["maintenance"],
        ["maintenance", "perhaps"],
        ["status", "-o", "yaml"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: mooring-node" in capsys.readouterr().err


def test_a_daemon_reads_its_flags_without_what_packs_files() -> None:
    """They would stay in all its processes."""
    program = (
        "import sys; from mooring_node.options import parser; parser().parse_args(['run', '--node', 'lb-1']);"
        "print(sorted({'bz2', 'lzma', 'shutil', 'zlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def told(columns: int) -> list[str]:
        monkeypatch.setattr(os, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
        with pytest.raises(SystemExit):
            main(["preflight", "--help"])
        return capsys.readouterr().out.splitlines()

    assert max(map(len, told(80))) < 80 < max(map(len, told(150))) < 150
    assert told(0) == told(80), "a terminal that does not know it"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "give --config FILE, or --node NAME (or set MOORING_NODE_NAME)"),
        (["run", "--kubeconfig", "k"], "give --config FILE, or --node NAME"),
        (
            ["run", "--config", "x", "--node", "lb-1"],
            "--node is of the API, and --config is given; remove one of the two",
        ),
        (["run", "--config", "x", "--kubeconfig", "k"], "--kubeconfig is of the API, and --config is given"),
        (["run", "--config", "x", "--namespace", "n"], "--namespace is of the API"),
        (["run", "--config", "x", "--show-interface", "br0"], "--show-interface is of the API"),
        (["run", "--config", "x", "--hide-interface", "br0"], "--hide-interface is of the API"),
    ],
)
def test_the_configuration_has_exactly_one_source(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MOORING_NODE_NAME", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in " ".join(told.split())
    assert "usage: mooring-node run" in told


class Started:
    """Stands in for the daemon: notes what its agent would be given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from mooring_node import daemon
        from mooring_node.agent import process

        self.source: Any = None
        started = self

        class Agent:
            def __init__(self, options: Any, *_: Any) -> None:
                started.source = options.source

            async def run(self) -> None:
                pass

        def run(state: Any, agent: Callable[..., None], *_: Any, **__: Any) -> int:
            agent(state, None, 1, None, None, None)
            return 0

        monkeypatch.setattr(module, "missing_right", lambda: None)
        monkeypatch.setattr(process, "Agent", Agent)
        monkeypatch.setattr(daemon, "run", run)


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mooring_node.agent.interfaces import HIDDEN, Choice
    from mooring_node.agent.options import ApiSource

    started = Started(monkeypatch)
    monkeypatch.delenv("MOORING_NODE_NAME", raising=False)
    monkeypatch.delenv("MOORING_NAMESPACE", raising=False)
    assert main(["run", "--node", "lb-1"]) == 0
    assert started.source == ApiSource("lb-1", "mooring-system", None, Choice((), HIDDEN))
    monkeypatch.setenv("MOORING_NODE_NAME", "lb-2")
    monkeypatch.setenv("MOORING_NAMESPACE", "elsewhere")
    assert main(["run"]) == 0
    assert started.source == ApiSource("lb-2", "elsewhere", None, Choice((), HIDDEN))
    kubeconfig = tmp_path / "k.yaml"
    options = ["--show-interface", "br0", "--hide-interface", "eth9", "--hide-interface", "eth8"]
    assert main(["run", "--node", "lb-3", "--namespace", "n", "--kubeconfig", str(kubeconfig), *options]) == 0
    assert started.source == ApiSource("lb-3", "n", kubeconfig, Choice(("br0",), (*HIDDEN, "eth9", "eth8")))
    # A file that is named is meant, whatever a pod's environment says.
    assert main(["run", "--config", str(kubeconfig)]) == 0
    assert started.source == kubeconfig


@pytest.mark.parametrize("address", ["9650", ":9650", "localhost:", "localhost:http", "127.0.0.1:65536", "a:-1"])
def test_a_wrong_metrics_address_is_2(
    address: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "missing_right", lambda: None)
    assert main(["run", "--config", str(config), "--metrics-address", address]) == 2
    assert "write HOST:PORT" in capsys.readouterr().err


def test_a_missing_right_is_4_and_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    assert main(["run", "--config", str(config)]) == 4
    assert "CAP_NET_RAW is missing" in capsys.readouterr().err


def test_without_rights_it_says_so_and_touches_nothing(
    config: Path, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    """For root the rights are given away first; for others they are missing anyhow."""
    prefix = [require_tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all"] if _is_root() else []
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "mooring_node.main", "run", "--config", str(config), "--state-dir", "state"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "is missing" in done.stderr
    assert not (tmp_path / "state").exists()


def _is_root() -> bool:
    import os

    return os.geteuid() == 0


def test_check_says_what_is_good(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{config}: 2 instances are good, in ")
    assert err == ""


def test_check_tells_of_what_would_be_a_fault(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(GOOD.replace("peers: [10.0.0.28]", "peers: []"))
    assert main(["check", "--config", str(config)]) == 3
    assert "spec.instances[0].transport.peers: unicast without peers" in capsys.readouterr().err


def test_check_names_file_field_and_remedy(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(GOOD.replace("virtualRouterID: 2", "virtualRouterID: 2, priority: banana"))
    assert main(["check", "--config", str(config)]) == 3
    out, err = capsys.readouterr()
    assert "1 instance is good, in 1 group\n" in out
    assert err.startswith(f"{config}: NodeConfig lb-1: spec.instances[1].priority (instance b): ")


def test_the_programs_folder_is_of_choice() -> None:
    assert parser().parse_args(["run", "--config", "x"]).scripts_dir == DEFAULT_FOLDER
    assert parser().parse_args(["run", "--config", "x", "--scripts-dir", "/srv"]).scripts_dir == Path("/srv")


def test_what_daemon_and_preflight_share_is_told_by_the_environment_and_the_command_line_comes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(*arguments: str) -> set[tuple[str, str, int]]:
        """What `run` and `preflight` make of them."""
        read = [parser().parse_args([*command, *arguments]) for command in (["run", "--config", "x"], ["preflight"])]
        return {(str(each.sys_net), str(each.scripts_dir), each.real_time_priority) for each in read}

    for variable in ("MOORING_SYS_NET", "MOORING_SCRIPTS_DIR", "MOORING_REAL_TIME_PRIORITY"):
        monkeypatch.setenv(variable, "")
    assert told() == {("/proc/sys/net", str(DEFAULT_FOLDER), 50)}, "empty is not said"
    monkeypatch.setenv("MOORING_SYS_NET", "/host/proc/sys/net")
    monkeypatch.setenv("MOORING_SCRIPTS_DIR", "/srv")
    monkeypatch.setenv("MOORING_REAL_TIME_PRIORITY", "0")
    assert told() == {("/host/proc/sys/net", "/srv", 0)}
    assert told("--sys-net", "/b", "--scripts-dir", "/c", "--real-time-priority", "7") == {("/b", "/c", 7)}
    monkeypatch.setenv("MOORING_REAL_TIME_PRIORITY", "banana")
    with pytest.raises(SystemExit) as ended:
        told()
    assert ended.value.code == 2


@pytest.mark.parametrize("manifest", ["deploy/workloads/node.yaml", "examples/static-pod/mooring-node.yaml"])
def test_who_is_sent_into_a_daemon_s_container_to_look_looks_where_the_daemon_does(
    manifest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kubectl exec … -- mooring-node preflight` has the container's environment and none of its arguments."""
    text = (Path(__file__).parents[3] / manifest).read_text(encoding="utf-8")
    document = next(each for each in yaml.safe_load_all(text) if each["kind"] in ("DaemonSet", "Pod"))
    (container,) = document["spec"].get("template", document)["spec"]["containers"]
    for each in container["env"]:
        monkeypatch.setenv(each["name"], each.get("value", "of the pod"))
    assert all(isinstance(each.get("value", ""), str) for each in container["env"])
    runs, looks = parser().parse_args(container["args"]), parser().parse_args(["preflight"])
    assert looks.sys_net == runs.sys_net
    assert str(runs.sys_net) in {each["mountPath"] for each in container["volumeMounts"]}
    assert shared_with_preflight(looks) == shared_with_preflight(runs)


def test_the_daemon_s_own_preflight_looks_where_the_daemon_does() -> None:
    """What it is told is what the real parser reads from it again."""
    given = ("--state-dir", "/a", "--sys-net", "/b", "--scripts-dir", "/c", "--real-time-priority", "0")
    looks = parser().parse_args(["preflight", *shared_with_preflight(parser().parse_args(["run", *given]))])
    assert shared_with_preflight(looks) == given


@pytest.mark.parametrize("priority", [0, 50])
def test_preflight_tries_the_priority_that_is_wanted_and_no_other(
    priority: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.sched_setscheduler", refused)
    monkeypatch.setattr("os.nice", lambda _: 0)
    arguments = ["--state-dir", str(tmp_path), "--host-root", str(tmp_path), "--warn-only"]
    assert main(["preflight", *arguments, "--real-time-priority", str(priority)]) == 0
    assert ("NoRealTime" in capsys.readouterr().out) == (priority > 0)


@pytest.mark.parametrize("there", [True, False])
def test_preflight_looks_into_the_folder_of_scripts_that_it_is_told(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def read(_wanted: object, places: Any, **_: object) -> Any:
        seen.append(places.scripts)
        raise SystemExit(0)

    monkeypatch.setattr("mooring_node.preflight.command.read", read)
    monkeypatch.setattr("os.nice", lambda _: 0)
    with pytest.raises(SystemExit):
        main(["preflight", "--state-dir", str(tmp_path), *(("--scripts-dir", "/srv") if there else ())])
    assert seen == [Path("/srv") if there else DEFAULT_FOLDER]


@pytest.mark.parametrize(("option", "code"), [((), 1), (("--warn-only",), 0)])
def test_preflight_that_only_warns_ends_well_whatever_it_finds(
    option: tuple[str, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = Facts(wanted=(), balances=False, rights=Rights(capabilities=0))
    monkeypatch.setattr("mooring_node.preflight.command.read", lambda *_, **__: facts)
    monkeypatch.setattr("os.nice", lambda _: 0)
    assert main(["preflight", "--state-dir", str(tmp_path), *option]) == code
    assert "error    MissingCapability: CAP_NET_ADMIN is missing" in capsys.readouterr().out


def test_preflight_that_only_warns_ends_well_where_it_cannot_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an init container it must not keep a daemon from starting."""

    def read(*_: object, **__: object) -> Facts:
        raise OSError(12, "no buffer to be had")

    monkeypatch.setattr("mooring_node.preflight.command.read", read)
    monkeypatch.setattr("os.nice", lambda _: 0)
    with pytest.raises(OSError, match="no buffer"):
        main(["preflight", "--state-dir", str(tmp_path)])
    assert main(["preflight", "--state-dir", str(tmp_path), "--warn-only"]) == 0
    assert "no buffer to be had" in capsys.readouterr().err


def test_check_warns_of_a_quorum_that_there_never_is(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = "{name: web, addresses: [10.0.0.1], port: 80, backends: [{address: 10.9.0.1}, {address: 10.9.0.2}]"
    config.write_text(f"{GOOD}\n  virtualServers:\n    - {server}, quorum: {{up: 4}}}}\n")
    assert main(["check", "--config", str(config)]) == 0, "it runs, and its sorry server may be what is wanted"
    out, err = capsys.readouterr()
    said = "web IPv4: quorum.up needs 4, all 2 backends together have 2: lower quorum.up"
    assert err == f"{config}: warning: {said}\n"
    assert f"{config}: 1 virtual server is good\n" in out


SERVERS = """
  virtualServers:
    - {name: web, addresses: [10.0.0.1], port: 80, backends: [{address: 10.9.0.1}]}
    - {name: mark, firewallMark: 7, backends: [{address: 10.9.0.1}], healthChecks: [{name: tcp, tcp: {}}]}
"""


def test_check_covers_what_is_balanced(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(GOOD.rstrip() + SERVERS)
    assert main(["check", "--config", str(config)]) == 3
    out, err = capsys.readouterr()
    assert out.endswith(f"{config}: 1 virtual server is good\n")
    assert "spec.virtualServers[1].healthChecks[0].connectPort (virtual server mark): " in err
    config.write_text((GOOD.rstrip() + SERVERS).replace("tcp: {}", "ping: {}") + "  connectionSync: {}\n")
    assert main(["check", "--config", str(config)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["", "banana", "a: [", "kind: Pod"])
def test_check_of_junk_is_3(text: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(text)
    assert main(["check", "--config", str(config)]) == 3
    assert capsys.readouterr().err.startswith(str(config))


def test_check_of_no_file_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(tmp_path / "none.yaml")]) == 3
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["maintenance", "on"]])
def test_no_daemon_is_6(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--state-dir", str(tmp_path)]) == 6
    assert f"no daemon answers at {tmp_path}/control.sock" in capsys.readouterr().err


def test_who_does_not_answer_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(path)
        # As one leaves it that was killed: nobody listens.
        for command in (["status"], ["maintenance", "on"], ["probe", "live"], ["hand-over"]):
            assert main([*command, "--state-dir", str(tmp_path)]) == 6
            err = capsys.readouterr().err
            assert f"no daemon answers at {path}: it does not run; what is there is the socket of one" in err
            assert "--state-dir" not in err
    (tmp_path / "control.sock").unlink()
    assert main(["status", "--state-dir", str(tmp_path)]) == 6
    assert "give its folder with --state-dir" in capsys.readouterr().err
    hangs, private = unanswered(path, TimeoutError("timed out")), unanswered(path, PermissionError(13, "denied"))
    assert "it hangs, or the machine stands still" in hangs
    assert private.endswith("run this as root")
    assert unanswered(path, OSError(5, "Input/output error")).endswith("Input/output error")


def test_a_request_that_was_not_read_in_time_is_said_to_be_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hangs(*_arguments: Any) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("mooring_node.supervisor.control.ask", hangs)
    assert main(["maintenance", "on", "--state-dir", str(tmp_path)]) == 6
    assert "maintenance is as it was, and this request is dropped" in capsys.readouterr().err
    (tmp_path / "maintenance").touch()
    assert main(["maintenance", "on", "--state-dir", str(tmp_path)]) == 6
    assert "is dropped" not in capsys.readouterr().err


def test_status_without_an_answer_of_all_processes_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = {"state": "Active", "since_s": 0.0, "reason": "", "transitions": 1}
    (tmp_path / "transitions.json").write_text(json.dumps({"groups": {"web": known}}))
    thread = _answer_once(tmp_path, {"groups": [], "silent": ["vrrp"]})
    assert main(["status", "--state-dir", str(tmp_path), "-o", "json"]) == 1
    thread.join()
    assert json.loads(capsys.readouterr().out)["lastStates"][0]["group"] == "web"


def _answer_once(folder: Path, reply: dict[str, Any]) -> threading.Thread:
    """A daemon that answers one request."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "control.sock"))
    listener.listen(1)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(json.dumps(reply).encode() + b"\n")
        connection.close()
        listener.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_maintenance_is_done_or_the_reason_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for reply, code, words in (
        ({"maintenance": True}, 0, "maintenance is on"),
        ({"error": "nothing has changed: disk full"}, 1, "nothing has changed: disk full"),
    ):
        serving = _answer_once(tmp_path, reply)
        assert main(["maintenance", "on", "--state-dir", str(tmp_path)]) == code
        serving.join(timeout=10)
        told = capsys.readouterr()
        assert words in told.out + told.err
        (tmp_path / "control.sock").unlink()


def test_status_as_json_is_the_daemon_s_answer_and_the_transitions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serving = _answer_once(tmp_path, {"groups": [], "silent": []})
    assert main(["status", "-o", "json", "--state-dir", str(tmp_path)]) == 0
    serving.join(timeout=10)
    assert json.loads(capsys.readouterr().out) == {"groups": [], "silent": [], "transitions": []}


def test_a_shortened_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["run", "--config", "node.yaml", "--real-time-prio", "5"])
    assert "--real-time-prio" in capsys.readouterr().err
