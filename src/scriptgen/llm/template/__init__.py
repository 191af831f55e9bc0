"""The template writer: scripts and edits from phrase banks, without any model. Knows nothing of prompts."""
