"""`baotu secret`, `baotu backup` and `baotu restore`: words and options, as in `cli`."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from baotu.cli_common import NODE, Config, Data, guarded
from baotu.sdk.errors import Invalid

secret = typer.Typer(
    no_args_is_help=True, help="密钥库：只显示名称 Secrets by name; values are never shown."
)
Name = Annotated[str, typer.Argument(help="名称 Name, e.g. mqtt-line1")]
PhraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="存放恢复口令的文件 File with the recovery passphrase"),
]


@secret.command("set")
def secret_set(name: Name, config: Config = NODE, data: Data = None) -> None:
    """保存一个值：提示输入，或从标准输入读 Keep a value: asked for, or read from standard input."""

    def work() -> None:
        from baotu.house.vault import secrets

        version = secrets(config, data, "set", name=name, value=_value(name))
        typer.echo(f'已保存 kept: {name}, 版本 version {version}; 在配置里写 write "secret:{name}"')

    guarded(work)


@secret.command("list")
def secret_list(config: Config = NODE, data: Data = None) -> None:
    """列出名称 List the names."""

    def work() -> None:
        from baotu.house.vault import secrets

        for row in secrets(config, data, "names"):
            typer.echo(f"{row['name']}  v{row['version']}  {row['set_at']}  {row['set_by']}")

    guarded(work)


@secret.command("remove")
def secret_remove(name: Name, config: Config = NODE, data: Data = None) -> None:
    """删除一个密钥 Remove a secret."""

    def work() -> None:
        from baotu.house.vault import secrets

        secrets(config, data, "remove", name=name)
        typer.echo(f"已删除 removed: {name}")

    guarded(work)


@secret.command("rotate")
def secret_rotate(config: Config = NODE, data: Data = None) -> None:
    """更换打开密钥库的主密钥，不停机 Change the key that opens the store, without a stop."""

    def work() -> None:
        from baotu.house.vault import secrets

        count = secrets(config, data, "rotate")
        typer.echo(f"新主密钥已启用 the new key is in use: {count}")

    guarded(work)


def backup(
    to: Annotated[
        Path | None,
        typer.Argument(
            help="备份库文件夹，默认取配置 Folder of the backups, the configuration's by default"
        ),
    ] = None,
    phrase: PhraseFile = None,
    config: Config = NODE,
    data: Data = None,
) -> None:
    """备份节点，运行时也可以；只写入变化的部分 Back a node up, also while it runs; only what changed is written."""

    def work() -> None:
        from baotu.house.offline import backup as back_up

        typer.echo(back_up(config, data, to, lambda: _phrase(phrase, new=True)))

    guarded(work)


def restore(
    store: Annotated[Path, typer.Argument(help="备份库文件夹 Folder of the backups")],
    into: Annotated[
        Path | None, typer.Argument(help="新文件夹，空为只验证 New folder; none: only prove")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="验证每个字节并打开恢复的节点 Prove every byte and open the restored node",
        ),
    ] = False,
    run: Annotated[
        int, typer.Option("--run", help="第几次，0 为最新 Which run, 0 for the newest")
    ] = 0,
    least: Annotated[
        int,
        typer.Option(
            "--at-least",
            help="记得的最新一次，可发现回滚 Newest run you remember: finds a roll-back",
        ),
    ] = 0,
    phrase: PhraseFile = None,
) -> None:
    """从备份恢复到新文件夹，或只验证 Restore a backup into a new folder, or only prove it."""

    def work() -> None:
        from baotu.house.offline import bring_back

        word = _phrase(phrase, new=False)
        for line in bring_back(store, into, word, verify or into is None, run, least):
            typer.echo(line)

    guarded(work)


def _phrase(file: Path | None, new: bool) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    if not sys.stdin.isatty():
        raise Invalid("passphrase", "用 --passphrase-file 给出 give it by --passphrase-file")
    phrase = getpass.getpass("恢复口令 recovery passphrase: ")
    if new and getpass.getpass("再次输入 again: ") != phrase:
        raise Invalid("passphrase", "两次输入不同 the two are not the same")
    return phrase


def _value(name: str) -> str:
    """Never from the arguments: everyone on the machine reads those."""
    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n")
    value = getpass.getpass(f"{name}: ")
    if getpass.getpass("再次输入 again: ") != value:
        raise Invalid("value", "两次输入不同 the two are not the same")
    return value
