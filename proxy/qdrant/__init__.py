"""What Qdrant's frontend, its backend and the local server share: its words for failures, for settings and for old searches."""
