"""When is a backend up, and when down: tries make checks, checks in a row make a state. Pure."""

from dataclasses import dataclass, replace

from mooring_node.checks.config import CheckConfig


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one target stands. `tries` of the check under way have failed; `row` checks were against `up`.

    `known` is False until a check has decided; up to then `up` is what the caller said.
    """

    up: bool
    known: bool = False
    tries: int = 0
    row: int = 0

    @property
    def retrying(self) -> bool:
        """Whether the check goes on with another try."""
        return self.tries > 0


def tried(standing: Standing, check: CheckConfig, good: bool) -> Standing:
    """The standing after one more try. A failed one that leaves tries `retrying` decides nothing yet."""
    if not good and standing.tries < check.retries:
        return replace(standing, tries=standing.tries + 1)
    if good is standing.up:
        settled = standing.known and not standing.tries and not standing.row
        return standing if settled else Standing(good, known=True)
    row = standing.row + 1
    if row >= (check.rise if good else check.fall):
        return Standing(good, known=True)
    return Standing(standing.up, standing.known, row=row)


def forgotten(standing: Standing) -> Standing:
    """The same state with nothing counted for or against it: after a pause."""
    return Standing(standing.up, standing.known)
