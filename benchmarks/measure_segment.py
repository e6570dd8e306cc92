"""What `segment` costs by step, in CPU milliseconds a frame: `python -m benchmarks.measure_segment VIDEO`.

Each step is measured by itself, on one core, beside the cost of decoding alone; the sum is what the stages `scan` and
`voice` come to. CPU time hardly depends on what else the machine does; the best of several runs is told.
"""

import argparse
import resource
from collections.abc import Callable
from pathlib import Path

from portrait_prep.media.ffmpeg import sound_input
from portrait_prep.media.probe import probe
from portrait_prep.media.probe_sound import read_tracks
from portrait_prep.media.source_frames import all_frames_between
from portrait_prep.stages.models.mediapipe import face_detector
from portrait_prep.stages.recordings.blends import blends
from portrait_prep.stages.recordings.cuts import cuts
from portrait_prep.stages.recordings.difference import luma_of
from portrait_prep.stages.recordings.faces import SEARCH, FaceTracker, scale_of
from portrait_prep.stages.recordings.hearing import hear
from portrait_prep.stages.recordings.shots import SIZE
from portrait_prep.stages.recordings.voice import Recording
from portrait_prep.stages.sound.audio_source import AudioSource
from portrait_prep.stages.sound.track_choice import LISTENED, SOUND_TRACK, chosen_track


class Steps:
    """The steps of one video, each of which goes through all of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.facts = path, probe(path)
        self.times, self.lumas = list[float](), []
        for time, frame in all_frames_between(path, self.facts, 0, self.facts.duration):
            self.times.append(time)
            self.lumas.append(luma_of(frame.thumbnail(*SIZE)))

    def decoding(self) -> None:
        """All frames, and nothing else."""
        for _ in all_frames_between(self.path, self.facts, 0, self.facts.duration):
            pass

    def small_pictures(self) -> None:
        """Decoding, and the pictures in which shots are told apart."""
        for _, frame in all_frames_between(self.path, self.facts, 0, self.facts.duration):
            luma_of(frame.thumbnail(*SIZE))

    def shots(self) -> None:
        """Cuts, dissolves and wipes in these."""
        frames = list(zip(self.times, self.lumas, strict=True))
        list(cuts(frames))
        list(blends(frames))

    def detector(self) -> None:
        """Decoding, and the search for faces."""
        last, scale = -1.0, scale_of(self.facts)
        for time, frame in all_frames_between(self.path, self.facts, 0, self.facts.duration):
            if time // SEARCH != last:
                face_detector()(frame.image(scale))
            last = time // SEARCH

    def faces(self) -> None:
        """Decoding, the search for faces, and looks at them and their mouths."""
        tracker = FaceTracker(self.facts)
        for number, (time, frame) in enumerate(all_frames_between(self.path, self.facts, 0, self.facts.duration)):
            tracker(time, frame, begins=number == 0)

    def voice(self) -> None:
        """Decoding the sound, who speaks when, and its bands."""
        found = read_tracks(self.path)
        audio = AudioSource(self.path.name, sound_input(self.path), found.tracks, found.origin, separate=False)
        chosen = chosen_track(audio, SOUND_TRACK, LISTENED)
        hear(Recording(self.path, found.origin, chosen.audio).listen, 0, self.times[-1])


def spent(step: Callable[[], None], repeats: int) -> float:
    """CPU seconds of this process and those it starts, the least of several runs."""

    def now() -> float:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    found = []
    for _ in range(repeats):
        begin = now()
        step()
        found.append(now() - begin)
    return min(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what segment costs by step.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    steps = Steps(arguments.video)
    names = ("decoding", "small_pictures", "shots", "detector", "faces", "voice")
    cost = {name: 1000 * spent(getattr(steps, name), arguments.repeats) / len(steps.times) for name in names}
    decoding = cost["decoding"]
    rows = {
        "decoding": decoding,
        "small pictures for shots": cost["small_pictures"] - decoding,
        "shots: cuts, dissolves, wipes": cost["shots"],
        "faces: the detector, each 0.4 s": cost["detector"] - decoding,
        "faces: followed, and their mouths": cost["faces"] - cost["detector"],
        "voice": cost["voice"],
    }
    print("| step | CPU ms a frame |\n| --- | --- |")
    for name, milliseconds in rows.items():
        print(f"| {name} | {milliseconds:.2f} |")
    total = sum(rows.values())
    print(f"| all | {total:.2f}: {1000 / total / (steps.facts.fps or 25):.1f} times real time |")


if __name__ == "__main__":
    main()
