"""Keys and certificates for an API server that lives as long as a lab or a test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mooring_lab.api import NODES_VIEW
from mooring_lab.store import write_atomically

#: Members of this group may do everything (RBAC never asks about them).
ADMINISTRATORS = "system:masters"


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of one folder; `write` makes them."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def server(self) -> Path:
        """Certificate and key in one file, for 127.0.0.1, localhost, NODES_VIEW and the names given to `write`."""
        return self.folder / "server.pem"

    @property
    def admin(self) -> Path:
        """Certificate and key of a client in the group ADMINISTRATORS, in one file."""
        return self.folder / "admin.pem"

    @property
    def service_accounts(self) -> Path:
        """The private key that tokens of service accounts are signed with."""
        return self.folder / "service-accounts.pem"

    def write(self, names: Sequence[str] = ()) -> None:
        """Make all of them anew; the folder is for its owner alone."""
        self.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        authority = trustme.CA()
        write_atomically(self.ca, authority.cert_pem.bytes().decode())
        server = authority.issue_cert("127.0.0.1", "localhost", NODES_VIEW, *names)
        write_atomically(self.server, server.private_key_and_cert_chain_pem.bytes().decode(), 0o600)
        # Nobody connects to this name; but trustme makes no certificate that is valid without one.
        admin = authority.issue_cert("admin.invalid", common_name="admin", organization_name=ADMINISTRATORS)
        write_atomically(self.admin, admin.private_key_and_cert_chain_pem.bytes().decode(), 0o600)
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        write_atomically(self.service_accounts, text.decode(), 0o600)
