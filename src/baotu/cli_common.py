"""What all commands of `baotu` share: where a node is, and how refusals are told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from baotu.sdk.errors import BaotuError
from baotu.sdk.messages import SEAM

Config = Annotated[Path, typer.Option("--config", help="配置文件 Configuration file")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="数据文件夹，优先于配置 Data folder, before the configuration's"),
]
NODE = Path("baotu.toml")


def lines(error: object) -> str:
    """Chinese on the first line, English on the second, each whole."""
    return str(error).replace(SEAM, "\n")


def told(error: object) -> None:
    typer.echo(f"baotu: {lines(error)}", err=True)


def stop(error: object) -> NoReturn:
    told(error)
    raise typer.Exit(2)


def asked(data: Path, do: str, **arguments: Any) -> Any:
    """What the node that works in this folder answers."""
    from baotu.house.control import ask

    try:
        return ask(data, do, **arguments)
    except (BaotuError, RuntimeError) as error:
        stop(error)


def guarded(work: Any) -> None:
    """Our own errors and the system's refusals are told in one line; anything else is a bug and
    shows its traceback."""
    try:
        work()
    except (BaotuError, RuntimeError) as error:
        stop(error)
    except OSError as error:
        stop(f"{error.filename or '系统 system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)
