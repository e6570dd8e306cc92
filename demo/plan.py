"""The plan of the demo corpus: what each clip shows and how it is stored."""

from dataclasses import dataclass
from fractions import Fraction

from portrait_prep.demo.encode import Format
from portrait_prep.manifests.corpora.demo import Expected


@dataclass(frozen=True)
class Clip:
    """One file of the corpus.

    `window` is what it shows of the portrait (x, y, width, height, pixels), `size` its picture on display (width,
    height). `seed` decides what the subject says and does. No subject, no face. Only the first `kept` part of the
    file's bytes is written. `expected` says where a clip that is unfit on purpose must fail.
    """

    video_id: str
    subject: str | None
    split: str
    seconds: float
    window: tuple[int, int, int, int]
    size: tuple[int, int]
    form: Format
    seed: int
    kept: float = 1.0
    expected: Expected | None = None


H264 = {"c:v": "libx264", "preset": "veryfast", "crf": "20"}
HEVC = {"c:v": "libx265", "preset": "ultrafast", "crf": "22", "tag:v": "hvc1"} | {
    "x265-params": "log-level=error:pools=none:frame-threads=1:info=0"
}
VP9 = {"c:v": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8", "crf": "28", "b:v": "0"}
MPEG4 = {"c:v": "mpeg4", "q:v": "3"}

AAC = {"c:a": "aac", "b:a": "96k"}
OPUS = {"c:a": "libopus", "b:a": "64k"}
FLAC = {"c:a": "flac"}
WHOLE_WHEN_STREAMED = {"movflags": "+faststart"}
"""The index first: a file cut short still opens and promises all its frames."""

CLIPS = (
    Clip(
        "astronaut-24fps",
        "astronaut",
        "train",
        5,
        (32, 0, 384, 288),
        (640, 480),
        Format(".avi", Fraction(24), MPEG4),
        1,
    ),
    Clip(
        "astronaut-25fps-rotated",
        "astronaut",
        "train",
        5,
        (82, 0, 288, 512),
        (360, 640),
        Format(".mp4", Fraction(25), H264, AAC, turned=True),
        2,
    ),
    Clip(
        "astronaut-29.97fps",
        "astronaut",
        "train",
        5.005,
        (0, 0, 512, 288),
        (640, 360),
        Format(".mov", Fraction(30000, 1001), HEVC, AAC),
        3,
    ),
    Clip(
        "double-30fps-square",
        "double",
        "test",
        4.5,
        (126, 0, 320, 320),
        (480, 480),
        Format(".webm", Fraction(30), VP9, OPUS),
        4,
    ),
    Clip(
        "double-60fps-anamorphic",
        "double",
        "test",
        4,
        (94, 0, 384, 288),
        (576, 432),
        Format(".mkv", Fraction(60), H264, FLAC, squeezed=432, delay=0.2),
        5,
    ),
    Clip(
        "double-variable",
        "double",
        "test",
        6,
        (126, 0, 320, 400),
        (400, 500),
        Format(".mp4", Fraction(27), H264, AAC, wobble=0.03),
        6,
    ),
    Clip(
        "truncated",
        "astronaut",
        "train",
        4,
        (32, 0, 384, 288),
        (480, 360),
        Format(".mp4", Fraction(25), {**H264, **WHOLE_WHEN_STREAMED}, AAC),
        7,
        kept=0.6,
        expected=Expected(stage="normalize", reason="cut short"),
    ),
    Clip(
        "noface",
        None,
        "train",
        4,
        (0, 0, 512, 288),
        (480, 272),
        Format(".mp4", Fraction(25), H264, AAC),
        8,
        expected=Expected(stage="normalize", reason="no face"),
    ),
)
