"""What is opened is video or sound that lies in the one file, whatever its name; what reads further stays closed."""

import shutil
from pathlib import Path

import av
import pytest

from portrait_prep.errors import Damaged
from portrait_prep.manifests.corpora.folder.files import PERHAPS, SUFFIXES
from portrait_prep.manifests.corpora.folder.halves import SOUND_SUFFIXES
from portrait_prep.media.container import NotAVideo, opened
from portrait_prep.media.ffmpeg import FfmpegFailed, run, sound_input
from portrait_prep.media.formats import BARE_VIDEO, CONTAINERS, SOUND
from portrait_prep.media.frames import read_frames
from portrait_prep.media.probe import duration, probe
from portrait_prep.media.probe_sound import probe_sound
from tests.clips import make

H264 = ("-c:v", "libx264", "-c:a", "aac")
OTHER = ("-c:v", "mpeg2video", "-c:a", "mp2")
MADE = {
    **dict.fromkeys(("mp4", "m4v", "mov", "f4v", "3gp", "3g2", "mkv", "flv", "ts", "m2ts"), H264),
    **dict.fromkeys(("mpg", "mpeg", "vob", "avi", "asf", "nut", "wtv"), OTHER),
    "webm": ("-c:v", "libvpx", "-c:a", "libopus"),
    "wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
    "ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "mxf": ("-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000"),
    "rm": ("-c:v", "rv20", "-c:a", "ac3", "-s", "176x144"),
    "dv": ("-s", "720x576", "-pix_fmt", "yuv420p", "-c:v", "dvvideo", "-c:a", "pcm_s16le", "-ar", "48000", "-ac", "2"),
    "gxf": ("-s", "720x576", "-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000", "-g", "12"),
    **dict.fromkeys(("h264", "hevc", "m2v", "y4m", "ivf", "obu"), ("-an",)),
}
"""Suffix -> how FFmpeg makes one."""
UNTIMED = ("h264", "hevc")
"""Streams whose pictures come in another order than they are shown in, with nothing that tells when."""
SOUNDS = (
    *("wav", "w64", "mp3", "aac", "flac", "opus", "ogg", "oga", "m4a", "mka", "wma", "ac3", "aif", "aiff", "caf"),
    *("amr", "au", "eac3", "dts", "wv", "tta", "voc", "mp2"),
)


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seed") / "seed.mkv"
    sources = (
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=128x96:r=25:d=0.6,format=yuv420p",
        "-f",
        "lavfi",
        "-i",
        "sine=440:r=16000:d=0.6",
    )
    make(*sources, "-c:v", "ffv1", "-c:a", "pcm_s16le", path)
    return path


@pytest.mark.parametrize("suffix", MADE)
def test_a_video_of_every_kind_is_opened(tmp_path: Path, seed: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    make("-i", seed, *MADE[suffix], "-strict", "-2", path)
    with opened(path.rename(tmp_path / "a.dat")) as container:
        assert [stream.codec_context.width for stream in container.streams.video] in ([128], [176], [720])
    if suffix in UNTIMED:
        with pytest.raises(NotAVideo, match=r"tells no times of its frames: .* by 'ffmpeg"):
            probe(tmp_path / "a.dat")
        make("-i", tmp_path / "a.dat", tmp_path / "a.mp4")
    probed = probe(tmp_path / ("a.mp4" if suffix in UNTIMED else "a.dat"))
    assert 0.5 < probed.duration < 0.75


@pytest.mark.parametrize("suffix", SOUNDS)
def test_sound_of_every_kind_is_opened(tmp_path: Path, seed: Path, suffix: str) -> None:
    rate = ("-ar", "8000") if suffix == "amr" else ()
    make("-i", seed, "-vn", *rate, "-strict", "-2", tmp_path / f"a.{suffix}")
    assert probe_sound(tmp_path / f"a.{suffix}").tracks


def test_the_names_are_those_of_formats() -> None:
    known = {name for names in av.formats_available for name in names.split(",")}
    assert {*CONTAINERS, *BARE_VIDEO, *SOUND} <= known


PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile 'b.mp4'\n",
    "concat, twice": "ffconcat version 1.0\nfile 'b.mp4'\nfile 'b.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nb.ts\n#EXT-X-ENDLIST\n",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' "
    "profiles='urn:mpeg:dash:profile:isoff-main:2011' type='static'/>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "vobsub": "# VobSub index file, v7\nsize: 64x48\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n",
    "subtitles": "1\n00:00:00,000 --> 00:00:02,000\nhello\n\n2\n00:00:03,000 --> 00:00:04,000\nhello\n",
    "metadata": ";FFMETADATA1\ntitle=b.mp4\n",
    "script": "SBG\nNow == off\n",
    "drawing": "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'><image href='b.png'/></svg>",
}


@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "idx"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_what_leads_elsewhere_is_refused_in_words(tmp_path: Path, seed: Path, kind: str, suffix: str) -> None:
    make("-i", seed, *H264, tmp_path / "b.mp4")
    (tmp_path / f"a.{suffix}").write_text(PLAYLISTS[kind])
    with (
        pytest.raises(NotAVideo, match=r"^is (not a (readable )?video|a still image)") as refusal,
        opened(tmp_path / f"a.{suffix}"),
    ):
        pass
    assert len(str(refusal.value).splitlines()) == 1
    with pytest.raises(FfmpegFailed):
        run(sound_input(tmp_path / f"a.{suffix}").output("pipe:", format="s16le"), lambda pipe: pipe.read())


def test_a_playlist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text(PLAYLISTS["concat"])
    with pytest.raises(NotAVideo, match="what FFmpeg calls 'concat': such files, playlists among them, are not opened"):
        probe(path)
    with pytest.raises(NotAVideo, match="is not a sound file but what FFmpeg calls 'concat'"):
        probe_sound(path)
    with pytest.raises(Damaged):
        list(read_frames(path))


def test_lists_of_lists_take_no_time(tmp_path: Path, seed: Path) -> None:
    make("-i", seed, *H264, tmp_path / "0.mp4")
    for level in range(1, 5):
        lines = f"file '{level - 1}.mp4'\n" * 50
        (tmp_path / f"{level}.mp4").write_text(f"ffconcat version 1.0\n{lines}")
    assert duration(tmp_path / "4.mp4") is None  # 6 million videos, else


def test_a_numbered_name_is_no_series_of_pictures(tmp_path: Path, seed: Path) -> None:
    make("-i", seed, "-frames:v", "3", tmp_path / "p%d.png")
    shutil.copy(tmp_path / "p1.png", tmp_path / "p%d.mp4")
    for name in ("p%d.png", "p%d.mp4"):
        shutil.copy(tmp_path / "p1.png", tmp_path / name)
        with pytest.raises(NotAVideo, match="is a still image"):
            probe(tmp_path / name)


SAME = {
    **{"qt": "mov", "mp4v": "mp4", "divx": "avi", "xvid": "avi", "mpe": "mpg", "mts": "ts", "m2t": "ts", "ogm": "ogv"},
    **{"rmvb": "rm", "tod": "mpg", "mod": "mpg", "dat": "mpg", "mjpg": "mjpeg", "h265": "hevc", "weba": "webm"},
    **{"ismv": "mp4"},
}
"""Other endings of the same formats."""


def test_every_ending_that_is_listed_is_tried() -> None:
    endings = {suffix[1:] for suffix in SUFFIXES | PERHAPS | SOUND_SUFFIXES}
    assert {SAME.get(ending, ending) for ending in endings} <= {*MADE, *SOUNDS, "mjpeg"}  # a still, to FFmpeg
