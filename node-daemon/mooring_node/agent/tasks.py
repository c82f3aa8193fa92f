"""Tasks and programs of the agent's loop, at their end."""

import asyncio
import os
import signal

from mooring_node.log import Log


async def end(task: asyncio.Task[None] | None, log: Log, failure: str) -> None:
    """Cancel it and wait for its end. Never raises: what comes after it at the agent's end must come.

    `failure` is what the log calls it when it did not end well.
    """
    if task is None:
        return
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    except Exception as error:  # noqa: BLE001 - see above
        log.write("warning", f"{failure}: {type(error).__name__}: {error}")


def kill(process: asyncio.subprocess.Process) -> None:
    """End a program at once, if it runs.

    Not by its own `kill`, which collects one that has just ended: asyncio, which waits for it, would find none and say
    so in the log (SIGTERM to all processes ends both).
    """
    try:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(process.pid, signal.SIGKILL)
    except (ChildProcessError, ProcessLookupError):
        return  # asyncio has collected it already, and will say so soon
