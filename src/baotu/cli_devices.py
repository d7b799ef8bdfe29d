"""`baotu ca …` and `baotu device …`: the authority of a node, and a device that enrols with one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

from baotu.cli_common import NODE, Config, Data, guarded

ca = typer.Typer(no_args_is_help=True, help="签发机构 The certificate authority of a node.")
device = typer.Typer(
    no_args_is_help=True, help="在设备上：注册并更新证书 On a device: enrol and renew."
)

Passphrase = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="根密钥的口令文件 File with the passphrase of the root key"
    ),
]
Root = Annotated[Path, typer.Option("--root", help="根密钥文件 File with the root's key")]
Folder = Annotated[Path, typer.Option("--folder", help="设备的文件夹 Folder of the device")]
Algorithm = Literal["p256", "ed25519"]
Kind = Annotated[Algorithm, typer.Option("--algorithm", help="密钥种类 Kind of key")]
HERE = Path("device")


@ca.command()
def init(
    root_out: Annotated[
        Path,
        typer.Option(
            "--root-out", help="根密钥写到哪里，之后收好 Where the root's key goes, to be kept away"
        ),
    ],
    algorithm: Kind = "p256",
    passphrase: Passphrase = None,
    config: Config = NODE,
    data: Data = None,
) -> None:
    """新建根与签发证书；根密钥只写进给定的文件 Make root and issuing certificate; the root's key goes to that file only."""
    from baotu.house import authority as house

    def work() -> None:
        from baotu.trust.devices import root

        folder, organisation = house.place(config, data)
        made = root.begin(
            folder, organisation, root_out, now=house.now(), algorithm=algorithm,
            password=house.password(passphrase),
        )  # fmt: skip
        typer.echo(f"根密钥 root key: {root_out}，收到别处 keep it away from this node")
        typer.echo(f"根证书 root certificate: {folder / 'root.crt'} {house.fingerprint(made)}")

    guarded(work)


@ca.command()
def renew(
    root: Root,
    algorithm: Kind = "p256",
    passphrase: Passphrase = None,
    config: Config = NODE,
    data: Data = None,
) -> None:
    """新的签发证书；旧的用到过期 A new issuing certificate; the old one stays until it expires."""
    from baotu.house import authority as house

    def work() -> None:
        from baotu.trust.devices.root import renew as again

        folder, _ = house.place(config, data)
        again(
            folder, root, now=house.now(), algorithm=algorithm, password=house.password(passphrase)
        )
        for line in house.told(folder):
            typer.echo(line)

    guarded(work)


@ca.command("root")
def make_root(
    organisation: Annotated[str, typer.Argument(help="组织 Organisation")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="密钥文件；证书在旁边 File of the key; the certificate goes beside it"
        ),
    ],
    algorithm: Kind = "p256",
    passphrase: Passphrase = None,
) -> None:
    """在离线机器上新建根 Make a root, on a machine without a network."""
    from baotu.house import authority as house

    guarded(lambda: typer.echo(house.made_root(organisation, out, algorithm, passphrase)))


@ca.command("request")
def ask(
    root: Annotated[Path, typer.Option("--root-certificate", help="根证书 The root's certificate")],
    algorithm: Kind = "p256",
    config: Config = NODE,
    data: Data = None,
) -> None:
    """在节点上：为签发证书写请求 On the node: write the request for an issuing certificate."""
    from baotu.house import authority as house

    guarded(lambda: typer.echo(house.requested(config, data, root, algorithm)))


@ca.command()
def sign(
    request: Annotated[Path, typer.Argument(help="请求文件 File with the request")],
    root: Root,
    out: Annotated[Path, typer.Option("--out", help="证书写到哪里 Where the certificate goes")],
    passphrase: Passphrase = None,
) -> None:
    """在离线机器上：用根签发 On the machine of the root: sign the request."""
    from baotu.house import authority as house

    guarded(lambda: typer.echo(house.signed(request, root, out, passphrase)))


@ca.command()
def take(
    certificate: Annotated[Path, typer.Argument(help="签发证书 The issuing certificate")],
    config: Config = NODE,
    data: Data = None,
) -> None:
    """在节点上：收下签发证书 On the node: take the issuing certificate."""
    from baotu.house import authority as house

    guarded(lambda: typer.echo(house.taken(config, data, certificate)))


@ca.command()
def show(config: Config = NODE, data: Data = None) -> None:
    """显示根与签发证书 Show root and issuing certificates."""
    from baotu.house import authority as house

    def work() -> None:
        for line in house.told(house.place(config, data)[0]):
            typer.echo(line)

    guarded(work)


@device.command("enrol")
def enrol_device(
    ticket: Annotated[
        str, typer.Argument(help="票据，或装着它的文件 The ticket, or a file that holds it")
    ],
    folder: Folder = HERE,
    algorithm: Kind = "p256",
) -> None:
    """用票据注册：密钥在此生成，不离开 Enrol by a ticket: the key is made here and never leaves."""

    def work() -> None:
        from baotu.trust.devices import client
        from baotu.trust.devices.ticket import read

        path = Path(ticket) if len(ticket) < 256 else None
        text = path.read_text(encoding="utf-8") if path and path.is_file() else ticket
        _say(client.enrol(read(text), folder, algorithm=algorithm))

    guarded(work)


@device.command("renew")
def renew_device(folder: Folder = HERE) -> None:
    """立即更新证书 Renew the certificate now."""

    def work() -> None:
        from baotu.trust.devices import client

        _say(client.renew(folder))

    guarded(work)


@device.command("show")
def show_device(folder: Folder = HERE) -> None:
    """显示设备的证书 Show what the device has."""

    def work() -> None:
        from baotu.trust.devices import client

        _say(client.held(folder))

    guarded(work)


@device.command("keep")
def keep_device(folder: Folder = HERE) -> None:
    """到三分之二有效期时自动更新，直到 Ctrl-C Renew at two thirds of its life, until Ctrl-C."""
    from baotu.house import authority as house

    def work() -> None:
        from baotu.trust.devices import client

        _say(client.held(folder))
        client.keep(folder, threading.Event(), typer.echo, house.now)

    guarded(work)


def _say(held: object) -> None:
    certificate = held.certificate  # type: ignore[attr-defined]
    typer.echo(certificate.subject.rfc4514_string())
    typer.echo(
        f"序列号 serial {certificate.serial_number:x} → {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, "
        f"更新 renewed {held.due:%Y-%m-%d %H:%M} UTC"  # type: ignore[attr-defined]
    )
