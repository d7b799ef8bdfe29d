"""The HTTP API: what the pages stand on, and every other program too."""
