"""Our checks as a process of their own: `python -m benchmarks.checks.ours PORT TARGETS INTERVAL_MS`. Until SIGTERM."""

import asyncio
import gc
import signal
import sys

from benchmarks.checks.load import address

from mooring_node.checks.config import CheckConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner


async def check(port: int, targets: int, interval_ms: int) -> None:
    """Check them until SIGTERM."""
    interval_ns = interval_ms * 1_000_000
    config = CheckConfig(
        TCPProbe(),
        interval_ns=interval_ns,
        interval_down_ns=interval_ns,
        timeout_ns=interval_ns,
        retries=0,
        warmup_ns=interval_ns,
    )
    runner = Runner(lambda *_: None)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.stop)
    runner.set_targets([Target(config, address(number), port) for number in range(targets)])
    gc.collect()
    gc.freeze()
    await runner.run()


if __name__ == "__main__":
    asyncio.run(check(*map(int, sys.argv[1:4])))
