"""`models`: which model files there are, and fetching those that no package brings. It loads no stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from portrait_prep.cli.terminal import AsJson, WorkspaceOption, say, say_json
from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.models import registry
from portrait_prep.stages.models.registry import Found, command_to_fetch, digest_of, locate, verified


def models(
    action: Literal["list", "fetch", "verify"] = "list",
    *names: str,
    workspace: WorkspaceOption = Path(),
    json_: AsJson = False,
) -> int:
    """List the model files: where each was found, whether it is the registered one, licence and address.

    Parameters
    ----------
    action
        `list` them, `fetch` into the workspace what no package brings, or `verify` those that are here: exit code 1
        when one is another file than registered.
    names
        Only these; all when none is named.
    """
    opened = Workspace(workspace.absolute())
    opened.announce()
    for name in names:
        if name not in registry.MODELS:
            raise BadInput(f"There is no model '{name}'; the models are {', '.join(registry.MODELS)}.")
    if action == "fetch":
        wanted = names or [name for name, model in registry.MODELS.items() if not model.package]
        return _fetch(wanted, opened)
    rows = [_row(name) for name in names or registry.MODELS]
    if json_:
        say_json(rows)
    else:
        for line in map(_line, rows):
            say(line)
    return int(action == "verify" and not all(row["ok"] for row in rows))


def _find(name: str) -> Found | None:
    try:
        return locate(name)
    except MissingPrerequisite:
        return None


def _row(name: str) -> dict[str, Any]:
    """What is listed of one model; `ok` is false when its file is wrong, or when a package should have brought it."""
    model, found = registry.MODELS[name], _find(name)
    intact = digest_of(found) == model.sha256 if found else None
    return {
        "name": name,
        "file": model.file,
        "path": str(found.path) if found else None,
        "where": found.where if found else None,
        "intact": intact,
        "ok": intact if found else model.package is None,
        "sha256": model.sha256,
        "licence": model.licence,
        "address": model.address,
    }


def _line(row: dict[str, Any]) -> str:
    if row["path"]:
        status = f"{row['path']} ({row['where']}), sha256 {'ok:' if row['intact'] else 'WRONG, not'} {row['sha256']}"
    else:
        remedy = f"not here, '{command_to_fetch(row['name'])}' gets it" if row["ok"] else "MISSING from its package"
        status = f"{row['file']} {remedy}, sha256 {row['sha256']}"
    return f"{row['name']}: {status}, {row['licence']}, {row['address']}"


def _fetch(names: Sequence[str], opened: Workspace) -> int:
    """Fetch one after another; one that does not come does not keep back the others."""
    from portrait_prep.stages.models.fetching import fetch_model  # noqa: PLC0415  its libraries may be what does not load

    problems = []
    for name in names:
        model, found = registry.MODELS[name], _find(name)
        if found and digest_of(found) == model.sha256:
            say(f"{name}: already at {found.path}")
            continue
        try:
            if not model.package:
                fetch_model(name, opened.folder("models"))
            say(f"{name}: {verified(name).path}, fetched from {model.address}, {model.licence}")
        except MissingPrerequisite as problem:
            problems.append(str(problem).rstrip("."))
    if problems:
        raise MissingPrerequisite(f"{'; '.join(problems)}.")
    return 0
