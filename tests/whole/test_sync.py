"""`sync` and `keep_sound` as a user types them, on people who talk and whose sound was moved."""

import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clips import make
from tests.whole.runs import CLIPS, portrait_prep

MOVED = {"WDA_AlexandriaOcasioCortez_000": 0.2, "fullhd_demo1": -0.28}
"""Clip -> seconds by which its sound is made later; in the first one it is 3 frames late by itself."""
LAGS = {"WDA_AlexandriaOcasioCortez_000": -8, "fullhd_demo1": 7}
RATE = 16000

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CLIPS.is_dir():
        pytest.skip(f"the real clips are not at {CLIPS}")
    folder = tmp_path_factory.mktemp("sync")
    source = folder / "clips"
    source.mkdir()
    for name, seconds in MOVED.items():
        clip = CLIPS / f"{name}.mp4"
        both = ("-i", clip, "-itsoffset", str(seconds), "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy")
        make(*both, source / f"{name}.mkv")
    root = folder / "w"
    succeed("init", "folder", "--source", source, "-w", root)
    succeed("run", "-w", root, "--workers", "2")
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "w", symlinks=True))


def succeed(*words: str | Path) -> str:
    done = portrait_prep(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def manifest(root: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((root / "manifests" / f"{name}.json").read_text()))


def heard(root: Path, name: str) -> NDArray[np.int16]:
    with wave.open(str(root / "media" / f"{name}.wav")) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def listed(root: Path, *words: str) -> dict[str, tuple[int, int, float | None, float | None]]:
    told = json.loads(succeed("sync", "--json", "-w", root, *words))
    keys = ("lag_frames", "lag_ms", "sound_shift", "new_sound_shift")
    return {one["video_id"]: tuple(one[key] for key in keys) for one in told}


@pytest.mark.slow
def test_out_of_step_they_are_rejected_and_once_moved_accepted(root: Path) -> None:
    before = {name: heard(root, name) for name in MOVED}
    digests = {name: manifest(root, name)["stages"]["landmarks"]["digest"] for name in MOVED}
    assert [manifest(root, name)["quality"]["rules"] for name in MOVED] == [["max_lag"]] * 2
    asked = {name: round(frames / 25, 6) for name, frames in LAGS.items()}
    expected = {name: (frames, 40 * frames, None, asked[name]) for name, frames in LAGS.items()}
    assert listed(root) == expected
    assert listed(root, "--apply") == expected
    assert listed(root, "--apply") == {}
    why = succeed("run", "--dry-run", "-w", root)
    assert "catalogue field sound_shift changed: unset -> -0.32" in why
    computed = succeed("run", "-w", root, "--workers", "2")
    assert "normalize 2, landmarks 0, headpose 0, torso 0, speech 2, stats 2" in computed
    for name, seconds in asked.items():
        told, by = manifest(root, name), round(seconds * RATE)
        assert told["quality"]["accepted"]
        assert told["source"]["sound_shift"] == told["stages"]["normalize"]["metrics"]["sound_shift"] == seconds
        assert told["stages"]["landmarks"]["digest"] == digests[name]
        assert moved(before[name], heard(root, name)) == by
    assert listed(root) == {name: (0, 0, shift, shift) for name, shift in asked.items()}
    assert "Nothing found" in succeed("audit", "--deep", "-w", root)


def moved(before: NDArray[np.int16], after: NDArray[np.int16]) -> int:
    """By how many samples, from the peak of the cross-correlation."""
    spectra = [np.fft.rfft(sound.astype(float), 2 * len(before)) for sound in (before, after)]
    peak = int(np.fft.irfft(np.conj(spectra[0]) * spectra[1]).argmax())
    return peak if peak < len(before) else peak - 2 * len(before)


@pytest.mark.slow
def test_init_again_keeps_what_is_moved(root: Path) -> None:
    succeed("sync", "--apply", "--only", "fullhd*", "-w", root)
    succeed("init", "folder", "--source", source_of(root), "-w", root)
    assert manifest(root, "fullhd_demo1")["source"]["sound_shift"] == 0.28
    assert manifest(root, "WDA_AlexandriaOcasioCortez_000")["source"]["sound_shift"] is None


def source_of(root: Path) -> Path:
    return Path(manifest(root, "fullhd_demo1")["source"]["source"]).parent


def keep_sound(root: Path, value: str) -> None:
    settings = root / "pipeline.toml"
    kept = [line for line in settings.read_text().splitlines() if not line.startswith("keep_sound")]
    kept.insert(kept.index("[normalize]") + 1, f"keep_sound = {value}")
    settings.write_text("\n".join(kept))


@pytest.mark.slow
def test_the_sound_is_kept_at_the_rate_of_its_source_while_that_is_set(root: Path) -> None:
    flac, wav = root / "media/fullhd_demo1.flac", heard(root, "fullhd_demo1")
    keep_sound(root, "true")
    assert "normalize 2, landmarks 0, headpose 0, torso 0, speech 0, stats 0" in succeed("run", "-w", root)
    with av.open(str(flac)) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        assert (stream.sample_rate, samples) == (44100, len(wav) * 44100 // RATE)
    outputs = manifest(root, "fullhd_demo1")["stages"]["normalize"]["outputs"]
    assert {Path(output["path"]).suffix for output in outputs} == {".parquet", ".mp4", ".wav", ".flac"}
    assert "Nothing found" in succeed("audit", "--deep", "--sample", "1", "-w", root)
    keep_sound(root, "false")
    succeed("run", "-w", root)
    assert not flac.exists()
    assert "Nothing found" in succeed("audit", "-w", root)


def test_what_cannot_be_is_refused_and_what_is_not_there_yet_is_told(
    tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").write_bytes(b"a")
    assert typed("sync", "-w", tmp_path / "w")[0] == 2
    typed("init", "folder", "--source", tmp_path / "clips", "-w", tmp_path / "w")
    code, out, _ = typed("sync", "-w", tmp_path / "w")
    assert (code, out.splitlines()) == (
        0,
        [
            "0 lags known, 0 of them in step to a frame.",
            f"Not measured as they are now: 1 (a). First: portrait-prep run -w {tmp_path / 'w'}",
        ],
    )
    assert typed("sync", "--only", "b", "-w", tmp_path / "w")[0] == 2
    assert typed("sync", "--json", "-w", tmp_path / "w")[:2] == (0, "[]\n")
    assert typed("sync", "--forget", "-w", tmp_path / "w")[:2] == (0, "No sound is shifted.\n")
    assert typed("sync", "--forget", "--apply", "-w", tmp_path / "w")[0] == 2
