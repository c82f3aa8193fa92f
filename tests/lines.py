"""A log that a test reads."""

from mooring_node.log import Log, Subject


class Lines(Log):
    """Keeps what the daemon would have said, with its level."""

    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.lines: list[str] = []

    def write(self, level: str, message: str, about: Subject | None = None) -> None:
        self.lines.append(f"{level} {about.text if about else ''}{message}")

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)
