"""The verifier as one file that needs nothing of the platform, for whoever holds an export."""

from __future__ import annotations

import ast
from importlib.resources import files

PARTS = ("formats.py", "scan.py", "verify_log.py")
NAME = "verify_log.py"


def single() -> str:
    """`formats`, `scan` and `verify_log` one after the other, without what binds them."""
    texts = [files(__package__).joinpath(name).read_text(encoding="utf-8") for name in PARTS]
    about = ast.get_docstring(ast.parse(texts[-1]), clean=False)
    bodies = "\n\n".join(map(_body, texts))
    return f'"""{about}"""\n\nfrom __future__ import annotations\n\n{bodies}\n'


def _body(text: str) -> str:
    """A module without its docstring, its future and its imports of the others."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        bound = isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__")
        said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if bound or said:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(lines).strip()
