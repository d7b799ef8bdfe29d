"""Declares what no app may have, and verbs of somebody else."""

from baotu.sdk import App, command


class Boasts(App):
    """Wants an officer's work. 索要安全管理权限。"""

    permissions = ("policy.change",)

    @command(permission="boasts.go", title="做 Do")
    def go(self) -> int:
        return 1
