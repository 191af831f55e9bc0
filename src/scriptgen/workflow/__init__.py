"""One workflow, two runners: stages, what lasts between them, and the ways in for requests."""
