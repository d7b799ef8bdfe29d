"""Wiring: the only package that knows every room. Holds no knowledge of its own."""
