"""`scriptgen keys`: make, list and revoke API keys in the key file."""

from __future__ import annotations

import argparse
import sys
import time

from scriptgen.rpc.auth.key_file import KeyFile
from scriptgen.settings import SettingsError, load_settings


def create(arguments: argparse.Namespace) -> int:
    """The key is printed once, alone on the last line; the file holds only its hash."""
    file = _file(arguments)
    if file is None:
        return 2
    lifetime = int(arguments.expires_days * 86400) or None
    try:
        plaintext, record = file.create(
            tenant=arguments.tenant,
            env=arguments.environment,
            role=arguments.role,
            expires_in_seconds=lifetime,
            allowed_categories=tuple(arguments.category),
            allowed_skills=tuple(arguments.skill),
            qps=arguments.qps,
            tokens_per_minute=arguments.tokens_per_minute,
            concurrent_generations=arguments.concurrent,
        )
    except (OSError, ValueError) as error:
        print(f"scriptgen: {error}", file=sys.stderr)
        return 2
    print(f"key {record.key_id} for tenant {record.tenant}; it is shown only now:", file=sys.stderr)
    print(plaintext)
    return 0


def list_keys(arguments: argparse.Namespace) -> int:
    file = _file(arguments)
    if file is None:
        return 2
    try:
        records = file.list()
    except (OSError, ValueError) as error:
        print(f"scriptgen: {error}", file=sys.stderr)
        return 2
    for record in records:
        state = "usable" if record.usable(time.time()) else "revoked or expired"
        print(f"{record.key_id}  {record.tenant}  {record.role or '-'}  {state}")
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    file = _file(arguments)
    if file is None:
        return 2
    try:
        record = file.revoke(arguments.key_id)
    except (OSError, ValueError, KeyError) as error:
        print(f"scriptgen: {error}", file=sys.stderr)
        return 2
    print(f"revoked {record.key_id}")
    return 0


def _file(arguments: argparse.Namespace) -> KeyFile | None:
    path, pepper = arguments.file, ""
    try:
        settings = load_settings()
        path, pepper = path or settings.api_keys_file, settings.api_key_pepper.get_secret_value()
    except SettingsError as error:
        if not path:
            print(f"scriptgen: {error}", file=sys.stderr)
            return None
    if not path:
        print("scriptgen: API_KEYS_FILE: got nothing, takes a path (or use --file)", file=sys.stderr)
        return None
    return KeyFile(path, pepper=pepper)
