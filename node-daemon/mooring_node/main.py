"""`mooring-node`: the door. A probe, which kubelet starts again and again, must not import what the others need."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code (see `mooring_node.commands`)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["probe"]:
        from mooring_node.probe import probe

        code = probe(given[1:])
        if code is not None:
            return code
    from mooring_node.commands import run_command

    return run_command(given)


if __name__ == "__main__":
    sys.exit(main())
