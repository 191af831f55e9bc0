"""The client side of a command: channel, metadata, and errors as one readable line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

Metadata = tuple[tuple[str, str], ...]


@contextmanager
def channel(arguments: argparse.Namespace) -> Iterator[grpc.Channel]:
    """A channel to `--target`, with TLS when `--ca` is given, with a certificate of our own when `--cert` is.
    Exits with code 2 when one of the files cannot be read.
    """
    if arguments.ca:
        credentials = grpc.ssl_channel_credentials(
            _read(arguments.ca), _read(arguments.key), _read(arguments.cert)
        )
        opened = grpc.secure_channel(arguments.target, credentials)
    else:
        opened = grpc.insecure_channel(arguments.target)
    with opened:
        yield opened


def _read(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        print(f"scriptgen: {path}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None


def metadata(arguments: argparse.Namespace) -> Metadata:
    pairs = (
        ("x-tenant-id", arguments.tenant),
        ("x-user-id", arguments.user),
        ("x-api-key", arguments.api_key),
        ("authorization", arguments.token and f"Bearer {arguments.token}"),
    )
    return tuple((key, value) for key, value in pairs if value)


def reporting(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Turns a failed call into one line on standard error and exit code 1."""

    @wraps(command)
    def run(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except grpc.RpcError as error:
            print(describe(error), file=sys.stderr)
            return 1

    return run


def describe(error: grpc.RpcError) -> str:
    """`CODE REASON: message`, with every invalid field."""
    call: grpc.Call = error  # type: ignore[assignment]
    reason, fields = "", ""
    status = rpc_status.from_call(call)
    for detail in status.details if status else ():
        info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = f" {info.reason}"
        elif detail.Unpack(request):
            fields = "".join(f"\n  {one.field}: {one.description}" for one in request.field_violations)
    return f"{call.code().name}{reason}: {call.details()}{fields}"
