"""Two instances behind one Redis, for every test here that asks for them."""

from tests.faults.two_instances import servers, upstream, valkey

__all__ = ["servers", "upstream", "valkey"]
