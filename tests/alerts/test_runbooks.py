"""Each alert has its page, each page its alert, and a page has what is wanted at three in the morning."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "runbooks"
RULES = yaml.safe_load((ROOT / "charts" / "mooring" / "files" / "alerts.yaml").read_text(encoding="utf-8"))
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md") if path.name != "README.md"}


def test_alerts_and_pages_are_the_same() -> None:
    assert PAGES.keys() == ALERTS.keys()


def test_the_index_names_each_once_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((name, name, rule["labels"]["severity"]) for name, rule in ALERTS.items())


@pytest.mark.parametrize("name", ALERTS)
def test_a_page_is_whole(name: str) -> None:
    text, rule = PAGES[name], ALERTS[name]
    assert text.startswith(f"# {name}\n\n**{rule['labels']['severity']}**, fires after: ")
    head = text.splitlines()[2]
    wait = rule.get("for")
    if wait is None:
        assert "over " in head or "at once" in head
    else:
        amount, unit = int(wait[:-1]), {"m": "minute", "h": "hour"}[wait[-1]]
        assert head.endswith(f"fires after: {amount} {unit}{'s' if amount > 1 else ''}.")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What it means", "Look", "Mend", "Silence it"]
    assert "**Who is hit:** " in text
    commands = re.findall(r"^```console\n\$ (.*)\n```\n\n(.*)$", text, re.MULTILINE)
    assert commands, "something to type"
    assert all(expected for _, expected in commands), "and what it shows"
    assert re.search(r"^1\. ", text, re.MULTILINE)
