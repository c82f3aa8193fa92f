"""What holds for every test: nothing is skipped in silence, and nothing is left on the machine.

In CI (`CI=true`) a skipped test fails and says what it lacked: there the machine is to have every tool.
"""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

IN_CI = os.environ.get("CI", "").lower() == "true"
TESTS = Path(__file__).parent
NAMESPACES = Path("/run/netns")
# Labs of tests carry the process's id in their name. Elsewhere than in CI somebody may run a demo meanwhile.
PREFIX = "mooring-" if IN_CI else f"mooring-t{os.getpid()}-"
GUEST_VARIABLE = "MOORING_GUEST_SHARE"
PACKAGES = {"genhash": "keepalived", "ip": "iproute2", "nft": "nftables"}

# A shared machine stalls for tenths of seconds: how long an example took says nothing.
settings.register_profile("mooring", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mooring")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--api", choices=("real", "embedded"), default="real", help="the API server of the labs in tests/cluster/whole"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder tells what a test needs: tests/netns network namespaces, tests/guest and tests/ipvs the guest kernel,
    tests/cluster a real API server, whose programs are an error where they are missing."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if folder == "netns":
            item.add_marker(pytest.mark.netns)
        if folder in ("guest", "ipvs"):
            item.add_marker(pytest.mark.guest)
        if folder == "cluster":
            item.add_marker(pytest.mark.cluster)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what can't run here, with the remedy."""
    if item.get_closest_marker("guest") and GUEST_VARIABLE not in os.environ:
        pytest.skip("runs in the guest kernel: make test-all")
    if item.get_closest_marker("netns") and os.geteuid() != 0:
        pytest.skip("makes network namespaces: run it as root")


def _no_skip_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped in CI: {reason.removeprefix('Skipped: ')}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test fails in CI."""
    report = yield
    _no_skip_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So does a module that skips itself as a whole."""
    report = yield
    _no_skip_in_ci(report)
    return report


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """`require_tool("keepalived")` gives the program's path, else the test is skipped (in CI: fails), naming it."""

    def require(name: str) -> str:
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
        if found is None:
            pytest.skip(f"the tool {name} is missing (Debian package {PACKAGES.get(name, name)})")
        return found

    return require


def _namespaces() -> frozenset[str]:
    return frozenset(path.name for path in NAMESPACES.glob(f"{PREFIX}*")) if NAMESPACES.is_dir() else frozenset()


_at_start = _namespaces()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What a fixture of a module or of the session made is gone at the end."""
    makes_some = any(item.get_closest_marker("netns") for item in getattr(session, "items", ()))
    left = sorted(_namespaces() - _at_start) if makes_some else []
    if left:
        print(f"\nnetwork namespaces were left behind: {', '.join(left)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _nothing_left_by_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that makes network namespaces takes them away again; those of wider fixtures came before it."""
    if request.node.get_closest_marker("netns") is None:
        yield
        return
    before = _namespaces()
    yield
    left = sorted(_namespaces() - before)
    if left:
        pytest.fail(f"network namespaces were left behind: {', '.join(left)}", pytrace=False)
