"""Apps of the security wing."""
