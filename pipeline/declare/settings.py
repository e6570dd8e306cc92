"""`pipeline.toml`: every setting of a workspace, checked, with its default and a comment."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from portrait_prep.errors import BadInput, BadSetting
from portrait_prep.manifests.files import replacing
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.pipeline.declare.quality import QualitySettings, quality_settings
from portrait_prep.pipeline.declare.section import Section
from portrait_prep.pipeline.declare.stage import Params, Stage

GpuSetting = Literal["auto", "off"] | int
"""All GPUs that there are, none, or at most so many."""


def _gpu(value: Any) -> Any:
    """Checked here, since of a choice between words and numbers pydantic would tell three errors."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if value not in ("auto", "off") and not (is_number and value >= 0):
        raise PydanticCustomError("gpu", "must be 'auto', 'off', or a number >= 0")
    return value


class RunSettings(Params):
    """How the work is cut and watched."""

    shard_seconds: float = Field(
        120.0, gt=0, le=1e9, description="footage in one shard, seconds; fixed once videos are in it"
    )
    retries: int = Field(1, ge=0, le=10, description="how often a video is tried again at once after a transient error")
    deadline_seconds: float = Field(300.0, gt=0, le=1e9, description="time a video may take at one stage, seconds …")
    deadline_per_second: float = Field(30.0, ge=0, le=1e9, description="… plus this much for each second of footage")
    gpu: Annotated[GpuSetting, PlainValidator(_gpu)] = Field(
        "auto",
        description="GPUs for the networks that gain by one: auto (all that are found), off, or at most how many; "
        "each is owned by one of the workers, or shared by gpu_workers of them",
    )
    gpu_workers: int = Field(
        1, ge=1, le=64, description="workers that share each GPU: more keep it busier, and each needs memory there"
    )


@dataclass(frozen=True)
class Settings:
    """All settings of a workspace; `params` maps the name of a stage, or of another section, to its parameters."""

    run: RunSettings
    quality: QualitySettings
    params: Mapping[str, Params]


def _models(sections: Sequence[Section]) -> dict[str, type[BaseModel]]:
    own = {section.name: section.params for section in sections}
    return {"run": RunSettings, **own, "quality": quality_settings(sections)}


def read_settings(path: Path, sections: Sequence[Section]) -> Settings:
    """Read `pipeline.toml`; what it leaves out takes its default. Raises BadInput or BadSetting."""
    try:
        document = tomllib.loads(regular(path, MOST_TEXT).read_text("utf-8"))
    except FileNotFoundError as error:
        raise BadInput(f"There is no {path.name} in {path.parent}: run 'portrait-prep init' first.") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): give the directory of a workspace.") from error
    except RecursionError as error:
        raise BadSetting(f"{path} is nested too deeply: it holds sections and their keys.") from error
    except ValueError as error:  # of TOML, of UTF-8, or a number of thousands of digits
        raise BadSetting(f"{path} is not valid TOML: {error}.") from error
    models = _models(sections)
    unknown = sorted(set(document) - set(models))
    if unknown:
        raise BadSetting(f"{path}: there is no section [{unknown[0]}]; allowed are {', '.join(models)}.")
    values = {name: _parsed(path, name, model, document.get(name, {})) for name, model in models.items()}
    params = {section.name: values[section.name] for section in sections}
    return Settings(values["run"], values["quality"], params)


def _parsed(path: Path, section: str, model: type[BaseModel], values: Any) -> Any:
    if not isinstance(values, dict):
        raise BadSetting(f"{path}: {section} = {values!r} is not allowed: [{section}] is a section.")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(model.model_fields) or "none"
            raise BadSetting(f"{path}: [{section}] has no setting '{key}'; allowed are {allowed}.") from error
        reason = first["msg"].replace("Input should be", "must be").removeprefix("Value error, ")
        if not key:
            raise BadSetting(f"{path}: [{section}] is not allowed: {reason}.") from error
        message = f"{path}: [{section}] {key} = {first['input']!r} is not allowed: {reason}."
        raise BadSetting(message) from error


def stages_on(stages: Sequence[Stage[Any]], settings: Settings) -> tuple[Stage[Any], ...]:
    """The stages that are on. Raises BadSetting where one reads what another, that is off, would make."""
    on = tuple(stage for stage in stages if stage.is_on(settings.params[stage.name]))
    names = {stage.name for stage in on}
    for stage in on:
        for reference in stage.reads_under(settings.params[stage.name]):
            above = reference.partition(".")[0]
            if above not in names:
                raise BadSetting(f"[{stage.name}] reads what {above} makes, and that is off: set [{above}] backend.")
    return on


def write_settings(path: Path, sections: Sequence[Section]) -> None:
    """Write every setting with its default and a comment that says what it does and what is allowed."""
    import tomlkit  # noqa: PLC0415 (slow to load, and not needed to look)

    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of this workspace. Stages re-run where a change matters, and only there."))
    for name, model in _models(sections).items():
        table = tomlkit.table()
        for key, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            table.add(tomlkit.comment(f"{field.description or key}{_allowed(field)}"))
            table.add(key, list(default) if isinstance(default, tuple) else default)
        document.add(tomlkit.nl())
        document.add(name, table)
    with replacing(path) as temporary:
        temporary.write_text(tomlkit.dumps(document), "utf-8")


SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "multiple_of": "a multiple of"}


def _allowed(field: Any) -> str:
    """The bounds of a field in words: ` (>= 0, <= 10)`, or its choices."""
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in SIGNS.items()
        if getattr(limit, name, None) is not None
    ]
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str | int)]
    allowed = bounds or ([" | ".join(choices)] if choices else [])
    return f" ({', '.join(allowed)})" if allowed else ""
