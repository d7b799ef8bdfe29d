"""`baotu account …` and `baotu token …`: accounts at the node's own machine, over its control socket."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from baotu.cli_common import NODE, Config, Data, asked

account = typer.Typer(
    no_args_is_help=True, help="节点本机上的账户 Accounts, at the node's own machine."
)
token = typer.Typer(no_args_is_help=True, help="API 令牌 API tokens.")


@account.command("link")
def account_link(
    name: Annotated[
        str,
        typer.Argument(
            help="登录名，或 system_admin security_admin audit_admin；空为第一位管理员 Account or "
            "officer's role; empty: the first administrator"
        ),
    ] = "",
    config: Config = NODE,
    data: Data = None,
) -> None:
    """打印一次性链接：首次登录或重设口令 Print a one-time link: first sign-in, or a new password."""
    from baotu.house.place import data_folder

    told = asked(data_folder(config, data), "account_link", account=name)
    who = told["account"] or told["role"]
    typer.echo(
        f"{told['address']}\n{told['what']}: {who}; "
        f"{datetime.fromtimestamp(told['ends'] / 1e9, UTC):%Y-%m-%d %H:%M} UTC 前有效 is when it ends"
    )


@account.command("create")
def account_create(
    name: Annotated[str, typer.Argument(help="登录名 Name to sign in with")],
    title: Annotated[str, typer.Option("--title", help="姓名或用途 Who or what it is")] = "",
    roles: Annotated[
        list[str] | None, typer.Option("--role", help="角色，可重复 Role, may be repeated")
    ] = None,
    config: Config = NODE,
    data: Data = None,
) -> None:
    """新建账户，例如给程序用 Make an account, for a program for example."""
    from baotu.house.place import data_folder

    folder = data_folder(config, data)
    typer.echo(asked(folder, "account_create", name=name, title=title, roles=list(roles or ())))


@account.command("list")
def account_list(config: Config = NODE, data: Data = None) -> None:
    """列出账户与角色 List accounts and their roles."""
    from baotu.house.place import data_folder

    for row in asked(data_folder(config, data), "account_list"):
        typer.echo(f"{row['name']}  {row['title']}  {row['state']}  {', '.join(row['roles'])}")


@account.command("reset")
def account_reset(
    name: Annotated[str, typer.Argument(help="登录名 Account")],
    config: Config = NODE,
    data: Data = None,
) -> None:
    """撤下第二因素并结束会话：手机丢失 Take off the second factors and end all sessions: a lost phone."""
    from baotu.house.place import data_folder

    typer.echo(asked(data_folder(config, data), "account_reset", account=name))


@token.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="令牌属于哪个账户 Account it belongs to")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="动作，可重复；空为该账户的全部 Action, may be repeated; all by default"
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="有效天数 Days it is good for")] = 30,
    title: Annotated[str, typer.Option("--title", help="用途 What it is for")] = "",
    config: Config = NODE,
    data: Data = None,
) -> None:
    """新建 API 令牌，只显示一次 Make an API token; it is shown this once."""
    from baotu.house.place import data_folder

    wanted = list(scope or ["*"])
    folder = data_folder(config, data)
    typer.echo(asked(folder, "token_create", account=name, scope=wanted, days=days, title=title))
