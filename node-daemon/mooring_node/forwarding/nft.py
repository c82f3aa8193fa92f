"""The program `nft` (shell): applies rules in one transaction, and lists what a set counted."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from mooring_node.forwarding.guard import COUNTED
from mooring_node.forwarding.rules import TABLE

TIME_LIMIT_S = 15.0
#: What nft says is for people; a rule that it quotes may be long.
WORDS = 600


@dataclass(frozen=True, slots=True)
class NftFailed:
    """`missing`: there is no such program. `words`: what it said."""

    words: str
    missing: bool = False


async def apply(rules: str, program: str = "nft") -> NftFailed | None:
    """Apply a transaction, whole or not at all; None when it is done."""
    done = await _run(program, ("-f", "-"), rules)
    return done if isinstance(done, NftFailed) else None


async def counted(program: str = "nft") -> Mapping[tuple[str, str], tuple[int, int]] | NftFailed:
    """Packets and bytes that the port guard has counted, by kind of set ("refused", "watched") and address."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    done = await _run(program, ("-j", "list", "table", "inet", TABLE), "")
    if isinstance(done, NftFailed):
        return done
    try:
        for each in json.loads(done)["nftables"]:
            if each.get("set", {}).get("name") in COUNTED:
                found.update(_elements(each["set"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return NftFailed(f"its list cannot be read: {error!r}")
    return found


def _elements(listed: Mapping[str, object]) -> Mapping[tuple[str, str], tuple[int, int]]:
    elements = listed.get("elem", [])
    assert isinstance(elements, list)
    kind = str(listed["name"])[:-1]
    return {
        (kind, each["elem"]["val"]): (each["elem"]["counter"]["packets"], each["elem"]["counter"]["bytes"])
        for each in elements
    }


async def _run(program: str, arguments: tuple[str, ...], text: str) -> str | NftFailed:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError:
        return NftFailed("there is no such program", missing=True)
    except OSError as error:
        return NftFailed(str(error))
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            out, words = await process.communicate(text.encode())
    except TimeoutError:
        return NftFailed(f"it was not done after {TIME_LIMIT_S:.0f} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(words.decode(errors="replace").split())
        return NftFailed(said[:WORDS] or f"it ended with {process.returncode}")
    return out.decode(errors="replace")
