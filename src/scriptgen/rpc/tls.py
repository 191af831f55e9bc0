"""Server credentials from PEM files, with client certificates when an authority is given.

Files that change are used for new connections without a restart; a pair that does not fit together is passed
over and the last good one stays.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from .auth.watched_file import CHECK_SECONDS, WatchedFile


def server_credentials(
    cert_file: str, key_file: str, client_ca_file: str = "", *, check_seconds: float = CHECK_SECONDS
) -> grpc.ServerCredentials:
    """Raises OSError or ValueError (ssl.SSLError is an OSError) when the files cannot be used at start."""
    names = [cert_file, key_file, client_ca_file] if client_ca_file else [cert_file, key_file]

    def parse(data: tuple[bytes, ...]) -> grpc.ServerCertificateConfiguration:
        # gRPC reports bad files only as failed handshakes; OpenSSL says it here, before they are used. The
        # empty password keeps it from asking the terminal for one.
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert_file, key_file, password="")
        authorities = data[2] if client_ca_file else None
        if authorities is not None:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        return grpc.ssl_server_certificate_configuration([(data[1], data[0])], authorities)

    files = WatchedFile(tuple(Path(name) for name in names), parse, check_seconds=check_seconds)
    initial = files.current()
    return grpc.dynamic_ssl_server_credentials(
        initial, files.current, require_client_authentication=bool(client_ca_file)
    )
