"""趵突 Baotu: an open industrial internet platform in one install."""

__version__ = "0.1.0"
