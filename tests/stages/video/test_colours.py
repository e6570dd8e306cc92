"""Sources of many colours, made from one picture in BT.709, come back to that picture."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.media.box import Box
from portrait_prep.media.colours import BT709, RGB, YUV, Colours, Tags
from portrait_prep.media.ffmpeg import run, video_input
from portrait_prep.media.probe import Probe, probe
from portrait_prep.media.source_frames import picture_at, sample_frames
from portrait_prep.stages.video.colours import converted
from portrait_prep.stages.video.encode import H264
from portrait_prep.stages.video.resample import upright_squares
from tests.clips import Image, make, portrait

SIDE = 320
NEAR = 4.0
"""Grey levels within which each channel's mean comes back."""

IN = "zscale=tin=709:pin=709:min=709:rin=limited"
LIGHT = f"{IN}:t=linear:npl=203,format=gbrpf32le,zscale=npl=203:p=2020"
RECIPE = f"{IN}:t=linear:npl=203,zscale=p=2020,zscale=npl=203"
"""As wild as it is made by hand: light in 8 bits."""
HLG, PQ = "t=arib-std-b67:r=limited:m=2020_ncl", "t=smpte2084:r=limited:m=2020_ncl"
GBR = f"{IN}:m=gbr:r=full"
UNTAGGED = "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown:range=unknown"
X264 = ("-c:v", "libx264", "-crf", "8", "-preset", "ultrafast")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:crf=8")
CINEMA = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
FFV1 = ("-c:v", "ffv1")

SOURCES: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "HLG as the recipe has it": ("mp4", f"{RECIPE}:{HLG},format=yuv420p10le", X265, "transfer primaries matrix"),
    "PQ as the recipe has it": ("mp4", f"{RECIPE}:{PQ},format=yuv420p10le", X265, "transfer primaries matrix"),
    "HLG": ("mp4", f"{LIGHT}:{HLG},format=yuv420p10le", X265, "transfer primaries matrix"),
    "HLG of full range": (
        "mp4",
        f"{LIGHT}:{HLG}:r=full,format=yuv420p10le",
        X265,
        "transfer primaries matrix range",
    ),
    "HLG in 8 bits": ("mp4", f"{LIGHT}:{HLG},format=yuv420p", X264, "transfer primaries matrix"),
    "HLG in ProRes": (
        "mov",
        f"{LIGHT}:{HLG},format=yuv422p10le",
        ("-c:v", "prores_ks"),
        "transfer primaries matrix",
    ),
    "PQ of 12 bits": ("mp4", f"{LIGHT}:{PQ},format=yuv420p12le", X265, "transfer primaries matrix"),
    "PQ with the light it was mastered for": (
        "mp4",
        f"{LIGHT}:{PQ},format=yuv420p10le",
        (*X265[:-1], f"{X265[-1]}:hdr10=1:max-cll=203,100:master-display={CINEMA}"),
        "transfer primaries matrix",
    ),
    "PQ in ICtCp": ("mkv", f"{LIGHT}:{PQ}:m=ictcp,format=yuv444p12le", FFV1, "transfer primaries matrix"),
    "PQ in RGB": ("mkv", f"{LIGHT}:t=smpte2084:m=gbr:r=full,format=gbrp12le", FFV1, "transfer primaries matrix range"),
    "linear light": ("mkv", f"{LIGHT}:p=709:t=linear:m=gbr:r=full,format=gbrp16le", FFV1, "transfer matrix range"),
    "SDR of BT.2020": ("mp4", f"{IN}:p=2020:t=2020_10:m=2020_ncl,format=yuv420p10le", X265, "primaries matrix"),
    "constant luminance": ("mkv", f"{IN}:p=2020:t=2020_10:m=2020_cl,format=yuv444p10le", FFV1, "primaries matrix"),
    "Display P3": ("mp4", f"{IN}:p=smpte432", X264, "primaries"),
    "BT.601 of NTSC": ("mp4", f"{IN}:p=170m:t=601:m=170m", X264, "primaries matrix"),
    "BT.601 of PAL": ("mp4", f"{IN}:p=bt470bg:t=601:m=470bg", X264, "primaries matrix"),
    "PAL by its tags alone": (
        "mp4",
        f"{IN}:m=470bg,setparams=color_primaries=bt470bg:color_trc=bt470bg",
        X264,
        "primaries matrix",
    ),
    "SD without tags": ("avi", f"{IN}:m=170m,{UNTAGGED}", ("-c:v", "mpeg4", "-q:v", "1"), "matrix"),
    "HD without tags": ("avi", f"scale=1280:1280,{UNTAGGED}", ("-c:v", "mpeg4", "-q:v", "1"), ""),
    "full range": ("mp4", f"{IN}:r=full", X264, "range"),
    "BT.601 of full range": ("mp4", f"{IN}:m=170m:r=full", X264, "matrix range"),
    "motion JPEG": ("mov", "null", ("-c:v", "mjpeg", "-q:v", "1", "-pix_fmt", "yuvj422p"), "matrix range"),
    "FCC": ("mkv", f"{IN}:m=fcc", FFV1, "matrix"),
    "YCgCo": ("mp4", f"{GBR},format=gbrp,zscale=min=gbr:m=ycgco:r=limited,format=yuv444p", X264, "matrix"),
    "RGB in H.264": ("mp4", f"{GBR},format=gbrp", ("-c:v", "libx264rgb", "-crf", "8"), "matrix range"),
    "RGB of 16 bits": ("mov", f"{GBR},format=gbrp16", ("-c:v", "png", "-pix_fmt", "rgb48be"), "matrix range"),
    "RGB with alpha": ("mov", f"{GBR},format=gbrp", ("-c:v", "png", "-pix_fmt", "rgba"), "matrix range"),
    "HuffYUV": ("avi", f"{GBR},format=gbrp", ("-c:v", "huffyuv", "-pix_fmt", "rgb24"), "matrix range"),
    "4:4:4": ("mp4", "format=yuv444p", X264, ""),
    "4:1:1": ("mkv", "scale=in_color_matrix=bt709:out_color_matrix=bt709,format=yuv411p", FFV1, ""),
    "packed 4:2:2": ("mov", "format=uyvy422", ("-c:v", "rawvideo"), ""),
    "alpha": ("mov", "format=yuva444p10le", ("-c:v", "prores_ks"), ""),
    "the curve of sRGB": ("mp4", "setparams=color_trc=iec61966-2-1", X264, ""),
    "a matrix that does not go with its curve": ("mp4", "setparams=colorspace=ictcp", X264, "matrix"),
}
"""Container, filters that make the source, encoder, and what of it is converted."""

