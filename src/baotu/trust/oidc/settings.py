"""A table `[[identity_provider]]` of the configuration: somebody else's accounts that sign in here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from baotu.sdk.errors import ConfigError, Denied
from baotu.sdk.settings import setting
from baotu.sdk.trust import ROLES

from .places import safe

TRADES = tuple(name for name, role in ROLES.items() if not role.officer)


@dataclass(frozen=True, kw_only=True)
class IdentityProvider:
    name: str = setting(
        title="名称，唯一；回调地址为 …/sign-in/back/名称 Name, unique; the address to register there is "
        "…/sign-in/back/NAME",
        example="firm",
    )
    title: str = setting(
        "", title="登录按钮上的名字 Title on the button", example="济南泵业 Jinan Pumps"
    )
    issuer: str = setting(title="签发者地址 Issuer", example="https://login.firm.example")
    client: str = setting(
        title="本平台在那里的编号 Client id of this platform there", example="baotu"
    )
    secret: str = setting("", secret=True, title="本平台在那里的密钥 Secret of this platform there")
    scope: str = setting("openid profile", title="申请的范围 Scopes asked for")
    name_claim: str = setting(
        "preferred_username", title="哪个声明是登录名 Claim that holds the name to sign in with"
    )
    roles_claim: str = setting("groups", title="哪个声明是组 Claim that holds the groups")
    roles: Mapping[str, str] = setting(
        {},
        title="组对应的角色，只限行业角色、只用于自动新建的账户 Role of each group; roles of the trade only, and "
        "for accounts made by new_accounts only",
        example={"night-shift": "operator"},
    )
    new_accounts: Literal["refuse", "make"] = setting(
        "refuse", choices=("refuse", "make"),
        title="陌生人：拒绝或新建账户 Somebody without an account here: refused, or given one",
    )  # fmt: skip
    second_factor: bool = setting(
        False,
        title="那里的登录算两个因素；三员仍须本平台的第二因素 A sign-in there counts as two factors; officers "
        "need one of this platform all the same",
    )
    ca_file: str = setting(
        "", path="config", example="tls/firm-ca.pem",
        title="其证书的签发者，空为系统自带 Issuers of its certificate, PEM; empty: those of the system",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,40}", self.name):
            raise ConfigError(
                f"{self.name!r} stands in an address",
                hint="small letters, digits and -, at most 40",
            )
        try:
            safe(self.issuer)
        except Denied as error:
            raise ConfigError(str(error), hint="https://, or http:// on this machine") from None
        if "openid" not in self.scope.split():
            raise ConfigError("the scope lacks openid", hint='write scope = "openid profile"')
        for group, role in self.roles.items():
            if role not in TRADES:
                raise ConfigError(
                    f"the group {group!r} cannot give the role {role!r}",
                    hint=f"one of {', '.join(TRADES)}; officers are made here",
                )
