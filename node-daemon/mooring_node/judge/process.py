"""The judge's process: a question on each line of its input, an answer on each line of its output (shell).

It ends with its input, which is the agent's, and with the agent; also where nobody has asked for a while, or where a
question takes too long: an agent that could not keep hold of it has no other way to be rid of it.
"""

import signal
import sys

from mooring_node.judge.judging import judge
from mooring_node.judge.messages import from_line, to_answer
from mooring_node.kernel.process import die_with_parent, no_core_dumps, set_name

#: More than the agent waits for an answer, and than it keeps one that has nothing to do.
LIFE_S = 90


def main() -> None:
    """Answer until nobody asks any more."""
    die_with_parent(signal.SIGKILL)
    set_name("mooring-judge")
    no_core_dumps()
    signal.alarm(LIFE_S)
    for line in sys.stdin.buffer:
        signal.alarm(LIFE_S)
        sys.stdout.buffer.write(to_answer(judge(from_line(line))))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
