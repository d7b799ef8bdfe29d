"""How samples travel between nodes: frames, the store-and-forward log, the acknowledged link."""
