"""The path below which a proxy offers the service."""

from __future__ import annotations

from starlette.types import Scope


def below(root_path: str, scope: Scope, is_head: bool) -> Scope:
    """The scope that the application sees: with the root path, and HEAD as GET, whose body is left out later.

    A proxy may keep the root path in the address or take it off; ASGI's ``path`` has it in both cases.

    Args:
        root_path: ``SGE_ROOT_PATH``, without a slash at its end; empty: none.
        scope: The server's, which is not changed.
        is_head: Whether the method is HEAD.
    """
    scope = dict(scope)
    scope.setdefault("state", {})
    scope.setdefault("root_path", "")
    if is_head:
        scope["method"] = "GET"
    if root_path:
        scope["root_path"] = root_path
        if scope["path"] != root_path and not scope["path"].startswith(f"{root_path}/"):
            scope["path"] = root_path + scope["path"]
    return scope
