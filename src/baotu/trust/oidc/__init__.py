"""Sign-in across systems: ours for others (OpenID provider) and theirs for us (relying party)."""
