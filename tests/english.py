"""The English half of a refusal, with its place before it, as a line to compare."""

from baotu.sdk import ConfigError
from baotu.sdk.messages import halves


def english(error: ConfigError) -> str:
    """`plant.toml:3: device.1: unknown key 'x' (did you mean y?)`."""
    why, hint = halves(error.why)[1], halves(error.hint)[1]
    return ": ".join(p for p in (error.where, why) if p) + (f" ({hint})" if hint else "")
