"""What the documentation shows is there: links, commands, flags, YAML, metrics, files and codes."""

import argparse
import itertools
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from mooring_api.documents import parse_documents
from mooring_api.reading import read_node_config
from mooring_api.virtualip import VirtualIP
from mooring_api.virtualserver import VirtualServer
from mooring_api.wire import GROUP, parse_object
from mooring_cli.main import main as mooring
from mooring_cli.main import parser as mooring_parser
from mooring_lab.charts import CRDS, MOORING
from mooring_lab.charts.values import read as read_schema
from mooring_lab.charts.values import values as chart_values
from mooring_node import commands as daemon
from mooring_node.files import StateFolder
from mooring_node.options import parser as daemon_parser
from mooring_node.reference import metrics
from mooring_operator import main as operator
from mooring_operator.process import Exit
from mooring_operator.reference import operator as operator_reference

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"    mooring(?:-node)? ")
PARSERS = {"mooring": mooring_parser, "mooring-node": daemon_parser, "mooring-operator": operator.parser}
#: What stands for a value in running text: FILE, NODE, DIR.
PLACEHOLDER = re.compile(r"[A-Z][A-Z:]*")


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def _shown() -> Iterator[tuple[str, str]]:
    """Page and command line of everything that a reader is shown to type."""
    for page in PAGES:
        lines = [line[2:] for block in _blocks(page, "console") for line in block.splitlines() if line[:2] == "$ "]
        lines += [line[4:] for line in _prose(page).splitlines() if INDENTED.match(line)]
        yield from ((_id(page), line) for line in lines)


def _mentioned() -> Iterator[tuple[str, str]]:
    """Page and command line of everything that running text names in code letters."""
    for page in PAGES:
        for span in re.findall(r"`(mooring(?:-node|-operator)? [^`]+)`", _prose(page)):
            yield _id(page), span


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


def test_each_page_is_linked_from_another() -> None:
    linked = {(p.parent / t).resolve() for p in PAGES for t in re.findall(r"\]\(([^)#\s]+)", _prose(p))}
    folders = {path for path in linked if path.is_dir()}
    lost = [_id(p) for p in PAGES if p.name != "README.md" and p not in linked and p.parent not in folders]
    assert lost == []


@pytest.mark.parametrize(("page", "line"), list(_shown()), ids=str)
def test_what_is_shown_can_be_typed(page: str, line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "export":
        return
    if program == "kubectl":
        _kubectl_is_plausible(page, arguments)
        return
    if program == "helm":
        _helm_is_plausible(page, arguments)
        return
    assert program in PARSERS, f"{page}: {line}"
    try:
        PARSERS[program]().parse_args(arguments)
    except SystemExit:
        pytest.fail(f"{page} shows `{line}`, which is wrong usage")


def _kubectl_is_plausible(page: str, arguments: list[str]) -> None:
    """A verb that is one, and files that are there; what it prints, tests/netns/test_walks.py sees."""
    words = [word for word in arguments if not word.startswith("-")]
    verbs = {
        "annotate",
        "apply",
        "auth",
        "cordon",
        "create",
        "delete",
        "describe",
        "drain",
        "edit",
        "exec",
        "explain",
        "get",
        "label",
        "logs",
        "patch",
        "rollout",
        "uncordon",
    }
    assert {*words[:1], *words[1:2]} & (verbs | {"wait"}), f"{page}: {arguments}"
    if "-f" in arguments:
        assert (ROOT / arguments[arguments.index("-f") + 1]).exists(), f"{page}: {arguments}"


def _helm_is_plausible(page: str, arguments: list[str]) -> None:
    """A verb that is one, a chart that is there, and values that it has; what it does, tests/cluster/chart sees."""
    verb, release, *_ = arguments
    assert verb in {"install", "upgrade", "test", "uninstall", "rollback", "history", "template"}, (
        f"{page}: {arguments}"
    )
    chart = CRDS if release == CRDS.name else MOORING
    for before, word in itertools.pairwise(arguments):
        if word.startswith("charts/"):
            assert ROOT / word == chart, f"{page}: {word}"
        if before == "--set":
            _are_values(page, chart, [setting.partition("=")[0] for setting in word.split(",")])
        if before == "--show-only":
            assert (chart / word).is_file(), f"{page}: {word}"


def _are_values(page: str, chart: Path, names: Iterable[str]) -> None:
    known = {value.name for value in chart_values(read_schema(chart)) if not value.section}
    for name in names:
        above = [name.rsplit(".", count)[0] for count in range(name.count(".") + 1)]
        assert known & {*above}, f"{page}: {chart.name} has no value {name}"


def _paths(document: object, above: str = "") -> Iterator[str]:
    if isinstance(document, dict) and document:
        for key, below in document.items():
            yield from _paths(below, f"{above}.{key}" if above else str(key))
    else:
        yield above


def test_something_is_shown_and_mentioned() -> None:
    assert len(list(_shown())) > 10
    assert len(list(_mentioned())) > 20


@pytest.mark.parametrize(("page", "span"), list(_mentioned()), ids=str)
def test_what_is_mentioned_is_there(page: str, span: str) -> None:
    program, *words = span.split()
    at = PARSERS[program]()
    for word in words:
        if word.startswith("-"):
            assert word == "--" or word in at._option_string_actions, f"{page}: {word} in {span}"
        elif (below := _subcommands(at)) is not None:
            if PLACEHOLDER.fullmatch(word):
                break
            assert word in below, f"{page}: {word} in {span}"
            at = below[word]


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser] | None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return None


