"""The physics of the plant, vectorised over machines of a type; times are compressed for a demo.

Every module has a class with `step(dt, …)`: dt in seconds, arrays of one value for each machine.
Nothing here knows a protocol, a clock or a file.
"""
