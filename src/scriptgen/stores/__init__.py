"""Where state lasts: protocols, and their memory, SQLite and Redis backends.

Every backend has one object that its three stores share; closing any of the stores closes that object, so
close them all at the end. `append(session=…)` and `open_session` work across stores of one such object.

    retention = Retention(max_turns=500, max_checkpoints=500, ttl_seconds=0, max_sessions=100_000)

    backend = MemoryState(retention)
    MemorySessionStore(backend), MemoryCheckpointStore(backend), MemoryProfileStore(backend)

    backend = await SqliteDatabase.open(path, retention, synchronous="FULL")    # creates and migrates
    SqliteSessionStore(backend), SqliteCheckpointStore(backend), SqliteProfileStore(backend)

    backend = RedisBackend(connect(url), retention, prefix="sg")                # connects when first used
    RedisSessionStore(backend), RedisCheckpointStore(backend), RedisProfileStore(backend)

Where sessions lie in another backend than the log: `XCheckpointStore(backend, commits_sessions=False)`.
`opener_for(sessions, checkpoints)` gives the shortest way to read both.
"""