@pytest.mark.parametrize("page", [p for p in PAGES if _blocks(p, "yaml")], ids=_id)
def test_yaml_is_good(page: Path) -> None:
    for block in _blocks(page, "yaml"):
        if not re.search(r"^apiVersion: ", block, re.MULTILINE):
            _are_values(_id(page), MOORING, _paths(yaml.safe_load(block)))
            continue
        documents = parse_documents(block, _id(page))
        assert documents, block
        for document in documents:
            if document["kind"] == "NodeConfig":
                assert read_node_config(document, source="file")[1] == ()
            elif document["apiVersion"].startswith(f"{GROUP}/"):
                kinds = {"VirtualIP": VirtualIP, "VirtualServer": VirtualServer}
                parse_object(kinds[document["kind"]], document, _id(page))


@pytest.mark.parametrize("page", [p for p in PAGES if _blocks(p, "python")], ids=_id)
def test_python_is_python(page: Path) -> None:
    for block in _blocks(page, "python"):
        compile(block, _id(page), "exec")


def test_the_plan_is_as_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = _blocks(ROOT / "docs/concepts.md", "console")[:1]
    command, *shown = block.splitlines()
    monkeypatch.chdir(ROOT)
    assert mooring(shlex.split(command.removeprefix("$ mooring "))) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in printed if line.strip()] == [line for line in shown if line]


def test_the_check_is_as_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs/node-daemon.md"
    (good,) = _blocks(page, "yaml")
    (shown,) = (block for block in _blocks(page, "console") if "check" in block)
    file = tmp_path / "node.yaml"
    file.write_text(good)
    assert daemon.run_command(["check", "--config", str(file)]) == 0
    assert capsys.readouterr().out.replace(f"{tmp_path}/", "") in shown


def test_metrics_have_their_names() -> None:
    known = set(re.findall(r"`(mooring_\w+)`", metrics() + operator_reference()))
    known |= {
        "mooring_api",
        "mooring_kube",
        "mooring_operator",
        "mooring_node",
        "mooring_cli",
        "mooring_lab",
        "mooring_pattern",
    }
    for page in PAGES:
        for name in re.findall(r"\bmooring_\w+", page.read_text(encoding="utf-8")):
            assert name.removesuffix("_bucket") in known, f"{_id(page)}: {name}"


def test_each_exit_code_of_the_operator_is_described() -> None:
    text = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(Exit)
    assert {int(code) for code in re.findall(r"(\d+) [a-z]", operator.__doc__ or "")} == set(Exit)


def _flags(command: argparse.ArgumentParser) -> set[str]:
    return {flag for flag in command._option_string_actions if flag.startswith("--")} - {"--help"}


def test_preflight_and_digest_are_described_with_all_their_options() -> None:
    daemons, ours = _subcommands(daemon_parser()), _subcommands(mooring_parser())
    assert daemons is not None
    assert ours is not None
    for page, command, known in (
        ("preflight.md", daemons["preflight"], {"--output"}),
        ("balancing.md", ours["digest"], {"--timeout"}),
    ):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert {flag for flag in _flags(command) - known if f"`{flag}" not in text} == set(), page


def test_the_lab_is_described_with_all_that_can_be_done_to_it() -> None:
    text = (ROOT / "docs/lab.md").read_text(encoding="utf-8")
    for words, command in _leaves(mooring_parser(), "mooring"):
        if not words.startswith("mooring lab "):
            continue
        *above, name = words.split()
        row = next((line for line in text.splitlines() if f"`{words}" in line), None)
        row = row or next((line for line in text.splitlines() if f"`{' '.join(above)} ACT" in line), "")
        assert f"`{words}" in row or f"`{name}`" in row, words
        assert {flag for flag in _flags(command) - {"--filename", "--output"} if f"`{flag}" not in text} == set(), words
        for choice in _acts(command):
            assert f"`{words} {choice}`" in row or f"`{choice}`" in row, f"{words} {choice}"


def _acts(command: argparse.ArgumentParser) -> list[str]:
    return [str(each) for a in command._actions if not a.option_strings for each in a.choices or ()]


def _leaves(parser: argparse.ArgumentParser, words: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    below = _subcommands(parser)
    if below is None:
        yield words, parser
    for name, each in (below or {}).items():
        yield from _leaves(each, f"{words} {name}")


def test_the_daemon_is_described_whole(tmp_path: Path) -> None:
    """Its flags, its exit codes and its files."""
    text = (ROOT / "docs/node-daemon.md").read_text(encoding="utf-8")
    commands = _subcommands(daemon_parser())
    assert commands is not None
    for name, command in commands.items():
        assert f"`{name}" in text
        for flag in command._option_string_actions:
            assert flag in text or flag in ("-h", "--help", "--output"), f"{name} {flag}"
    for code in (0, 1, 2, daemon.UNUSABLE, daemon.MISSING_RIGHT, daemon.ALREADY_RUNNING, daemon.NO_DAEMON):
        assert f"\n| {code} | " in text
    for file in vars(StateFolder(tmp_path)).values():
        assert file == tmp_path or f"\n| `{file.name}` | " in text
