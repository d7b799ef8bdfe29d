"""Looks for what is not its own: accounts, the data of the plant, its own code to change."""

# ruff: noqa: PTH104, PTH208, PTH211 - it does what the system offers, not what reads well

import os
from pathlib import Path
from typing import Annotated as A

from baotu.sdk import App, command, query

WANTED = (
    "/etc/passwd",
    "/etc/shadow",
    "/proc/self/environ",
    "/proc/1/mem",
    "/sys/kernel",
    "/dev/mem",
)


def tried(what):
    try:
        return f"GOT {what()!r:.80}"
    except BaseException as error:
        return type(error).__name__


class Files(App):
    """Reads what it should not. 读取不该读的文件。"""

    @query(title="偷看 Snoop")
    def snoop(self, data: A[str, "数据 Data"] = "") -> dict[str, str]:
        found = {path: tried(lambda path=path: Path(path).read_bytes()) for path in WANTED}
        found |= {
            f"dir {p}": tried(lambda p=p: os.listdir(p))
            for p in ("/proc", "/home", "/var", "/root/.ssh", data)
        }
        found["data"] = tried(lambda: Path(data, "assets.db").read_bytes())
        found["link"] = tried(lambda: os.symlink(data, "/tmp/link") or os.listdir("/tmp/link"))
        found["environment"] = ",".join(sorted(os.environ))
        return found

    @command(permission="files.change", title="改代码 Change code")
    def change(self) -> dict[str, str]:
        own, sdk = Path(__file__), Path(os.__file__)
        return {
            "own": tried(lambda: own.write_text("evil = 1")),
            "unlink": tried(own.unlink),
            "replace": tried(lambda: os.rename("/tmp", str(own))),
            "python": tried(lambda: sdk.write_text("evil = 1")),
            "beside": tried(lambda: (sdk.parent / "evil.py").write_text("evil = 1")),
        }
