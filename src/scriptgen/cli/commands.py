"""The command line as a table of commands: what each takes and which function it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

DEFAULT_TARGET = "127.0.0.1:50051"

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 for success, 1 for a failed call, 2 for wrong use or settings."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scriptgen", description="直播带货话术生成服务")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)

    _add(groups, "serve", _serve, "run the server; settings come from the environment")
    _add(groups, "config", _config, "print the effective settings, secrets masked")
    _add(groups, "demo", _demo, "start a server, stream two scripts, show their review, stop")

    chat = _add(groups, "chat", _chat, "talk to a server: stream scripts, follow up")
    _client_options(chat)
    _session_options(chat)

    generate = _add(groups, "generate", _generate, "one query, streamed")
    _client_options(generate)
    _session_options(generate)
    generate.add_argument("--session", default="", help="go on in this session instead of opening one")
    generate.add_argument("--request-id", default="", help="makes the call idempotent")
    generate.add_argument("query")

    review = _add(groups, "review", _review, "review a text (argument, or standard input)")
    _client_options(review)
    review.add_argument("--category", default="", help="whose additional rules apply")
    review.add_argument("text", nargs="?", default="")

    status = _add(groups, "status", _status, "how the parts of a server are")
    _client_options(status)

    keys = groups.add_parser("keys", help="API keys in API_KEYS_FILE").add_subparsers(required=True)
    create = _add(keys, "create", _keys_create, "make a key; it is printed once, alone on the last line")
    create.add_argument("--tenant", required=True)
    create.add_argument("--role", default="")
    create.add_argument("--environment", default="live", help="the word in the key's prefix (default: live)")
    create.add_argument("--expires-days", type=float, default=0, help="0: never")
    create.add_argument("--category", action="append", default=[], help="allow only these (repeatable)")
    create.add_argument("--skill", action="append", default=[], help="allow only these (repeatable)")
    create.add_argument("--qps", type=float)
    create.add_argument("--tokens-per-minute", type=int)
    create.add_argument("--concurrent", type=int)
    listing = _add(keys, "list", _keys_list, "list keys, never secrets")
    revoke = _add(keys, "revoke", _keys_revoke, "revoke a key")
    revoke.add_argument("key_id")
    for one in (create, listing, revoke):
        one.add_argument("--file", default="", help="default: API_KEYS_FILE")

    checkpoints = groups.add_parser("checkpoints", help="the log of a session").add_subparsers(required=True)
    for name, function, text in (
        ("list", _checkpoints_list, "records, newest first"),
        ("show", _checkpoints_show, "one record with its state"),
        ("verify", _checkpoints_verify, "walk the checksum chain; exit code 1 when it is broken"),
        ("export", _checkpoints_export, "delivered scripts with their compliance records, as JSON Lines"),
    ):
        one = _add(checkpoints, name, function, text)
        _client_options(one)
        one.add_argument("session")
        if name == "show":
            one.add_argument("version", type=int, nargs="?", default=0, help="default: the newest")
    return parser


def _add(
    groups: argparse._SubParsersAction[argparse.ArgumentParser], name: str, command: Command, text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = groups.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    return parser


def _client_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", default=DEFAULT_TARGET, help=f"server address (default: {DEFAULT_TARGET})"
    )
    parser.add_argument("--tenant", default="", help="x-tenant-id (development servers)")
    parser.add_argument("--user", default="", help="x-user-id")
    parser.add_argument("--api-key", default="", help="x-api-key")
    parser.add_argument("--token", default="", help="bearer token (JWT)")
    parser.add_argument("--ca", default="", help="PEM file of the server's authority: use TLS")
    parser.add_argument("--cert", default="", help="PEM file of our own certificate (mTLS)")
    parser.add_argument("--key", default="", help="PEM file of its private key")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds for a call (default: 180)")


def _session_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--influencer", default="", help="stage name")
    parser.add_argument("--catchphrase", action="append", default=[], help="repeatable")
    parser.add_argument("--category", default="", help="美妆, 食品 …")
    parser.add_argument("--product", default="", help="product name")
    parser.add_argument("--price", default="")
    parser.add_argument("--point", action="append", default=[], help="selling point (repeatable)")


def _serve(_: argparse.Namespace) -> int:
    from .serving import serve

    return serve()


def _config(_: argparse.Namespace) -> int:
    from .serving import config

    return config()


def _demo(_: argparse.Namespace) -> int:
    from .demo import demo

    return demo()


def _chat(arguments: argparse.Namespace) -> int:
    from .talking import chat

    return chat(arguments)


def _generate(arguments: argparse.Namespace) -> int:
    from .talking import generate

    return generate(arguments)


def _review(arguments: argparse.Namespace) -> int:
    from .asking import review

    if not arguments.text:
        arguments.text = sys.stdin.read()
    return review(arguments)


def _status(arguments: argparse.Namespace) -> int:
    from .asking import status

    return status(arguments)


def _keys_create(arguments: argparse.Namespace) -> int:
    from .keys import create

    return create(arguments)


def _keys_list(arguments: argparse.Namespace) -> int:
    from .keys import list_keys

    return list_keys(arguments)


def _keys_revoke(arguments: argparse.Namespace) -> int:
    from .keys import revoke

    return revoke(arguments)


def _checkpoints_list(arguments: argparse.Namespace) -> int:
    from .log_reading import list_checkpoints

    return list_checkpoints(arguments)


def _checkpoints_show(arguments: argparse.Namespace) -> int:
    from .log_reading import show_checkpoint

    return show_checkpoint(arguments)


def _checkpoints_verify(arguments: argparse.Namespace) -> int:
    from .log_reading import verify_checkpoints

    return verify_checkpoints(arguments)


def _checkpoints_export(arguments: argparse.Namespace) -> int:
    from .log_reading import export_checkpoints

    return export_checkpoints(arguments)
