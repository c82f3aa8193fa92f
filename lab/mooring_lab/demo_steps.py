"""What demos have in common: commands as a person types them, and claims, each of which was seen or not."""

from dataclasses import dataclass, field

from mooring_lab.demo_view import View
from mooring_lab.lab import Lab
from mooring_lab.rights import LabError


@dataclass(slots=True)
class Steps:
    """A demo on a lab with an API server. `failed` holds the claims that were not seen."""

    lab: Lab
    view: View
    failed: list[str] = field(default_factory=list, kw_only=True)

    def kubectl(self, *words: str) -> str:
        """Run it as a person would, show it, and return what it prints; LabError when it fails."""
        self.view.typed(f"kubectl {' '.join(words)}")
        done = self.lab.cluster.kubectl(*words)
        self.view.printed(done.stdout + done.stderr)
        if done.returncode:
            raise LabError(f"kubectl {words[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def claim(self, text: str, seen: bool) -> None:
        """Say that something is so, and whether it was seen."""
        self.view.claim(text, seen)
        if not seen:
            self.failed.append(text)

    def verdict(self) -> bool:
        """The last line; whether everything was seen."""
        self.view.say("")
        if self.failed:
            self.view.say(f"[bold red]{len(self.failed)} claims were not seen.[/]")
        else:
            self.view.say("[bold green]Everything that was claimed was seen.[/]")
        return not self.failed
