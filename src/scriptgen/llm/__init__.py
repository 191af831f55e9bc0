"""The path to a language model: backends, router, timers. Knows nothing of sessions or tenants."""