UNSEEN = ("PQ in ICtCp", "YCgCo", "constant luminance", "a matrix that does not go with its curve")
"""Of these a picture of the source shows the luma alone."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait of strong colours in BT.709, limited range, 8 bits, lossless."""
    folder = tmp_path_factory.mktemp("original")
    cv2.imwrite(str(folder / "a.png"), portrait(SIDE, SIDE)[:, :, ::-1])
    tags = "setparams=color_primaries=bt709:color_trc=bt709"
    to_709 = f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,{tags}"
    make("-loop", "1", "-t", "0.12", "-i", folder / "a.png", "-vf", to_709, *FFV1, folder / "a.mkv")
    return folder / "a.mkv"


def normalized(path: Path, mp4: Path) -> Probe:
    facts = probe(path)
    whole = Box(0, 0, *facts.display)
    frames = upright_squares(video_input(path, facts), facts, whole, whole)
    run(frames.output(str(mp4), **{"frames:v": 2}, **H264, crf=4, preset="ultrafast"), lambda pipe: pipe.read())
    return facts


def first_frame(path: Path) -> tuple[Image, tuple[int, ...]]:
    """Its RGB as SIDE x SIDE, and its tags."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        tags = (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
        return frame.to_ndarray(format="rgb24", width=SIDE, height=SIDE).astype(np.uint8), tuple(map(int, tags))


def means(image: Image) -> NDArray[np.float64]:
    return np.asarray(image.mean(axis=(0, 1)), np.float64)


@pytest.mark.parametrize("case", SOURCES)
def test_the_picture_comes_back_in_bt709(tmp_path: Path, original: Path, case: str) -> None:
    suffix, filters, encoder, expected = SOURCES[case]
    path = tmp_path / f"a.{suffix}"
    make("-i", original, "-vf", filters, *encoder, path)
    facts = normalized(path, tmp_path / "out.mp4")
    wanted, _ = first_frame(original)
    image, tags = first_frame(tmp_path / "out.mp4")
    assert tags == (1, 1, 1, 1), "BT.709, limited range"
    np.testing.assert_allclose(means(image), means(wanted), atol=NEAR)
    assert set(converted(facts.colours)) == set(expected.split())
    pictures = [next(sample_frames(path, facts, 2)).image(), picture_at(path, 0.0, (SIDE, SIDE))]
    for picture in pictures:
        assert picture is not None
        near = 40 if case in UNSEEN else 6
        np.testing.assert_allclose(means(picture), means(wanted), atol=near)


def test_grey_stays_grey(tmp_path: Path, original: Path) -> None:
    make("-i", original, "-vf", "format=gray", *FFV1, tmp_path / "a.mkv")
    facts = normalized(tmp_path / "a.mkv", tmp_path / "out.mp4")
    image, tags = first_frame(tmp_path / "out.mp4")
    assert tags == (1, 1, 1, 1)
    wanted, _ = first_frame(tmp_path / "a.mkv")
    np.testing.assert_allclose(means(image), means(wanted), atol=NEAR)
    assert np.ptp(means(image)) < 0.1
    assert facts.colours.tags.matrix is None


def test_what_is_bt709_already_keeps_its_numbers(tmp_path: Path, original: Path) -> None:
    make("-i", original, "-vf", "scale=512:512", *X264, tmp_path / "a.mp4")
    normalized(tmp_path / "a.mp4", tmp_path / "out.mp4")
    make("-i", tmp_path / "a.mp4", *FFV1, tmp_path / "plain.mkv")
    with av.open(str(tmp_path / "a.mp4")) as before, av.open(str(tmp_path / "out.mp4")) as after:
        pair = (next(one.decode(video=0)).to_ndarray().astype(int) for one in (before, after))
        first, second = pair
    assert np.abs(first - second).mean() < 1


def test_padding_of_hdr_is_black(tmp_path: Path, original: Path) -> None:
    path = tmp_path / "a.mp4"
    make("-i", original, "-vf", f"{LIGHT}:{HLG},format=yuv420p10le", *X265, path)
    facts = probe(path)
    whole = Box(0, 0, *facts.display)
    beyond = Box(-SIDE // 2, 0, 2 * SIDE, 2 * SIDE)
    frames = upright_squares(video_input(path, facts), facts, beyond, whole)
    out = frames.output(str(tmp_path / "b.mp4"), **{"frames:v": 1}, **H264, crf=4)
    run(out, lambda pipe: pipe.read())
    image, _ = first_frame(tmp_path / "b.mp4")
    assert image[SIDE * 5 // 8 :].max() < 8


def test_bt709_is_not_converted_and_rgb_always_is() -> None:
    assert converted(Colours(BT709, YUV, hd=False)) == {}
    assert converted(Colours(Tags(None, None, None, None), RGB, hd=False)) == {"matrix": "gbr", "range": "pc"}
