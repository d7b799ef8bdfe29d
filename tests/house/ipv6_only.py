"""Starts the demo where there is nothing but ::1 and tells as JSON what came up.

Run by `test_ipv6_only.py` inside a network namespace of its own.
"""

import json
import sys
from pathlib import Path

from tests.house.test_demo import Demo


def main(folder: Path) -> None:
    demo, seen = Demo(folder), set[str]()

    def everybody() -> bool:
        seen.update(demo.up("device") | demo.up("server"))  # a busy machine may lose one again
        return len(seen) >= 11

    try:
        demo.wait("nine devices and two servers up", everybody, deadline_s=180)
        samples = demo.get("/api/health")["history"]["samples"]
    finally:
        status = demo.end()
    told = {"address": demo.address, "up": sorted(seen), "samples": samples, "status": status}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
