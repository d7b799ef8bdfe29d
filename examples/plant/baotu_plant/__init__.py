"""The demo plant: a small foundry whose controllers really speak their protocols.

It is a counterpart, not a part of the platform: it imports nothing of `baotu`, so what the
platform reads from it has gone over a wire. `python -m baotu_plant --help` tells how to start it.
"""
