"""Apps of the manufacturing wing."""
