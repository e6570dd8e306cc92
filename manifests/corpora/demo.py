"""The built-in demo corpus: clips with a truth file beside each, made by the `demo` room."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_core import from_json

from portrait_prep.errors import BadInput
from portrait_prep.manifests.record import Model
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import MOST_TEXT, regular

CORPUS = "demo"
TRUTH = ".truth.json"
"""A truth file is named after its video: `<video_id>.truth.json`."""


class Expected(Model):
    """Where a clip that is unfit on purpose must fail: at this stage, with this word in the message."""

    stage: str
    reason: str


class Truth(Model):
    """All that is known of one clip.

    `poses` maps `times` (seconds) and the fields of the pose (`yaw`, `pitch`, `roll` in degrees with the signs of the
    `headpose` stage and relative to the portrait, `scale`, `shift_x` and `shift_y` in face widths, `mouth` and `blink`
    0 to 1) to one value a frame; empty where there is no face. `expected` is null for a good clip. `recipe` and
    `sha256` tell whether the file still is what would be made now.
    """

    video_id: str
    file: str
    subject: str
    split: str
    licence: str
    duration: float
    expected: Expected | None = None
    poses: dict[str, list[float]] = Field(default_factory=dict)
    recipe: str
    sha256: str


def truth_path(folder: Path, video_id: str) -> Path:
    """Where the truth of a video of the release in `folder` is."""
    return folder / f"{video_id}{TRUTH}"


def read_truth(path: Path) -> Truth:
    """Read a truth file. Raises BadInput when it is missing or is not one."""
    try:
        return Truth.model_validate(from_json(regular(path, MOST_TEXT).read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise BadInput(f"{path} is not a truth file of the demo corpus: run 'portrait-prep demo' again.") from error


def find(folder: Path) -> list[Video]:
    """The catalogue rows of the made release in `folder`, by video id. Raises BadInput when there is none."""
    truths = [read_truth(path) for path in sorted(folder.glob(f"*{TRUTH}"))]
    if not truths:
        raise BadInput(f"There is no demo corpus in {folder}: run 'portrait-prep demo' to make it.")
    return [
        Video(
            video_id=truth.video_id,
            corpus=CORPUS,
            subject=truth.subject,
            split=truth.split,
            source=str((folder / truth.file).resolve()),
            duration=truth.duration,
            licence=truth.licence,
        )
        for truth in truths
    ]
