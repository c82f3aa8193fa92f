"""The agent against an API server that does what a test says: late, twice, never, half, or not at all.

The server is a fake of the Protocol in agent/api.py; state folder, acceptance and loop are the real ones.
"""

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.judged import JudgeHere, judged
from tests.lines import Lines

from mooring_kube.connection import Connection, NoConnection
from mooring_kube.errors import Conflict, Forbidden, Invalid, NotFound, ServerError, Unauthorized, Unreachable
from mooring_kube.follow import Handler
from mooring_node.agent import listening, reporter, upstream
from mooring_node.agent.balancing import Balancing
from mooring_node.agent.judging import Judge
from mooring_node.agent.keyring import Keyring
from mooring_node.agent.report import Facts, build
from mooring_node.agent.running import Running
from mooring_node.agent.upstream import Identity, Upstream
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import Rtnetlink

#: Nowhere on this machine: what a configuration needs of its interface would be set.
INTERFACE = "nowhere0"
CANARY = "C4n4ry!"
SOON_S = 20.0


class Followed:
    """A watch whose life the test decides."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connected = False
        self.restarts = 0
        self.alive = True
        self.stopped = False

    def is_alive(self) -> bool:
        return self.alive

    def stop(self) -> None:
        self.stopped = True


class FakeServer:
    """One API server with one NodeConfig; a write is kept and comes back as an event."""

    def __init__(self, token: str = "one") -> None:
        self.connection = Connection("https://10.0.0.1:6443", token=token)
        self.version = 100
        self.node_config: dict[str, Any] | None = None
        self.writes: list[Mapping[str, Any]] = []
        self.fails: list[Exception] = []
        self.hold: threading.Event | None = None
        self.configs = self.secrets = Followed(Posting())

    def follow_node_config(self, handler: Handler) -> Followed:
        self.configs = Followed(handler)
        return self.configs

    def follow_secrets(self, handler: Handler) -> Followed:
        self.secrets = Followed(handler)
        return self.secrets

    def write_status(self, version: str, status: Mapping[str, Any]) -> dict[str, Any]:
        self.writes.append(json.loads(json.dumps(status)))
        if self.hold is not None:
            self.hold.wait(SOON_S)
        if self.fails:
            raise self.fails.pop(0)
        assert self.node_config is not None
        if version != self.node_config["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        self.version += 1
        metadata = self.node_config["metadata"] | {"resourceVersion": str(self.version)}
        self.node_config = self.node_config | {"metadata": metadata, "status": dict(status)}
        return self.node_config

    def store(self, *instances: Any, generation: int = 1, uid: str = "u1", **more: Any) -> dict[str, Any]:
        """The NodeConfig as somebody has written it."""
        self.version += 1
        metadata = {"name": "lb-1", "uid": uid, "generation": generation, "resourceVersion": str(self.version)}
        head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": metadata}
        status = (self.node_config or {}).get("status")
        self.node_config = (
            head | {"spec": {"instances": list(instances)}} | ({"status": status} if status else {}) | more
        )
        return self.node_config

    def list(self, *secrets: Any) -> None:
        """Both watches begin with what is there."""
        self.secrets.handler.listed(secrets)
        self.configs.handler.listed([self.node_config] if self.node_config else [])
        self.configs.connected = self.secrets.connected = True

    def change(self) -> None:
        assert self.node_config is not None
        self.configs.handler.changed(self.node_config)


class Posting:
    """Nobody listens."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


