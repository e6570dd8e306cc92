"""RAVDESS from its archives and IEMOCAP from its tree, as a user takes them from `init` to shards."""

import hashlib
import io
import json
import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.views.lhotse import SUPERVISIONS, write_lhotse
from tests.clips import clicks, portrait, steady, write_clip
from tests.iemocap_release import release, transcription_file
from tests.ravdess_release import write_sound
from tests.side_by_side import drawn, write_dialog
from tests.stages.fetch.server import Server
from tests.whole.contract import check_columns, check_media
from tests.whole.runs import columns, portrait_prep
from tests.whole.test_downloads import configure

RATE = 16000
TAKES = ("01-01-06-01-02-01-12", "01-01-06-02-02-01-12")


def heard(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture(scope="module")
def published(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archives of two takes of actor 12: their own tracks click at 1 s, their sound files at 2 s."""
    folder = tmp_path_factory.mktemp("takes")
    archives: dict[str, dict[str, bytes]] = {"Video_Speech_Actor_12.zip": {}, "Audio_Speech_Actors_01-24.zip": {}}
    for take in TAKES:
        film = write_clip(
            folder / f"{take}.mp4", steady(29.97, 3), portrait(320, 180), sound=clicks(3, 48000, [1.0])
        ).read_bytes()
        sound = write_sound(folder / f"03{take[2:]}.wav", clicks(3, 48000, [2.0])).read_bytes()
        archives["Video_Speech_Actor_12.zip"] |= {
            f"Actor_12/{take}.mp4": film,
            f"Actor_12/02{take[2:]}.mp4": film,
            f"__MACOSX/Actor_12/._{take}.mp4": b"junk",
        }
        archives["Audio_Speech_Actors_01-24.zip"][f"Actor_12/03{take[2:]}.wav"] = sound
    packed = {name: zipped(members) for name, members in archives.items()}
    files = [
        {
            "key": name,
            "size": len(content),
            "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
            "links": {"self": server.put(f"/api/records/1188976/files/{name}/content", content)},
        }
        for name, content in packed.items()
    ]
    server.put("/api/records/1188976", json.dumps({"files": files}).encode())
    return packed


@pytest.fixture(scope="module")
def takes(server: Server, published: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with these two takes, through all stages, and one that the archive lacks."""
    root = tmp_path_factory.mktemp("ravdess") / "w"
    missing = "01-01-01-01-01-01-12"
    options = ("--record", f"{server.address}/records/1188976", "--actor", "12", "--only", *TAKES, missing)
    done = portrait_prep("init", "ravdess", "-w", root, *options)
    assert done.returncode == 0, done.stderr
    configure(root, reserve=0.0, retries=0)
    run = portrait_prep("run", "-w", root, "--workers", "2")
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"{missing}: download failed:" in run.stdout
    assert "has no member" in run.stdout
    return root


@pytest.mark.parametrize("take", TAKES)
def test_a_take_has_its_picture_and_its_clean_sound(takes: Path, take: str) -> None:
    check_columns(takes, take, check_media(takes, take))
    (loudest,) = np.flatnonzero(np.abs(heard(takes / f"media/{take}.wav")) > 8000)[[0]] / RATE
    assert loudest == pytest.approx(2.0, abs=0.002)
    told = json.loads((takes / "manifests" / f"{take}.json").read_text())
    assert (told["subject"], told["split"]) == ("Actor_12", "train")
    reason = told["quality"]["reasons"][told["quality"]["rules"].index("max_sound_offset")]
    assert reason.startswith("the sound file is 1.000 s behind the video's own sound")
    labels = told["labels"]
    assert labels["emotion"] == "fearful"
    assert labels["intensity"] == ("normal" if take == TAKES[0] else "strong")


def test_each_archive_comes_once_and_a_second_run_asks_for_nothing(
    takes: Path, server: Server, published: dict[str, bytes]
) -> None:
    for name, content in published.items():
        assert server.sent(f"/api/records/1188976/files/{name}/content") == len(content)
    before = len(server.log)
    again = portrait_prep("run", "-w", takes, "--workers", "0")
    assert "download 0, normalize 0, landmarks 0" in again.stdout
    assert len(server.log) == before


def test_the_audit_finds_nothing_wrong(takes: Path) -> None:
    done = portrait_prep("audit", "-w", takes, "--deep")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def dialog(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One dialog in which she, on the left, and then he says something; the workspace, and the release."""
    folder = tmp_path_factory.mktemp("iemocap")
    film = write_dialog(folder / "film.avi", drawn("astronaut", "F"), drawn("actor", "M"))
    tone = (8000 * np.sin(np.arange(3 * RATE) / 5)).astype(np.int16)
    with wave.open(str(folder / "sentence.wav"), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes(tone.tobytes())
    spoken = {"Ses01F_impro01_F000": "ang", "Ses01F_impro01_M000": "neu"}
    root = release(folder, spoken, film, folder / "sentence.wav")
    done = portrait_prep("init", "iemocap", "-w", folder / "w", "--source", root)
    assert done.returncode == 0, done.stderr
    run = portrait_prep("run", "-w", folder / "w", "--workers", "2")
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "w", root


def test_an_utterance_has_the_half_of_its_speaker_and_its_sentence(dialog: tuple[Path, Path]) -> None:
    root, _ = dialog
    middles: dict[str, float] = {}
    for video_id, speaker, label in (
        ("Ses01F_impro01_F000", "Ses01F", "ang"),
        ("Ses01F_impro01_M000", "Ses01M", "neu"),
    ):
        check_columns(root, video_id, check_media(root, video_id))
        told: dict[str, Any] = json.loads((root / "manifests" / f"{video_id}.json").read_text())
        assert told["subject"] == speaker
        assert told["labels"]["emotion"] == label
        x, w = (int(found[0]) for found in columns(root, "normalize", video_id, "crop_x", "crop_w"))
        middles[speaker] = x + w / 2
        pcm = heard(root / f"media/{video_id}.wav").astype(float)
        assert np.sqrt(np.mean(pcm[RATE // 2 : RATE] ** 2)) == pytest.approx(8000 / np.sqrt(2), rel=0.1)
    assert middles["Ses01F"] < 360 < middles["Ses01M"]


def test_what_is_said_goes_to_lhotse_and_comes_late_without_work(dialog: tuple[Path, Path], tmp_path: Path) -> None:
    root, source = dialog
    path = transcription_file(source, "Ses01F_impro01")
    path.write_bytes(b"Ses01F_impro01_F000 [000.2500-003.2500]: [LAUGHTER] Caf\xe9?\r\nF: Yeah.\r\n")
    assert portrait_prep("init", "iemocap", "-w", root, "--source", source).returncode == 0
    again = portrait_prep("run", "-w", root, "--workers", "0")
    assert "normalize 0, landmarks 0, headpose 0, torso 0, speech 0, stats 0" in again.stdout
    assert portrait_prep("audit", "-w", root).returncode == 0
    write_lhotse(root, tmp_path, accepted=None)
    told = [json.loads(line) for line in (tmp_path / SUPERVISIONS).read_text("utf-8").splitlines()]
    assert {one["id"]: one.get("text") for one in told} == {
        "Ses01F_impro01_F000": "[LAUGHTER] Café?",
        "Ses01F_impro01_M000": None,
    }
