"""Policy: who may do what, decided by Cedar policies; organisations and what they share."""

from .engine import CedarPolicy
from .keeper import PolicyKeeper
from .organisations import Organisations
from .policies import Policies
from .settings import PolicySettings

__all__ = ["CedarPolicy", "Organisations", "Policies", "PolicyKeeper", "PolicySettings"]
