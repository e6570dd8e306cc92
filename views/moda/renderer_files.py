"""The pictures of a clip that MODA's renderer learns from: the frame, the drawing, the mouth's mask, four examples.

Source: https://github.com/taichuai/MODA, datasets/render_dataset.py (`RenderDataset`) and
data_prepare/steps/step7-gen_pix2pix.py. Pictures are PNG files of 512 px, which it would bring to that size.

    render/pix2pix/{target,feature,mouth}/%05d.png     numbered from the clip's first frame on
    render/pix2pix/candidate/%05d.png                  examples, of the training part alone
    render/train_pix_list.txt, val_pix_list.txt        numbers: the first 80 %, and the rest
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.geometry import Pose, to_image
from portrait_prep.views.exporting.pictures import write_pngs
from portrait_prep.views.moda.centre import HEADMOTION
from portrait_prep.views.moda.renderer import COLUMNS, EXAMPLES, TRAINING, chosen, feature_image, mouth_mask
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

LEAST = 25
"""Frames of the shortest clip that there is anything to learn from."""
LISTS = ("train_pix_list.txt", "val_pix_list.txt")
KINDS = ("target", "feature", "mouth", "candidate")


def write_render(reader: Reader, window: Window, folder: Path) -> None:
    """The folder `render` of one clip. Raises what `Reader` raises."""
    pictures = folder / "render" / "pix2pix"
    for kind in KINDS:
        (pictures / kind).mkdir(parents=True)
    bound = int(window.frames * TRAINING + 0.5)
    examples = set(chosen(range(bound), EXAMPLES, reader.videos[window.video].video.video_id))
    write_pngs(_pictures(reader, window, examples, pictures))
    for name, numbers in zip(LISTS, (range(bound), range(bound, window.frames)), strict=True):
        (folder / "render" / name).write_text("".join(f"{each:05d}\n" for each in numbers), "ascii")


def _pictures(reader: Reader, window: Window, examples: set[int], folder: Path) -> Iterator[tuple[Path, Image]]:
    number = 0
    for block in blocks(window):
        for image, (feature, mouth) in zip(reader.stream(*block), _drawings(reader, block), strict=True):
            name = f"{number:05d}.png"
            yield folder / "target" / name, image[..., ::-1]
            yield folder / "feature" / name, feature[..., ::-1]
            yield folder / "mouth" / name, mouth
            if number in examples:
                yield folder / "candidate" / name, image[..., ::-1]
            number += 1


def _drawings(reader: Reader, window: Window) -> Iterable[tuple[Image, Image]]:
    rows = reader.read(*window, COLUMNS)
    faces = to_image(rows["headpose.canonical"], Pose(*(rows[f"headpose.{name}"] for name in HEADMOTION)))
    for face, shoulders, visible in zip(faces, rows["torso.shoulders"], rows["torso.visible"], strict=True):
        yield feature_image(face, shoulders[visible]), mouth_mask(face)
