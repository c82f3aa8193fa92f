"""What README and the tutorial tell a reader to type, typed: every command in order, and what it shows."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring_lab import rights
from mooring_lab.lab import remove
from mooring_lab.store import Store

pytestmark = pytest.mark.netns

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What only looks may be asked again until it shows what the page says.
LOOKS = ("kubectl get", "kubectl describe", "mooring lab status")
SOON_S = 60.0


@dataclass(frozen=True)
class Step:
    """A command of a page and the lines that it is said to print."""

    command: str
    shown: tuple[str, ...]


def steps(page: Path) -> tuple[Step, ...]:
    found: list[Step] = []
    for block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:], ()))
            elif line.strip():
                found[-1] = Step(found[-1].command, (*found[-1].shown, line))
    return tuple(found)


def pattern(shown: tuple[str, ...]) -> re.Pattern[str]:
    """`...` stands for anything, alone on a line for any lines; any blanks for any blanks."""
    lines = []
    for line in shown:
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("...")]
            lines.append(r"[ \t]*" + r"[^\n]*".join(parts).replace(r"\s+", r"[ \t]+") + r"[^\n]*\n")
    return re.compile("".join(lines))


class Shell:
    """A shell that keeps its variables from one command to the next, as a person's does."""

    def __init__(self) -> None:
        kept = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=ROOT,
            env=kept,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        assert self._process.stdin
        assert self._process.stdout
        mark = "--this-command-has-ended--"
        self._process.stdin.write(f"{command} </dev/null\necho {mark} $?\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.startswith(mark):
                return int(line.split()[-1]), "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended in the middle of: {command}")

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture
def shell() -> Iterator[Shell]:
    """In a machine without a lab of the default name; one that a walk leaves is removed."""
    rights.require()
    if Store("default").exists():
        pytest.fail("a lab called default is up; remove it with: mooring lab down")
    opened = Shell()
    yield opened
    opened.close()
    remove("default")


def follow(shell: Shell, step: Step) -> None:
    """Type it; what only looks is asked again until it shows what the page shows."""
    expected = pattern(step.shown)
    deadline = time.monotonic() + SOON_S
    while True:
        code, output = shell.run(step.command)
        good = expected.search(output) is not None and (code == 0 or step.command.startswith("mooring lab status"))
        if good:
            return
        if not step.command.startswith(LOOKS) or time.monotonic() > deadline:
            pytest.fail(f"$ {step.command}\n{output}\n(exit code {code}; the page shows)\n" + "\n".join(step.shown))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_every_command_of_the_page_works_as_shown(shell: Shell, page: str) -> None:
    walked = steps(ROOT / page)
    assert len(walked) >= 8
    for step in walked:
        follow(shell, step)


def test_a_page_is_read_as_a_person_reads_it() -> None:
    assert pattern(("NAME   STATUS", "lb-1   Ready ...")).search("NAME STATUS   AGE\nlb-1    Ready    <none>  3s\n")
    assert not pattern(("lb-1   Ready ...",)).search("lb-1   NotReady   3s\n")
    assert pattern(("...", "b")).search("a\nx\n  b\n")
    assert not pattern(("web    11   lb-2(11)   ...",)).search("web 11 lb-1(6) lb-2(5) True\n")
