"""The vocabulary and pure rules of scriptgen: no I/O, no framework, nothing of the other rooms."""
