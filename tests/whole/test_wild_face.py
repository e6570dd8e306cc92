"""What people's folders hold in place of a living, whole, speaking face, and what only looks like it: one run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clips import make
from tests.whole.runs import CLIPS, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")

K, A, D9, D11, D14 = (
    CLIPS / f"{name}.mp4"
    for name in ("WDA_KatieHill_000", "WDA_AlexandriaOcasioCortez_000", "portrait_d9", "portrait_d11", "portrait_d14")
)
SECONDS = "2.4"
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac", "-t", SECONDS)
PHOTO = "photo.png"


def filtered(clip: Path, graph: str) -> list[str | Path]:
    return ["-i", clip, "-vf", graph]


def still(graph: str = "null") -> list[str | Path]:
    return ["-loop", "1", "-framerate", "25", "-i", PHOTO, "-i", K, "-map", "0:v", "-map", "1:a", "-vf", graph]


def zoomed(zoom: str) -> list[str | Path]:
    pan = f"zoompan=z='{zoom}':d=75:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':s=512x512:fps=25"
    return ["-i", PHOTO, "-i", K, "-map", "0:v", "-map", "1:a", "-vf", pan]


def slide(live: Path, height: int, at: str) -> list[str | Path]:
    graph = f"color=white:s=1280x720:r=25[b];[0:v]scale=-2:560[p];[1:v]scale=-2:{height},setsar=1[t]"
    graph += f";[b][p]overlay=60:60[c];[c][t]overlay={at}:shortest=1[v]"
    return ["-loop", "1", "-framerate", "25", "-i", PHOTO, "-i", live, "-lavfi", graph, "-map", "[v]", "-map", "1:a"]


def dissolve(one: Path, other: Path, seconds: float) -> list[str | Path]:
    at = (float(SECONDS) - seconds) / 2
    graph = "[0:v]settb=AVTB,fps=25[a];[1:v]settb=AVTB,fps=25[b];"
    graph += f"[a][b]xfade=duration={seconds}:offset={at}"
    return ["-i", one, "-i", other, "-lavfi", graph]


TILT = "perspective=eval=frame:x0=20*sin(on/12):y0=14*cos(on/15):x1=W-20*sin(on/14):y2=H-10*sin(on/9):x3=W:y3=H"

DRAWN = "median=6,lutyuv=y=floor(val/36)*36+18,edgedetect=mode=colormix:low=0.1:high=0.2"


def piece(clip: Path, start: float, seconds: float) -> list[str | Path]:
    return ["-ss", str(start), "-t", str(seconds), "-i", clip]


def box(where: str) -> str:
    return f"drawbox={where}:t=fill"


COVERED = "max_mouth_covered_share"
LISTENER: list[str | Path] = ["-ss", "5", "-t", SECONDS, "-i", D14]

REJECTED: Mapping[str, tuple[list[str | Path], str]] = {
    "photo": (still(), "min_face_motion"),
    "photo-grain": (still("noise=alls=12:allf=t"), "min_face_motion"),
    "photo-shaken": (still("crop=472:472:20+9*sin(n/5):20+9*cos(n/6)"), "min_face_motion"),
    "photo-zoom": (zoomed("min(zoom+0.0015,1.4)"), "min_face_motion"),
    "photo-pan": (still("crop=400:400:n:50"), "min_face_motion"),
    "photo-turned": (still("rotate=0.06*sin(n/9):c=gray"), "min_face_motion"),
    "photo-tilted": (still(TILT), "min_face_motion"),
    "photo-lit-anew": (still("eq=eval=frame:brightness=0.12*sin(n/7):contrast=1+0.2*sin(n/11)"), "min_face_motion"),
    "photo-of-few-bits": (still("scale=160:-2,noise=alls=10:allf=t"), "min_face_motion"),
    "listener-and-a-voice": ([*LISTENER, "-i", K, "-map", "0:v", "-map", "1:a"], "min_mouth_motion"),
    "chin-outside": (filtered(K, "crop=512:330:0:0"), "max_outside_share"),
    "chin-on-a-bar": (filtered(A, "drawbox=y=330:h=182:c=black:t=fill"), "max_outside_share"),
    "half-outside": (filtered(K, "crop=300:512:0:0"), "max_outside_share"),
    "subtitle-bar": (filtered(A, f"{box('y=305:h=140:c=black')},{box('x=120:y=360:w=260:h=24:c=white')}"), COVERED),
    "mask": (filtered(D14, box("x=130:y=350:w=190:h=110:c=0x96B9CD")), COVERED),
    "microphone": (filtered(D9, box("x=170:y=305:w=125:h=200:c=0x22201F")), COVERED),
    "dissolve-04": (dissolve(K, A, 0.4), "max_dissolves"),
    "dissolve-08": (dissolve(A, K, 0.8), "max_dissolves"),
}
ACCEPTED: Mapping[str, list[str | Path]] = {
    "talker": ["-i", A],
    "slow-talker": filtered(D11, "setpts=2*PTS"),
    "film": filtered(A, "fps=24"),
    "grainy": filtered(A, "noise=alls=12:allf=t"),
    "listener": [*LISTENER, "-an"],
    "quiet-second": piece(CLIPS / "portrait_d13.mp4", 6.5, 1.1),
    "listener-for-two-seconds": [*piece(D14, 4.6, 2), "-an"],
    "utterance": piece(A, 6, 1.2),
    "fade-from-black": filtered(K, "fade=t=in:d=1"),
    "ear-outside": filtered(K, "crop=340:512:172:0"),
    "hair-outside": filtered(K, "crop=512:400:0:112"),
    "black-and-white": filtered(A, "hue=s=0"),
    "subtitle-below": filtered(D9, f"{box('y=430:h=50:c=black')},{box('x=120:y=445:w=260:h=20:c=white')}"),
    "slide": slide(A, 200, "1050:500"),
    "slide-left": slide(D11, 220, "20:20"),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Manifests by name, of one workspace that was run once."""
    root = tmp_path_factory.mktemp("wild")
    folder, workspace = root / "videos", root / "w"
    folder.mkdir()
    make("-ss", "1", "-i", K, "-frames:v", "1", root / PHOTO)
    recipes = {name: recipe for name, (recipe, _) in REJECTED.items()} | dict(ACCEPTED) | {"drawn": filtered(A, DRAWN)}
    for name, arguments in recipes.items():
        make(*(root / PHOTO if one == PHOTO else one for one in arguments), *H264, folder / f"{name}.mp4")
    assert portrait_prep("init", "folder", "--source", folder, "-w", workspace).returncode == 0
    done = portrait_prep("run", "-w", workspace, "--workers", "2", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: json.loads(path.read_text()) for path in (workspace / "manifests").glob("*.json")}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_no_living_whole_single_face_is_rejected_for_that(verdicts: dict[str, Any], name: str) -> None:
    assert REJECTED[name][1] in verdicts[name]["quality"]["rules"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_people_who_talk_are_accepted_slow_grainy_or_cut_off_at_the_edge(verdicts: dict[str, Any], name: str) -> None:
    if name.startswith("slide"):  # A piece of the photograph may stand beside the talker.
        reasons = [rule for rule in verdicts[name]["quality"]["rules"] if rule != "max_several_faces_share"]
        assert reasons == []
        assert verdicts[name]["stages"]["normalize"]["metrics"]["stills_passed_over"] == 1
    else:
        assert verdicts[name]["quality"]["reasons"] == []


def test_a_drawn_face_is_measured_like_any(verdicts: dict[str, Any]) -> None:
    stages = verdicts["drawn"]["stages"]
    told = stages["landmarks"]["metrics"] | stages["headpose"]["metrics"]
    assert 0 <= told["face_confirmed_share"] <= 1
    assert told["face_motion"] > 0
