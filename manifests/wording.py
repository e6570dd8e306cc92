"""How long lists are shortened for people."""

from collections.abc import Sequence

FEW = 3


def a_few(names: Sequence[str]) -> str:
    """How many and the first of them: `4 (a, b, c …)`."""
    return f"{len(names)} ({', '.join(names[:FEW])}{' …' if len(names) > FEW else ''})"
