"""Industrial apps in three wings: network, manufacturing, security. Each sees the SDK alone."""
