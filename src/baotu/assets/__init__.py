"""What exists: hierarchy by ISA-95, asset types, the tag table. Knows no value and no protocol."""

from .plant import PlantModel
from .types import BUILT_IN

__all__ = ["BUILT_IN", "PlantModel"]
