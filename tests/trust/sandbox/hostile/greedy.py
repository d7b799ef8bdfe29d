"""Takes all there is: memory, processor, disk, time between calls."""

# ruff: noqa: PTH123 - it does what the system offers, not what reads well

import mmap
import os
import time

import numpy as np

from baotu.sdk import App, Samples, command, parameter, stream


class Greedy(App):
    """Takes what belongs to all. 占用一切资源。"""

    mode = parameter("", title="方式 Mode")

    @stream(asset="Pump", property="flow")
    def hear(self, samples: Samples):
        if self.mode == "loop":
            while True:
                pass
        if self.mode == "crash":
            os._exit(3)
        if self.mode == "segfault":
            import ctypes

            ctypes.string_at(1)
        yield from ()

    @command(permission="greedy.go", title="内存 Memory")
    def memory(self) -> int:
        kept = []
        while True:
            kept.append(np.ones(1 << 20))

    @command(permission="greedy.go", title="共享内存 Shared memory")
    def shared(self) -> int:
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 64 << 20))
            kept[-1].write(b"x" * (64 << 20))

    @command(permission="greedy.go", title="磁盘 Disk")
    def disk(self) -> int:
        written, number = 0, 0
        try:
            while True:
                with open(f"/tmp/{number}", "wb") as file:
                    for _ in range(64):
                        written += file.write(b"x" * 65536)
                        file.flush()
                number += 1
        except OSError:
            return written

    @command(permission="greedy.go", title="描述符 Descriptors")
    def descriptors(self) -> int:
        kept = []
        try:
            while True:
                kept.append(os.open(os.__file__, os.O_RDONLY))
        except OSError:
            return len(kept)

    @command(permission="greedy.go", title="睡 Sleep")
    def sleep(self) -> int:
        time.sleep(3600)
        return 0

    @command(permission="greedy.go", title="暗中 In secret")
    def secret(self) -> int:
        """Answers, then works on while nobody calls."""
        read = os.readv

        def spin(*given):
            until = time.monotonic() + 3600
            while time.monotonic() < until:
                pass
            return read(*given)

        os.readv = spin
        return 1
