"""Tasks of the agent's loop, at its end."""

import asyncio

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