class Bench:
    """An Upstream with what it needs around it."""

    def __init__(self, folder: Path, judge: Judge | None = None) -> None:
        self.state = StateFolder(folder)
        self.state.create()
        self.log = Lines()
        self.server = FakeServer()
        self.missing: Exception | None = None
        self.vrrp, self._agents = Channel.pair()
        self.rtnetlink = Rtnetlink()
        self.checks, self._checks = Channel.pair()
        balancing = Balancing(self._checks, self.log, lambda _confirms: None)
        self.running = Running(self.state, self._agents, balancing, self.rtnetlink, self.log)
        self.keyring = Keyring("mooring-system", self.state.keys, self.log)
        self.judge = judge or JudgeHere()
        self.upstream = Upstream(
            Identity("lb-1", "mooring-system"),
            self.connect,
            self.running,
            self.judge,
            self.keyring,
            self.status,
            self.log,
        )

    def connect(self) -> FakeServer:
        if self.missing is not None:
            raise self.missing
        return self.server

    def status(self, observed: int | None, credentials: Any, remarks: Any) -> Mapping[str, Any]:
        problems = self.running.outcome.problems
        facts = Facts("1", observed, credentials=credentials, problems=problems, remarks=remarks)
        return build(facts)

    @property
    def groups(self) -> list[str]:
        return [group.name for group in self.running.runtime.groups] if self.running.runtime else []

    def configured(self, *, leaving: int = 0) -> None:
        """The VRRP process runs what it was told to."""
        assert self.running.runtime is not None
        if self.running.configured(self.running.runtime.generation, leaving):
            self.upstream.changed(confirms=True)

    def told(self) -> int:
        """How often the VRRP process was told to configure since this was asked last."""
        return len([message for message in self.vrrp.receive() if message == {"do": "configure"}])

    async def wait(self, happened: Callable[[], Any]) -> Any:
        """Until it has happened; the agent has its turns meanwhile."""
        end = time.monotonic() + SOON_S
        while not (found := happened()):
            assert time.monotonic() < end, f"{self.log.lines} {self.server.writes}"
            self.upstream.turn(now_ns())
            await asyncio.sleep(0.002)
        return found

    async def settle(self) -> None:
        """Let everything that was posted be done."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.upstream.turn(now_ns())

    def close(self) -> None:
        self.rtnetlink.close()
        self.vrrp.close()
        self._agents.close()
        self.checks.close()
        self._checks.close()


@contextlib.asynccontextmanager
async def started(folder: Path, judge: Judge | None = None) -> AsyncIterator[Bench]:
    bench = Bench(folder, judge)
    try:
        bench.upstream.start()
        yield bench
        await bench.upstream.finish()
    finally:
        bench.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "LAST_WORDS_S", 0.2)
    monkeypatch.setattr(upstream, "STATUS_PATIENCE_S", 0.1)


def instance(name: str, router: int, **more: Any) -> dict[str, Any]:
    fields = {"name": name, "interface": INTERFACE, "virtualRouterID": router}
    return fields | {"addresses": [{"address": f"10.9.0.{router}/24"}]} | more


A, B = instance("a", 1), instance("b", 2)
KEYED = instance("k", 3, version=2, authentication={"type": "Password", "secretRef": {"name": "web"}})


def secret(version: int, password: str = CANARY) -> dict[str, Any]:
    metadata = {"name": "web", "resourceVersion": str(version)}
    data = {"password": base64.b64encode(password.encode()).decode()}
    return {"metadata": metadata, "type": "mooring.dev/credentials", "data": data}


# The NodeConfig.


def test_what_is_listed_runs_and_is_confirmed_when_the_vrrp_process_runs_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, generation=7)
            bench.server.list()
            await bench.wait(lambda: bench.server.writes)
            assert bench.groups == ["a"]
            assert bench.told() == 1
            # Read is not run.
            assert "observedGeneration" not in bench.server.writes[-1]
            bench.configured(leaving=1)
            await bench.settle()
            bench.configured()
            await bench.wait(lambda: bench.server.writes[-1].get("observedGeneration") == 7)
            assert len(bench.server.writes) == 2

    run(test())


def test_a_restart_confirms_again_what_runs_still(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, generation=7)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
        async with started(tmp_path) as bench:
            assert bench.groups == ["a"]
            bench.server.store(A, generation=7)
            bench.server.list()
            await bench.wait(lambda: bench.told())
            bench.configured()
            await bench.wait(lambda: bench.server.writes and bench.server.writes[-1].get("observedGeneration") == 7)

    run(test())


def test_a_status_that_comes_round_is_not_accepted_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.server.writes)
            assert bench.told() == 1
            for _ in range(3):
                bench.server.change()
            await bench.settle()
            assert bench.told() == 0
            assert len(bench.server.writes) == 1

    run(test())


@pytest.mark.parametrize("how", ["deleted", "not listed"])
def test_a_nodeconfig_that_goes_leaves_what_runs(how: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            stored = bench.server.store(A, generation=7)
            bench.server.list()
            await bench.wait(lambda: bench.server.writes)
            writes = len(bench.server.writes)
            if how == "deleted":
                bench.server.configs.handler.deleted(stored)
            else:
                bench.server.configs.handler.listed([])
            await bench.wait(lambda: bench.upstream.about()["absence"])
            bench.upstream.changed()
            await bench.settle()
            assert bench.groups == ["a"]
            assert len(bench.server.writes) == writes
            expected = "NodeConfig lb-1 was deleted" if how == "deleted" else "NodeConfig lb-1 is not there"
            assert bench.log.count(f"{expected}; the last good configuration runs (1 groups, generation 7)") == 1
            # Told twice, said once.
            bench.server.configs.handler.listed([])
            await bench.settle()
            assert bench.log.count("NodeConfig lb-1") == 1

    run(test())


def test_one_that_is_made_anew_counts_from_1_and_is_confirmed_by_its_own_word(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            stored = bench.server.store(A, generation=7)
            bench.server.list()
            await bench.wait(lambda: bench.told())
            bench.configured()
            bench.server.configs.handler.deleted(stored)
            bench.server.node_config = None
            bench.server.store(A, uid="u2", generation=1)
            bench.server.change()
            await bench.wait(lambda: bench.told())
            await bench.wait(lambda: bench.server.writes)
            # The same groups, but nobody has said yet that generation 1 of this object runs.
            assert "observedGeneration" not in bench.server.writes[-1]
            # The deletion of the old one once more, late.
            bench.server.configs.handler.deleted(stored)
            await bench.settle()
            assert bench.upstream.about()["absence"] == ""
            bench.configured()
            await bench.wait(lambda: bench.server.writes[-1].get("observedGeneration") == 1)

    run(test())


def test_an_empty_list_withdraws_and_half_an_object_does_not(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, B)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
            for generation, half in enumerate(
                ({"spec": {}}, {"spec": None}, {"spec": {"instances": "none"}}, {"kind": 7})
            ):
                bench.server.store(generation=10 + generation, **half)
                bench.server.change()
                await bench.settle()
                assert bench.groups == ["a", "b"], half
                assert bool(bench.running.outcome.errors) == (half != {"spec": {}})
            await bench.wait(lambda: bench.server.writes and bench.server.writes[-1]["problems"])
            bench.server.store(generation=20)
            bench.server.change()
            await bench.settle()
            assert bench.groups == []

    run(test())


@pytest.mark.parametrize("known", [False, True])
def test_a_config_that_says_nothing_yet_is_reported_in_and_nothing_is_wrong_with_it(
    tmp_path: Path, known: bool
) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            if known:
                bench.server.store(A, B)
                bench.server.list()
                await bench.wait(lambda: bench.groups)
                bench.configured()
            bench.server.store(uid="u2", **{"spec": {}})
            bench.server.list()
            await bench.wait(lambda: bench.server.writes and bench.server.writes[-1]["problems"])
            assert bench.groups == (["a", "b"] if known else [])
            status = bench.server.writes[-1]
            assert "interfaces" in status
            assert "observedGeneration" not in status
            assert [each["path"] for each in status["problems"]] == ["status"]
            assert bench.log.count("error") == 0
            bench.server.store(A, generation=2, uid="u2")
            bench.server.change()
            await bench.wait(lambda: bench.groups == ["a"])

    run(test())


def test_one_bad_instance_costs_only_itself_and_is_told_by_name(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, B)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
            bench.server.store(A | {"priority": "banana"}, B | {"priority": 50}, generation=2)
            bench.server.change()
            await bench.wait(lambda: bench.server.writes and bench.server.writes[-1]["problems"])
            assert bench.running.runtime is not None
            assert {group.name: group.priority for group in bench.running.runtime.groups} == {"a": 100, "b": 50}
            bench.configured()
            await bench.wait(lambda: bench.server.writes[-1].get("observedGeneration") == 2)
            (problem,) = bench.server.writes[-1]["problems"]
            assert (problem["instance"], problem["path"]) == ("a", "spec.instances[0].priority")
            assert bench.log.count("error NodeConfig lb-1: spec.instances[0].priority (instance a): must be") == 1

    run(test())


def test_what_comes_late_rolls_nothing_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            old = bench.server.store(A, generation=1)
            bench.server.store(A, B, generation=2)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
            bench.server.configs.handler.changed(old)
            bench.server.configs.handler.changed(old | {"metadata": old["metadata"] | {"name": "lb-2"}})
            await bench.settle()
            assert bench.groups == ["a", "b"]
            # A list is the present: a backup of the server was restored.
            bench.server.configs.handler.listed([old])
            await bench.settle()
            assert bench.groups == ["a"]

    run(test())


@pytest.mark.parametrize("how", ["running on", "started anew"])
def test_a_generation_from_before_a_backup_was_restored_is_not_confirmed(how: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, B, generation=9)
            bench.server.list()
            await bench.wait(lambda: bench.told())
            bench.configured()
            await bench.wait(lambda: bench.server.writes and bench.server.writes[-1].get("observedGeneration") == 9)
            if how == "running on":
                await restored(bench)
        if how == "started anew":
            async with started(tmp_path) as bench:
                # What runs is what ran before the restart.
                bench.configured()
                await restored(bench)

    async def restored(bench: Bench) -> None:
        bench.told()
        bench.server.store(A, generation=6)
        bench.server.list()
        await bench.wait(lambda: bench.told())
        bench.upstream.changed()
        await bench.wait(lambda: bench.server.writes and "observedGeneration" not in bench.server.writes[-1])
        bench.configured()
        await bench.wait(lambda: bench.server.writes[-1].get("observedGeneration") == 6)

    run(test())


def test_the_same_generation_of_a_restored_server_is_read(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, generation=9)
            bench.server.list()
            await bench.wait(lambda: bench.groups == ["a"])
            bench.server.store(B, generation=9)
            bench.server.list()
            await bench.wait(lambda: bench.groups == ["b"])

    run(test())


def test_another_node_s_configuration_is_none_of_ours(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            stored = bench.server.store(A)
            other = stored | {"metadata": stored["metadata"] | {"name": "lb-2", "uid": "u9"}}
            bench.server.configs.handler.listed([other])
            bench.server.configs.handler.changed(other)
            bench.server.configs.handler.deleted(other)
            await bench.settle()
            assert bench.groups == []
            assert bench.upstream.about()["absence"] == "is not there"

    run(test())


def test_junk_is_no_reason_to_stop(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
            for junk in (
                {},
                {"metadata": None},
                {"metadata": []},
                {"metadata": {"name": "lb-1"}},
                {"metadata": {"name": 7}},
            ):
                bench.server.configs.handler.changed(junk)
                bench.server.secrets.handler.changed(junk)
            await bench.settle()
            assert bench.groups == ["a"]

    run(test())


# No server.


def test_without_a_server_the_last_good_configuration_runs_at_once_and_is_said_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, KEYED, generation=7)
            bench.server.list(secret(50))
            await bench.wait(lambda: len(bench.groups) == 2)
        async with started(tmp_path) as bench:
            assert bench.groups == ["a", "k"]
            assert bench.told() == 0
            for _ in range(4):
                bench.server.configs.handler.failed(Unreachable("connection refused"))
                bench.server.secrets.handler.failed(Unreachable("connection refused"))
                await bench.settle()
            assert bench.told() == 1
            assert bench.running.runtime is not None
            assert bench.running.runtime.groups[1].members[0].password == CANARY
            why = "is not heard: not reachable: connection refused"
            runs = "the last good configuration runs (2 groups, generation 7)"
            assert bench.log.count(f"{why}; {runs}") == 1
            assert len(bench.log.lines) == 1
            about = bench.upstream.about()
            assert (about["nodeConfig"]["connected"], about["nodeConfig"]["error"]) == (
                False,
                "not reachable: connection refused",
            )
            # It comes back: nothing changes here, and one line says so.
            bench.server.configs.connected = True
            await bench.wait(lambda: bench.log.count("https://10.0.0.1:6443 is heard again, after"))
            assert bench.told() == 0

    run(test())


def test_a_server_that_never_answers_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "PATIENCE_S", 0.05)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
        async with started(tmp_path) as bench:
            await bench.wait(lambda: bench.told())
            assert bench.log.count("nothing was heard of the API server yet; the last good configuration runs") == 1
        async with started(tmp_path) as bench:
            bench.server.store(KEYED, generation=2)
            bench.server.configs.handler.listed([bench.server.node_config])
            await bench.wait(lambda: bench.told())
            assert bench.groups == ["a"]
            assert bench.log.count("nothing was heard of the Secrets that the NodeConfig names yet; the last good") == 1

    run(test())


def test_where_nothing_was_ever_good_nothing_runs_and_it_waits(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.configs.handler.failed(Unreachable("connection refused"))
            await bench.settle()
            assert bench.log.count("there is no last good configuration, so nothing runs") == 1
            assert bench.told() == 0
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.groups == ["a"])

    run(test())


def test_a_missing_right_is_said_with_what_to_do(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            text = 'nodeconfigs.mooring.dev "lb-1" is forbidden: User "x" cannot list resource "nodeconfigs"'
            bench.server.configs.handler.failed(Unreachable("refused"))
            for _ in range(3):
                bench.server.configs.handler.failed(Forbidden(403, "Forbidden", text))
            bench.server.configs.handler.failed(Unauthorized(401, "Unauthorized", "Unauthorized"))
            bench.server.configs.handler.failed(
                NotFound(404, "NotFound", "the server could not find the requested resource")
            )
            await bench.settle()
            assert bench.log.count(f"403 Forbidden: {text}; grant this right to the daemon's account") == 1
            assert bench.log.count("the token is not known or has expired") == 1
            assert len(bench.log.lines) == 4

    run(test())


def test_no_kubeconfig_and_nothing_to_run_is_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        bench = Bench(tmp_path)
        bench.missing = NoConnection("this is no pod of a cluster; name a --kubeconfig FILE")
        assert not bench.upstream.start()
        assert bench.log.count("name a --kubeconfig FILE") == 1
        bench.close()

    run(test())


def test_no_kubeconfig_is_no_reason_to_let_addresses_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RENEW_NS", 0)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
        bench = Bench(tmp_path)
        bench.missing = NoConnection("k.yaml: cannot be read")
        assert bench.upstream.start()
        assert bench.told() == 1
        # It is there now: tried again by itself.
        bench.missing = None
        bench.server.store(A, B, generation=2)
        await bench.wait(lambda: not isinstance(bench.server.configs.handler, Posting))
        bench.server.list()
        await bench.wait(lambda: bench.groups == ["a", "b"])
        bench.close()

    run(test())


def test_a_renewed_identity_is_taken_up_while_the_old_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "RENEW_NS", 0)

    async def test() -> None:
        async with started(tmp_path) as bench:
            first = bench.server
            watch = first.configs
            watch.handler.failed(Unauthorized(401, "Unauthorized", "Unauthorized"))
            await bench.settle()
            await bench.settle()
            assert first.configs is watch
            assert not watch.stopped
            bench.server = FakeServer(token="two")
            bench.server.store(A)
            await bench.wait(lambda: first.configs.stopped)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
            # What the old one had still to say.
            first.configs.handler.listed([])
            first.configs.handler.failed(Unreachable("closed"))
            await bench.settle()
            assert bench.upstream.about()["absence"] == ""
            assert bench.upstream.about()["nodeConfig"]["connected"]

    run(test())


def test_a_watch_that_dies_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "AGAIN_NS", 0)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.groups)
            dead = bench.server.secrets
            dead.alive = False
            await bench.wait(lambda: bench.server.secrets is not dead)
            assert bench.log.count("a watch of the API ended by a mistake of ours") == 1
            assert bench.upstream.about()["watchRestarts"] == 2
            bench.server.list()
            await bench.settle()
            assert bench.groups == ["a"]

    run(test())


def test_a_full_disk_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring_node.agent import configuration, running

    monkeypatch.setattr(running, "RETRY_NS", 0)

    async def test() -> None:
        async with started(tmp_path) as bench:
            with monkeypatch.context() as patched:

                def full(*_: Any) -> None:
                    raise OSError(28, "No space left on device")

                patched.setattr(configuration, "write_atomically", full)
                bench.server.store(A)
                bench.server.list()
                await bench.wait(lambda: bench.log.count("No space left"))
                await bench.settle()
                assert bench.groups == []
                assert bench.log.count("No space left") == 1
            await bench.wait(lambda: bench.groups == ["a"])

    run(test())


# Keys.


def test_a_configuration_waits_for_its_keys_at_the_start(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(KEYED)
            bench.server.configs.handler.listed([bench.server.node_config])
            await bench.settle()
            assert bench.running.outcome.problems == ()
            bench.server.secrets.handler.listed([secret(50)])
            await bench.wait(lambda: bench.groups == ["k"])
            assert bench.log.count("error") == 0
            await bench.wait(lambda: bench.server.writes)
            assert bench.server.writes[-1]["credentials"] == [{"name": "web", "current": "50", "versions": ["50"]}]

    run(test())


@pytest.mark.parametrize("why", ["patience", "failed"])
def test_keys_that_never_come_hold_up_nobody_else(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "KEYS_PATIENCE_S", 0.05 if why == "patience" else 3600)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A, KEYED)
            bench.server.configs.handler.listed([bench.server.node_config])
            if why == "failed":
                bench.server.secrets.handler.failed(Forbidden(403, "Forbidden", 'cannot list resource "secrets"'))
            await bench.wait(lambda: bench.groups == ["a"])
            await bench.wait(lambda: bench.server.writes)
            problems = bench.server.writes[-1]["problems"]
            assert [each["instance"] for each in problems if each["instance"]] == ["k"]
            if why == "failed":
                assert bench.log.count('Secrets are not heard of: 403 Forbidden: cannot list resource "secrets"') == 1
                (remark,) = [each for each in problems if each["path"] == "status"]
                assert 'cannot list resource "secrets"' in remark["message"]

    run(test())


def pinned_to(version: int) -> dict[str, Any]:
    return KEYED | {"authentication": KEYED["authentication"] | {"keyVersion": str(version)}}


def spoken(bench: Bench) -> str | None:
    assert bench.running.runtime is not None
    return bench.running.runtime.groups[0].members[0].password


def test_a_changed_key_runs_when_it_is_named_and_an_unrelated_secret_touches_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(KEYED)
            bench.server.list(secret(50, "old"))
            await bench.wait(lambda: bench.groups)
            assert bench.told() == 1
            other = secret(51)
            bench.server.secrets.handler.changed(other | {"metadata": other["metadata"] | {"name": "mail"}})
            bench.server.secrets.handler.changed(secret(60, "new"))
            await bench.wait(lambda: "60" in bench.state.keys.read_text())
            await bench.settle()
            assert bench.told() == 0
            assert spoken(bench) == "old"
            bench.server.store(pinned_to(60), generation=2)
            bench.server.change()
            await bench.wait(lambda: bench.told())
            assert spoken(bench) == "new"
            bench.server.secrets.handler.deleted(secret(61, "new"))
            await bench.wait(lambda: bench.server.writes and bench.server.writes[-1]["problems"])
            assert bench.told() == 0
            assert "was deleted" in bench.server.writes[-1]["problems"][0]["message"]

    run(test())


def test_a_named_key_runs_when_it_comes(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(pinned_to(60))
            bench.server.list(secret(50, "old"))
            await bench.wait(lambda: bench.running.outcome.problems)
            bench.server.secrets.handler.changed(secret(60, "new"))
            await bench.wait(lambda: bench.groups)
            assert spoken(bench) == "new"

    run(test())


def test_a_restart_after_a_rotation_speaks_as_before(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(KEYED)
            bench.server.list(secret(50, "old"))
            await bench.wait(lambda: bench.groups)
        async with started(tmp_path) as bench:
            bench.server.store(KEYED | {"priority": 50}, generation=2)
            bench.server.list(secret(60, "new"))
            await bench.wait(lambda: bench.told())
            assert spoken(bench) == "old"
            await bench.wait(lambda: bench.server.writes)
            told = {"name": "web", "current": "50", "versions": ["50", "60"]}
            assert bench.server.writes[-1]["credentials"] == [told]

    run(test())


def test_a_restart_without_secrets_has_the_keys(tmp_path: Path) -> None:
    async def test() -> None:
        pinned = instance("k", 3, version=2, authentication=KEYED["authentication"] | {"keyVersion": "50"})
        async with started(tmp_path) as bench:
            bench.server.store(pinned)
            bench.server.list(secret(50, "old"))
            await bench.wait(lambda: bench.groups)
            bench.server.secrets.handler.changed(secret(60, "new"))
            await bench.wait(lambda: "60" in bench.state.keys.read_text())
        assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
        async with started(tmp_path) as bench:
            bench.server.store(pinned | {"priority": 50}, generation=2)
            bench.server.list()
            await bench.wait(lambda: bench.told())
            assert bench.running.runtime is not None
            group = bench.running.runtime.groups[0]
            assert (group.priority, group.members[0].password) == (50, "old")

    run(test())


def test_no_key_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(
                A, KEYED, instance("bad", 4, version=2, authentication={"type": "Password", "password": CANARY})
            )
            bench.server.list(secret(50))
            await bench.wait(lambda: bench.groups)
            bench.server.secrets.connected = False
            bench.server.secrets.handler.changed(secret(60, CANARY + CANARY))
            bench.server.secrets.handler.failed(Unreachable(f"the watch sent what is no event: {CANARY!r}"))
            await bench.wait(lambda: bench.server.writes and len(bench.server.writes[-1]["problems"]) >= 2)
            shown = [*bench.log.lines, json.dumps(bench.upstream.about()), json.dumps(bench.server.writes)]
            shown += [repr(bench.running.outcome.problems), repr(judged(bench.server.node_config or {}))]
            assert [text for text in shown if CANARY in text] == []

    run(test())
    told = capsys.readouterr()
    assert CANARY not in told.out + told.err


# The status.


def test_the_first_status_waits_until_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "STATUS_PATIENCE_S", 3600)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(KEYED)
            bench.server.configs.handler.listed([bench.server.node_config])
            await bench.settle()
            bench.server.secrets.handler.listed([secret(50)])
            await bench.wait(lambda: bench.told())
            assert bench.server.writes == []
            bench.configured()
            await bench.wait(lambda: bench.server.writes)
            assert bench.server.writes[0]["observedGeneration"] == 1
            assert bench.server.writes[0]["credentials"][0]["current"] == "50"

    run(test())


def test_a_restart_that_finds_all_as_it_was_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "STATUS_PATIENCE_S", 3600)

    async def test() -> None:
        async with started(tmp_path) as bench:
            server = bench.server
            server.store(KEYED)
            server.list(secret(50))
            await bench.wait(lambda: bench.told())
            bench.configured()
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["written"])
        server.writes.clear()
        async with started(tmp_path) as bench:
            bench.server.node_config = server.node_config
            bench.server.list(secret(50))
            await bench.wait(lambda: bench.told())
            bench.configured()
            await bench.settle()
            await bench.settle()
            assert bench.running.observed is not None
            assert bench.server.writes == []

    run(test())


def test_a_write_that_fails_is_tried_again_and_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring_node.agent import publication

    for name in ("EVERY_NS", "FIRST_PAUSE_NS", "LONGEST_PAUSE_NS"):
        monkeypatch.setattr(publication, name, 1_000_000)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.fails = [
                Forbidden(403, "Forbidden", 'cannot patch resource "nodeconfigs/status"'),
                Forbidden(403, "Forbidden", 'cannot patch resource "nodeconfigs/status"'),
                Invalid(422, "Invalid", "status.problems: too many"),
                Unreachable("timed out"),
                ServerError(500, "InternalError", "etcdserver: request timed out", {}, 0.0),
                NotFound(404, "NotFound", "not found"),
                RuntimeError("a mistake of ours"),
            ]
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.server.node_config and bench.server.node_config.get("status"))
            assert bench.log.count('cannot patch resource "nodeconfigs/status"; grant this right') == 1
            assert bench.log.count("its status was not written") == 5
            assert bench.log.count("its status was not written: a mistake of ours") == 1
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["written"])
            assert bench.upstream.about()["statusWrites"] == {"written": 1, "conflict": 0, "failed": 7}

    run(test())


def test_a_status_that_somebody_else_wrote_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring_node.agent import publication

    monkeypatch.setattr(publication, "EVERY_NS", 1_000_000)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["written"])
            bench.server.store(A, status={"daemonVersion": "not ours"})
            bench.server.change()
            await bench.wait(lambda: len(bench.server.writes) == 2)
            await bench.wait(
                lambda: bench.server.node_config and bench.server.node_config["status"]["daemonVersion"] == "1"
            )
            assert bench.log.count("somebody else has written its status") == 1

    run(test())


def test_a_conflict_is_settled_by_what_is_heard_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring_node.agent import publication

    monkeypatch.setattr(publication, "EVERY_NS", 1_000_000)
    monkeypatch.setattr(publication, "FIRST_PAUSE_NS", 3600 * publication.SECOND_NS)

    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["written"])
            # Another generation is written, and we have not heard of it when we write.
            bench.server.store(A, B, generation=2)
            bench.configured()
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["conflict"])
            assert bench.log.count("not written") == 0
            bench.server.change()
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["written"] == 2)

    run(test())


def test_a_write_that_hangs_stops_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        bench = Bench(tmp_path)
        bench.upstream.start()
        bench.server.hold = threading.Event()
        try:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.server.writes)
            bench.server.store(A, B, generation=2)
            bench.server.change()
            await bench.wait(lambda: bench.groups == ["a", "b"])
            began = time.monotonic()
            await bench.upstream.finish()
            assert time.monotonic() - began < SOON_S / 2
            assert bench.server.configs.stopped
        finally:
            bench.server.hold.set()
            bench.close()

    run(test())


def test_last_words_wait_for_a_write_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "LAST_WORDS_S", SOON_S)

    async def test() -> None:
        async with started(tmp_path) as bench:
            server = bench.server
            server.hold = threading.Event()
            server.store(A)
            server.list()
            await bench.wait(lambda: server.writes)
            bench.configured()
            asyncio.get_running_loop().call_later(0.05, server.hold.set)
        assert [write.get("observedGeneration") for write in server.writes] == [None, 1]

    run(test())


def test_last_words_are_said_if_somebody_hears_them(tmp_path: Path) -> None:
    async def test() -> None:
        async with started(tmp_path) as bench:
            bench.server.store(A)
            bench.server.list()
            await bench.wait(lambda: bench.upstream.about()["statusWrites"]["written"])
            # Within the second after the first write, and it does not wait for its turn.
            bench.configured()
        assert bench.server.writes[-1]["observedGeneration"] == 1
        async with started(tmp_path / "2") as bench:
            bench.server.configs.handler.failed(Unreachable("refused"))
            await bench.settle()
        assert bench.server.writes == []

    run(test())
