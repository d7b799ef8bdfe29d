"""What a configuration file may say about secrets: where the key is that opens them."""

from __future__ import annotations

from dataclasses import dataclass

from baotu.sdk.settings import setting


@dataclass(frozen=True, kw_only=True)
class SecretsSettings:
    """The `[secrets]` table. The key is made when the first secret is kept.

    A systemd credential `baotu-secrets-key` goes before the file, `baotu-secrets-passphrase`
    before the passphrase file (systemd.exec(5), LoadCredential=).
    """

    key_file: str = setting(
        "secrets.key",
        path="config",
        title="打开密钥库的密钥文件，放在数据文件夹之外 File of the key that opens the store, "
        "outside the data folder",
    )
    passphrase_file: str = setting(
        "",
        path="config",
        title="存放口令的文件，给出则密钥文件由口令加密 File with a passphrase; when given, it seals the key file",
    )
    versions: int = setting(
        3, title="每个密钥保留的版本 Versions kept of each secret", low=1, high=100
    )
