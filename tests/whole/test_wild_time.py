"""Videos whose time is not what it seems, through the command line: one run, and what is said of each."""

import json
from pathlib import Path

import pytest

from tests.clips import make
from tests.whole.runs import CLIPS, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")

SMALL = ("-vf", "scale=320:320", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
TALKER = CLIPS / "WDA_KatieHill_000.mp4"


def filtered(filters: str, *more: str) -> tuple[str | Path, ...]:
    return ("-i", TALKER, *SMALL, "-vf", f"{filters},scale=320:320", *more)


HOLE = "select='lt(t,0.6)+gt(t,2.2)'"
MADE: dict[str, tuple[str | Path, ...]] = {
    "hole.mp4": filtered(HOLE, "-fps_mode", "vfr", "-t", "3"),
    "frozen.mp4": filtered(f"{HOLE},fps=25", "-t", "3"),
    "ten.mp4": filtered("fps=10", "-t", "2"),
    "five.mp4": filtered("fps=5,fps=25", "-t", "2"),
    "five-own.mkv": filtered("fps=5", "-t", "2"),
    "two.mp4": filtered("fps=2", "-t", "2"),
    "two-filled.mp4": filtered("fps=2,fps=25", "-t", "4"),
    "timelapse.mp4": filtered("fps=8,setpts=N/TB/8,fps=30", "-t", "2", "-an"),
    "combed.mp4": ("-i", TALKER, *SMALL, "-vf", "fps=50,crop=400:400,tinterlace=interleave_top", "-t", "2"),
    "thirty.mp4": filtered("fps=30", "-t", "2"),
    "phone.mp4": filtered("setpts=PTS+0.012/TB*mod(N\\,3)", "-fps_mode", "vfr", "-t", "2"),
    "film.mp4": filtered("fps=24", "-t", "2"),
    "fifty.mp4": filtered("fps=50", "-t", "2"),
    "slow.mp4": filtered("setpts=2*PTS,fps=25", "-t", "2", "-an"),
    "photo.mp4": filtered("trim=end_frame=1,loop=-1:1,setpts=N/25/TB", "-t", "2"),
    "cut.mp4": (
        *("-t", "1.2", "-i", TALKER, "-t", "1.2", "-i", CLIPS / "portrait_d11.mp4", *SMALL[2:], "-an"),
        *("-filter_complex", "[0]scale=320:320,fps=25[a];[1]scale=320:320,fps=25[b];[a][b]concat"),
    ),
}
SAYS = {
    "hole": "hole of 1.6",
    "frozen": "the picture stands still for 1.",
    "ten": "the source has 10.0 frames a second",
    "five": "new pictures a second, fewer than 11",
    "five-own": "the source has 5.0 frames a second",
    "two": "the source has 2.0 frames a second",
    "two-filled": "new pictures a second, fewer than 11",
    "timelapse": "new pictures a second, fewer than 11",
    "photo": "the picture stands still for 1.",
    "cut": "it has 1 scene cut, more than 0, at 1.2",
    "joined": "its clock starts again at 1.0",
}
GOOD = ("film", "thirty", "fifty", "slow", "phone", "combed", "tags")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By id all that its manifest says of why it is not accepted; nothing where it is."""
    folder = tmp_path_factory.mktemp("time")
    source = folder / "in"
    source.mkdir()
    for name, arguments in MADE.items():
        make(*arguments, source / name)
    tagged = {"bt709": "0", "smpte170m": "1"}
    for colours, offset in tagged.items():
        tags = f"colormatrix={colours}:colorprim={colours}:transfer={colours}"
        make(
            "-t", "1", "-i", TALKER, *SMALL, "-x264-params", tags, "-output_ts_offset", offset, folder / f"{offset}.ts"
        )
    first, second = ((folder / f"{offset}.ts").read_bytes() for offset in tagged.values())
    (source / "tags.ts").write_bytes(first + second)
    (source / "joined.ts").write_bytes(first + first)
    root = folder / "W"
    portrait_prep("init", "folder", "-w", root, "--source", source)
    done = portrait_prep("run", "-w", root)
    assert done.returncode == 1, done.stderr  # what is joined fails
    manifests = [json.loads(path.read_text()) for path in (root / "manifests").rglob("*.json")]
    return {one["video_id"]: " | ".join(one["quality"]["reasons"]) for one in manifests}


@pytest.mark.parametrize("name", SAYS)
def test_what_time_does_not_hold_is_said_with_its_place(told: dict[str, str], name: str) -> None:
    assert SAYS[name] in told[name]


@pytest.mark.parametrize("name", GOOD)
def test_good_footage_is_accepted(told: dict[str, str], name: str) -> None:
    assert told[name] == ""
