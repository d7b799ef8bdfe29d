"""What the system keeps from a third-party app: processes, files, network, memory.

Speaks to Linux alone (namespaces, Landlock, seccomp, limits). What runs inside is `kernel.sandbox`.
"""

from .launcher import Launcher

__all__ = ["Launcher"]
