"""The intent agent: what an operator wants, about which product, script and person."""

from .agent import IntentAgent

__all__ = ["IntentAgent"]
