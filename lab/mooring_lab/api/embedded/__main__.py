"""`python -m mooring_lab.api.embedded --folder=FOLDER --port=PORT`: serve until SIGTERM."""

import argparse
import asyncio
import gc
import hashlib
import signal
import ssl
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from mooring_lab.api.certificates import Certificates
from mooring_lab.api.embedded.registry import Registry
from mooring_lab.api.embedded.server import Server
from mooring_lab.api.embedded.store import Store

MOST_BYTES = 3 << 20


async def serve(folder: Path, port: int, history: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; the folder holds `pki` (Certificates) and `data` (the journal)."""
    certificates = Certificates(folder / "pki")
    store = Store(folder / "data", history)
    registry = Registry(store, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    server = Server(registry, hashlib.sha256(certificates.service_accounts.read_bytes()).digest())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
    context.load_cert_chain(certificates.server)
    context.verify_mode = ssl.CERT_OPTIONAL
    application = web.Application(client_max_size=MOST_BYTES)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    gc.collect()
    gc.freeze()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True).start()
    print("the embedded API server answers; it authorizes everybody to do everything", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()
    store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--history", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.folder, arguments.port, arguments.history))
