"""The `scriptgen` command: one module a group of commands, each imported only when it is used."""

from __future__ import annotations

from .commands import main

__all__ = ["main"]
