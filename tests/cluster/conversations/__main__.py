"""`python -m tests.cluster.conversations [NAME...]`: record what the real server says in conversations.

With `kinds` among the names, the embedded server's builtin.json is written anew, too.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.cluster import conversations
from tests.cluster.conversations import kinds

from mooring_lab.api.commands import certificates
from mooring_lab.api.real import RealApi


def main(names: list[str]) -> None:
    """Start a real server, hold the conversations, and write down the replies."""
    with tempfile.TemporaryDirectory() as folder:
        api = RealApi(Path(folder) / "api")
        api.start()
        try:
            send = conversations.over_tls(api.url, api.ca, certificates(api.folder).admin)
            if "kinds" in names:
                kinds.write(kinds.extract(send))
                names.remove("kinds")
            conversations.install(send)
            for name in names or conversations.names():
                replies = conversations.hold(name, send)
                conversations.recorded(name).write_text(json.dumps(replies, indent=1, ensure_ascii=False) + "\n")
                print(f"{name}: {len(replies)} replies")
        finally:
            api.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
