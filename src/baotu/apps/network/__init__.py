"""Apps of the network wing."""
