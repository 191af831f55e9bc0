"""Who may run now: session locks, tenant limits and cancel signals, in one process or over Redis."""
