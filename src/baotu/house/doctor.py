"""`baotu doctor`: looks at an installation and says what is wrong and what to do. Changes nothing."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import msgspec

from baotu.kernel.registry import Registry
from baotu.kernel.sandbox.port import Gone
from baotu.records import FILE, look, plainly
from baotu.sdk import ConfigError, Unreachable
from baotu.trust.sandbox import Launcher
from baotu.trust.sandbox.launcher import LEAST
from baotu.trust.secrets import Scrubber

from .control import ask
from .file import HouseConfig, examine
from .finding import Finding
from .linkcheck import links
from .settings import address
from .vault import resolver_of

MIN_FREE_MB, MIN_FILES, SLOW_SYNC_S = 1024, 1024, 0.05


def examine_house(path: Path) -> Iterator[Finding]:
    """Everything that can be seen from outside, the cheap looks first."""
    yield _python()
    yield from _packages()
    yield _ipv6()
    yield _files()
    yield from _plugins()
    config, problems = examine(path)
    for problem in problems:
        yield Finding(
            state="bad", about="配置 Configuration", found=str(problem), advice=problem.hint
        )
    if config is None:
        return
    yield Finding(
        state="good",
        about="配置 Configuration",
        found=f"{path}: {len(config.devices)} devices, {sum(len(d.tags) for d in config.devices)} tags",
    )
    for warning in config.warnings:
        yield Finding(
            state="warning", about="位号文件 Tag file", found=str(warning), advice="correct the row"
        )
    yield from _data(config.basics.node.data)
    if config.basics.node.role != "edge":
        yield from _records(config)
    yield from links(config.basics)
    yield from _running(config)


def _python() -> Finding:
    fine = sys.version_info >= (3, 11)
    return Finding(
        state="good" if fine else "bad",
        about="Python",
        found=sys.version.split()[0],
        advice="" if fine else "install Python 3.11 or newer",
    )


def _packages() -> Iterator[Finding]:
    """Lower bounds of our own requirements against what is installed."""
    for line in requires("baotu") or ():
        requirement, _, marker = line.partition(";")
        if "extra ==" in marker or ">=" not in requirement:
            continue
        name, _, bound = requirement.partition(">=")
        name = name.split("[")[0].strip()
        try:
            have = version(name)
        except PackageNotFoundError:
            yield Finding(
                state="bad",
                about="软件包 Package",
                found=f"{name} is missing",
                advice="pip install --upgrade baotu",
            )
            continue
        if _parts(have) < _parts(bound):
            yield Finding(
                state="bad",
                about="软件包 Package",
                found=f"{name} {have} is older than {bound}",
                advice=f"pip install --upgrade {name}",
            )


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.strip().split(".")[:3] if part.isdigit())


def _ipv6() -> Finding:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        return Finding(
            state="bad",
            about="IPv6",
            found=f"::1 cannot be used: {error}",
            advice="sysctl net.ipv6.conf.lo.disable_ipv6=0, or another listen address",
        )
    return Finding(state="good", about="IPv6", found="::1 can be used")


def _files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fine = soft >= MIN_FILES
    return Finding(
        state="good" if fine else "warning",
        about="打开文件数 Open files",
        found=str(soft),
        advice="" if fine else f"ulimit -n {MIN_FILES}, or LimitNOFILE= of the service",
    )


def _plugins() -> Iterator[Finding]:
    registry = Registry()
    for name in registry.drivers():
        try:
            registry.driver(name)
        except ConfigError as error:
            yield Finding(state="bad", about="驱动 Driver", found=error.why, advice=error.hint)
    try:
        apps = registry.apps()
        yield Finding(
            state="good",
            about="插件 Plugins",
            found=f"{len(registry.drivers())} drivers, {len(apps)} apps",
        )
    except ConfigError as error:
        yield Finding(state="bad", about="应用 App", found=error.why, advice=error.hint)
    yield _confinement()


def _confinement() -> Finding:
    """What would confine a third-party app here: tried with a process that does nothing."""
    about, launcher = "应用隔离 Confinement of apps", Launcher()
    try:
        confined = launcher.confined()
    except Gone as gone:
        return Finding(state="warning", about=about, found=str(gone), advice=LEAST)
    finally:
        launcher.stop()
    if not confined:
        return Finding(
            state="warning",
            about=about,
            found="third-party apps cannot be confined on this machine and do not run",
            advice=LEAST,
        )
    advice = ""
    if not any(word.startswith("namespaces") for word in confined):
        advice = "sysctl user.max_user_namespaces: then apps get a file system of their own"
    return Finding(state="good", about=about, found=", ".join(confined), advice=advice)


def _data(folder: Path) -> Iterator[Finding]:
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        yield Finding(
            state="bad",
            about="数据文件夹 Data folder",
            found=f"{place} cannot be written",
            advice="give this user the right to write, or change [node] data",
        )
        return
    free = shutil.disk_usage(place).free >> 20
    yield Finding(
        state="good" if free >= MIN_FREE_MB else "bad",
        about="磁盘 Disk",
        found=f"{free} MB free at {place}",
        advice="" if free >= MIN_FREE_MB else "free some space, or set [history] raw_days",
    )
    probe = place / ".baotu-doctor"
    began = time.monotonic()
    try:
        fd = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(fd, b"\0" * 4096)
            os.fdatasync(fd)
        finally:
            os.close(fd)
            probe.unlink()
    except OSError as error:
        yield Finding(
            state="bad",
            about="磁盘 Disk",
            found=f"cannot write: {error}",
            advice="look at the file system",
        )
        return
    took = time.monotonic() - began
    yield Finding(
        state="good" if took < SLOW_SYNC_S else "warning",
        about="落盘 Sync to disk",
        found=f"{took * 1000:.1f} ms",
        advice="" if took < SLOW_SYNC_S else "a slow disk makes every commit slow: use an SSD",
    )


def _records(config: HouseConfig) -> Iterator[Finding]:
    """The embedded file, or what the PostgreSQL server says of itself."""
    about, settings = "记录 Records", config.basics.records
    file = config.basics.node.data / FILE
    if not settings.url:
        yield Finding(state="good", about=about, found=f"embedded SQLite, {file}")
        return
    if file.exists():
        yield Finding(
            state="warning",
            about=about,
            found=f"{file} is of before: what is agreed is now in {plainly(settings.url)}",
            advice="move it away once you no longer need it, or take [records] url out",
        )
    try:
        told = look(resolver_of(config, Scrubber()).settings(settings, "[records]"))
    except (ConfigError, Unreachable) as error:
        hint = getattr(error, "hint", "")
        why = getattr(error, "why", "") or str(error)
        yield Finding(state="bad", about=about, found=why, advice=hint)
        return
    for wrong, found, advice in (
        (told["may_create"] != "true", "this user may not make tables", "GRANT CREATE ON SCHEMA"),
        (told["encoding"] != "utf8", f"encoding {told['encoding']}", "createdb -E UTF8"),
        (told["fsync"] != "on", "a power cut may lose what was answered", "fsync = on"),
    ):
        if wrong:
            yield Finding(state="bad", about=about, found=found, advice=advice)
    yield Finding(
        state="good",
        about=about,
        found=f"PostgreSQL {told['version']} at {plainly(settings.url)}: "
        f"{int(told['bytes']) / 1e6:.1f} MB, answers in {told['ms']} ms",
    )


def _running(config: HouseConfig) -> Iterator[Finding]:
    """Is a node at work at this address, is it ours, and how does it fare?"""
    host, port = address(config.basics.console.listen)
    shown = f"[{host}]" if ":" in host else host
    try:
        with _opened(config, f"{shown}:{port}/api/health") as answer:
            health = msgspec.json.decode(answer.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        yield Finding(
            state="bad",
            about="地址 Address",
            found=f"port {port} answers {error.code}: it is not Baotu",
            advice="choose another [console] listen",
        )
        return
    except (OSError, HTTPException, msgspec.MsgspecError) as error:
        busy = _busy(host, port)
        yield Finding(
            state="bad" if busy else "good",
            about="运行 Running",
            found=f"port {port} is taken by another program"
            if busy
            else f"no node at {shown}:{port} ({type(error).__name__})",
            advice="choose another [console] listen" if busy else "",
        )
        return
    yield from _parts_unwell(config.basics.node.data)
    yield Finding(
        state="good",
        about="运行 Running",
        found=f"a node answers at {shown}:{port}: {health.get('status', 'no word of its state')}",
    )


def _opened(config: HouseConfig, place: str) -> Any:
    """Whoever answers; with TLS, whoever has our own certificate, by whatever name we came."""
    certificate = config.basics.console.certificate_file
    if not certificate:
        return urllib.request.urlopen(f"http://{place}", timeout=3)
    own = ssl.create_default_context(cafile=certificate)
    own.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is what we trust
    own.check_hostname = False
    return urllib.request.urlopen(f"https://{place}", timeout=3, context=own)


def _parts_unwell(folder: Path) -> Iterator[Finding]:
    """Devices, servers, links and rooms of the running node that do not fare well. It is asked
    by its control socket, which only its user may open: the console would ask who we are."""
    try:
        parts = ask(folder, "status", 3.0)["down"]
    except (Unreachable, RuntimeError) as error:
        yield Finding(
            state="warning",
            about="运行 Running",
            found=f"{folder} 没有回答 does not answer: {error}",
            advice="看节点的日志 see the log of the node",
        )
        return
    for part in parts:
        name, _, why = part.partition(": ")
        yield Finding(
            state="warning",
            about=name.replace("/", " ", 1),
            found=why or "down",
            advice="看页面「边缘与驱动」 see the page Edges & drivers",
        )


def _busy(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
