"""Stage `normalize`: one upright square of 512x512 pixels at 25 frames a second, and its sound, in step.

Frame k of the mp4 is the source frame nearest in time to k/25 s after the first; samples 640k … 640k+639 of the wav
are what sounded from there on, whatever offsets, edit lists and encoder delays the source has. A sound file that the
catalogue names takes the place of the source's own sound and begins with the first frame.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import av
import ffmpeg
import numpy as np
from pydantic import Field

from portrait_prep.manifests.catalogue import Video
from portrait_prep.manifests.record import Record
from portrait_prep.media.container import NotAVideo
from portrait_prep.media.ffmpeg import FfmpegFailed, Outcome, run
from portrait_prep.media.frames import FPS, SIZE, read_frames
from portrait_prep.media.probe import Probe, probe
from portrait_prep.media.wav import HEADER, RATE, SAMPLES_PER_FRAME, Level, finish, receive
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.sound import lag
from portrait_prep.stages.sound.audio_source import AudioSource, own_audio_source
from portrait_prep.stages.sound.lag import Lag, lag_between
from portrait_prep.stages.sources import readable, require
from portrait_prep.stages.video.crop import Box, Faces, Region, main_face, region_of, square
from portrait_prep.stages.video.faces import sample_faces
from portrait_prep.stages.video.resample import opened, upright_squares

FEWEST_FRAMES = 2

LOST_SOUND = 0.01
"""Share of sound packets that may be damaged: each costs some 20 ms, where a video frame spoils all that follow it."""

COMPARED = 20.0
"""Seconds of a sound file that are compared with the picture's own sound."""

MISCOUNT = 0.01
"""Share by which the number of frames may differ from what the timestamps promise; two frames are always allowed."""


class NormalizeParams(Params):
    """How the square is chosen and how the video is encoded."""

    margin: float = Field(2.2, ge=1, le=8, description="side of the square in face heights (forehead to chin)")
    tightest: float = Field(
        1.5, ge=1, le=8, description="where the picture is too small for the margin: go down to this before padding"
    )
    samples: int = Field(16, ge=4, le=64, description="frames on which the face is looked for")
    crf: int = Field(17, ge=0, le=30, description="x264 constant rate factor; up to 18 is visually lossless")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = Field(
        "veryfast", description="x264 preset: slower is smaller"
    )
    fast_decode: bool = Field(
        True, description="encode for twice the decoding speed (CAVLC, no deblocking), about 10 % larger"
    )
    gop: int = Field(25, ge=1, le=250, description="frames from keyframe to keyframe at most; groups are closed")


def process(job: Job[NormalizeParams]) -> Iterator[Batch]:
    """Probe, find the face, encode. Yields one row.

    Raises BadVideo when the source or its sound file is damaged or there is no face, SourceAway while one is not there.
    """
    require(job)
    try:
        row = _normalized(job)
    except BadVideo:
        require(job)  # what looked damaged may have gone on the way
        raise
    yield row


def _normalized(job: Job[NormalizeParams]) -> Batch:
    facts = _probed(job)
    audio = own_audio_source(job, facts) or _picture_audio_source(job, facts)
    samples, box, region = _framed(job, facts)
    frames, level, downmix = _encoded(job, facts, audio, upright_squares(_input(job, facts), facts, box, region.box))
    job.frames = frames
    face = main_face(samples, *facts.display)
    counts = [len(faces) for faces in samples]
    late = _lag(job, facts) if audio.own else Lag(None, None)
    job.metrics.update(
        n_frames=frames,
        seconds=frames / FPS,
        has_audio=level is not None,
        silent=level is not None and level.silent,
        downmix=downmix,
        sound_offset=late.seconds,
        sound_likeness=late.likeness,
        framing=region.framing,
        samples=len(samples),
        face_share=len(face) / len(samples),
        face_size=float(np.median(face[:, 2])),
        upscaling=SIZE / box.w,
        faces_median=float(np.median(counts)),
        faces_max=max(counts),
    )
    return _row(job, facts, box, region) | _heard_row(job, audio, level)


def _probed(job: Job[NormalizeParams]) -> Probe:
    try:
        return probe(readable(job), job.video.start, job.video.end)
    except NotAVideo as error:
        raise BadVideo(f"{job.source.name} {error}") from error


def _framed(job: Job[NormalizeParams], facts: Probe) -> tuple[list[Faces], Box, Region]:
    """The faces found on samples, the square, and what it may show. Raises BadVideo where there is no face."""
    region = region_of(job.video, facts.display)
    samples = sample_faces(readable(job), facts, job.params.samples, region.box)
    face = main_face(samples, *facts.display)
    if len(face) == 0:
        _check_whole(job, facts)
        raise BadVideo(f"{job.source.name} shows no face on any of {len(samples)} frames looked at")
    if region.framing == "annotated":
        return samples, region.box, region
    return samples, square(face, region.box, job.params.margin, job.params.tightest), region


def _encoded(
    job: Job[NormalizeParams], facts: Probe, audio: AudioSource, picture: Any
) -> tuple[int, Level | None, str]:
    """Write mp4 and wav; return the number of frames, what was heard (None without a track) and how it was mixed."""
    video, sound = job.output("mp4"), job.output("wav")
    mp4 = picture.output(str(video), **_encoding(job.params, facts))
    seconds, channels = facts.duration + 1, audio.channels
    level = _write(job, facts, audio, [mp4, audio.samples(seconds, channels)], sound, channels)
    downmix = "none" if channels == 1 else "mean"
    if level.cancelled:
        level, downmix = _write(job, facts, audio, [audio.samples(seconds, 1, only=0)], sound, 1), "left"
    frames = _count_frames(video)
    _check_count(job, facts, frames)
    finish(sound, frames * SAMPLES_PER_FRAME)
    return frames, level if audio.tracks else None, downmix


def _picture_audio_source(job: Job[NormalizeParams], facts: Probe) -> AudioSource:
    """What sounds in the picture's own file."""
    return AudioSource(job.source.name, _input(job, facts), facts.tracks, facts.start, own=False)


def _lag(job: Job[NormalizeParams], facts: Probe) -> Lag:
    """How much later than the picture's own sound the sound file, which is written already, says the same."""
    if not facts.tracks:
        return Lag(None, None)
    seconds, pieces = min(COMPARED, facts.duration), list[bytes]()
    try:
        run(_picture_audio_source(job, facts).samples(seconds, 1), lambda pipe: pieces.append(pipe.read()))
    except FfmpegFailed:
        return Lag(None, None)
    with job.output("wav").open("rb") as file:
        file.seek(HEADER)
        written = file.read(2 * round(seconds * RATE))
    return lag_between(np.frombuffer(pieces[0], "<i2"), np.frombuffer(written, "<i2"), RATE)


def _input(job: Job[NormalizeParams], facts: Probe) -> Any:
    return opened(readable(job), facts)


def _encoding(params: NormalizeParams, facts: Probe) -> dict[str, Any]:
    """Options of the mp4: the same frames give the same bytes."""
    return {
        "format": "mp4",
        "vcodec": "libx264",
        "preset": params.preset,
        "crf": params.crf,
        **({"tune": "fastdecode"} if params.fast_decode else {}),
        "g": params.gop,
        "x264-params": "open-gop=0",
        "threads": 1,
        "frames:v": _expected(facts),
        "map_metadata": -1,
        "map_chapters": -1,
        "flags:v": "+bitexact",
        "fflags": "+bitexact",
        "movflags": "+faststart",
    }


def _expected(facts: Probe) -> int:
    """Frames that the timestamps promise."""
    return max(round(facts.duration * FPS), 1)


def _write(
    job: Job[NormalizeParams], facts: Probe, audio: AudioSource, outputs: list[Any], sound: Path, channels: int
) -> Level:
    """Run ffmpeg and receive the sound. Raises BadVideo when a file turns out to be damaged."""
    heard = Level()

    def consume(pipe: Any) -> None:
        nonlocal heard
        heard = receive(pipe, sound, channels)

    try:
        outcome = run(ffmpeg.merge_outputs(*outputs).global_args("-filter_complex_threads", "1"), consume)
    except FfmpegFailed as error:
        _check_decoded(job, facts, audio, error.outcome)
        raise
    _check_decoded(job, facts, audio, outcome)
    return heard


def _check_whole(job: Job[NormalizeParams], facts: Probe) -> None:
    """Decode only: a damaged video is to be called damaged, whatever else is wrong with it."""
    picture = _input(job, facts)[str(facts.index)].output("-", format="null", t=facts.duration)
    _write(job, facts, _picture_audio_source(job, facts), [picture], job.output("wav"), 1)


def _check_decoded(job: Job[NormalizeParams], facts: Probe, audio: AudioSource, outcome: Outcome) -> None:
    """A single damaged frame spoils those after it up to the next keyframe, so none is allowed."""
    for found in outcome.decoded.values():
        if found.kind == "video" and found.damaged > facts.unkeyed:
            raise BadVideo(f"{job.source.name} is damaged: {found.damaged} of {len(facts.times)} frames do not decode")
        if found.kind == "audio" and found.damaged > max(min(found.frames, 1), LOST_SOUND * found.frames):
            raise BadVideo(f"{audio.name} is damaged: {found.damaged} pieces of its sound do not decode")
    if outcome.changed:
        name = audio.name if outcome.changed.startswith("audio") else job.source.name
        raise BadVideo(f"{name} changes its format on the way ({outcome.changed}): cut it there")


def _check_count(job: Job[NormalizeParams], facts: Probe, frames: int) -> None:
    expected = _expected(facts)
    if frames < FEWEST_FRAMES:
        raise BadVideo(f"{job.source.name} is too short: {len(facts.times)} frame(s), {facts.duration:.2f} s")
    if abs(frames - expected) > max(FEWEST_FRAMES, MISCOUNT * expected):
        raise BadVideo(f"{job.source.name} is damaged: {frames} frames came out where {expected} were promised")


def _count_frames(path: Path) -> int:
    """Frames of the written mp4, counted by its packets."""
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def _row(job: Job[NormalizeParams], facts: Probe, box: Box, region: Region) -> Batch:
    """What the one row of this video says of the picture."""
    values: dict[str, Any] = {
        "source": job.video.source,
        "sha256": _downloaded(job, "sha256"),
        "codec": facts.codec,
        "fps": facts.fps,
        "variable_rate": facts.variable_rate,
        "width": facts.width,
        "height": facts.height,
        "display_width": facts.display[0],
        "display_height": facts.display[1],
        "sample_aspect": float(facts.sample_aspect),
        "rotation": facts.orientation.rotation,
        "mirrored": facts.orientation.mirrored,
        "interlaced": facts.interlaced,
        "duration": facts.duration,
        "framing": region.framing,
        "crop_scale": region.scale,
        "crop_x": box.x,
        "crop_y": box.y,
        "crop_w": box.w,
        "crop_h": box.h,
        "n_frames": job.frames,
        "faces_max": job.metrics["faces_max"],
        "face_size": job.metrics["face_size"],
    }
    return _cells(PICTURE, values)


def _heard_row(job: Job[NormalizeParams], audio: AudioSource, level: Level | None) -> Batch:
    """What it says of the sound."""
    track = audio.track
    values: dict[str, Any] = {
        "sound": job.video.sound,
        "sound_sha256": _downloaded(job, "sound_sha256") if audio.own else None,
        "has_audio": track is not None,
        "silent": None if level is None else level.silent,
        "audio_tracks": len(audio.tracks),
        "audio_codec": None if track is None else track.codec,
        "audio_rate": None if track is None else track.rate,
        "audio_channels": None if track is None else track.channels,
        "audio_start": audio.start,
    }
    return _cells(SOUND, values)


def _downloaded(job: Job[NormalizeParams], column: str) -> Any:
    (value,) = (value for batch in job.read(f"download.{column}") for value in batch[column])
    return value


def _cells(columns: Iterable[Column], values: Mapping[str, Any]) -> Batch:
    return {column.name: _cell(column, values[column.name]) for column in columns}


def _cell(column: Column, value: Any) -> Any:
    plain = column.dtype != "str" and not column.nullable
    return np.array([value], np.dtype(column.dtype) if plain else object)


def _proof(workspace: Workspace, video: Video, record: Record) -> Iterator[tuple[str, Remedy]]:
    """Read the committed files again: as many frames decode, and as many samples are there, as recorded."""
    media = tuple(output.path for output in record.media)
    mend = Remedy("delete the video's media files and run again", media, run=True)
    frames = sum(1 for _ in read_frames(workspace.media(video.video_id, "mp4")))
    if frames != record.frames:
        yield f"the mp4 holds {frames} frames, not {record.frames}", mend
    samples = (workspace.media(video.video_id, "wav").stat().st_size - HEADER) // 2
    if samples != record.frames * SAMPLES_PER_FRAME:
        yield f"the wav holds {samples} samples, not {SAMPLES_PER_FRAME} for each of {record.frames} frames", mend


PICTURE = (
    Column("source", "str", meaning="where the video comes from, as in the catalogue"),
    Column("sha256", "str", meaning="sha256 of the source"),
    Column("codec", "str", meaning="video codec of the source"),
    Column("fps", "float64", unit="1/s", meaning="mean frame rate of the source"),
    Column("variable_rate", "bool", meaning="intervals between source frames differ"),
    Column("width", "int32", unit="px", meaning="stored width of the source"),
    Column("height", "int32", unit="px", meaning="stored height of the source"),
    Column("display_width", "int32", unit="px", meaning="width as displayed: square pixels, turned"),
    Column("display_height", "int32", unit="px", meaning="height as displayed: square pixels, turned"),
    Column("sample_aspect", "float64", meaning="width of a stored pixel over its height"),
    Column("rotation", "int32", unit="deg", meaning="clockwise turn from stored to displayed"),
    Column("mirrored", "bool", meaning="displayed reflected"),
    Column("interlaced", "bool", meaning="stored as fields; deinterlaced"),
    Column("duration", "float64", unit="s", meaning="length of the source, or of the interval taken from it"),
    Column("framing", "str", meaning="annotated: the catalogue's square; region: inside its crop; face: anywhere"),
    Column("crop_scale", "float64", meaning="pixels of the displayed source to one of that crop", nullable=True),
    Column("crop_x", "int32", unit="px", meaning="left edge of the square in the displayed source; negative: padded"),
    Column("crop_y", "int32", unit="px", meaning="top edge of the square in the displayed source; negative: padded"),
    Column("crop_w", "int32", unit="px", meaning="width of the square in the displayed source"),
    Column("crop_h", "int32", unit="px", meaning="height of the square in the displayed source"),
    Column("n_frames", "int32", meaning="frames of the normalized video"),
    Column("faces_max", "int32", meaning="most faces on any frame looked at"),
)
"""Columns about the picture."""

SOUND = (
    Column("sound", "str", meaning="file of the sound, as in the catalogue; null: the source itself", nullable=True),
    Column("sound_sha256", "str", meaning="sha256 of that file", nullable=True),
    Column("has_audio", "bool", meaning="there is an audio track"),
    Column("silent", "bool", meaning="that track is digital silence", nullable=True),
    Column("audio_tracks", "int32", meaning="audio tracks of the file of the sound; the default one was taken"),
    Column("audio_codec", "str", meaning="audio codec of that track", nullable=True),
    Column("audio_rate", "int32", unit="Hz", meaning="sample rate of that track", nullable=True),
    Column("audio_channels", "int32", meaning="channels of that track", nullable=True),
    Column("audio_start", "float64", unit="s", meaning="start of the sound after the first frame", nullable=True),
)
"""Columns about the sound."""

METRICS = (
    Metric("n_frames", "frames", "frames of the mp4"),
    Metric(
        "seconds",
        "s",
        "length as normalized",
        title="Duration",
        bounds=(
            at_least(
                "min_seconds",
                1.0,
                "least length of a video, seconds",
                "it lasts {value:.2f} s, less than {limit:g} s",
                ge=0,
            ),
        ),
    ),
    Metric("has_audio", "", "there is a track of sound", kind="flag"),
    Metric("silent", "", "that track is digital silence", kind="flag"),
    Metric("downmix", "", "how its channels became one: none, mean, or left where the mean cancels", kind="text"),
    Metric("framing", "", "what the square was chosen by: the catalogue's crop, a region, or the face", kind="text"),
    Metric("samples", "frames", "source frames on which the face was looked for"),
    Metric("face_share", "share", "share of these frames that show it"),
    Metric(
        "face_size",
        "px",
        "median width of the detector's box around the face on these frames, in source pixels",
        title="Face in the source",
        decimals=0,
    ),
    Metric(
        "upscaling",
        "×",
        "px of the 512 px frame to one source pixel, along a side; above 1 it is scaled up",
        title="Scaling",
        bounds=(
            at_most(
                "max_upscaling",
                4.0,
                "greatest factor from source pixels to the 512 px frame: at 4 a face has some 60 of them",
                "each source pixel became {value:.1f} in a row, more than {limit:g}: the face is too small in the "
                "source",
                gt=0,
            ),
        ),
        blind="whether the source had itself been scaled up: that is a matter of blur",
    ),
    Metric("faces_median", "", "median number of faces on these frames: others may stand outside the square"),
    Metric("faces_max", "", "most faces on one of these frames", title="Faces in the source", decimals=0),
    *lag.METRICS,
)

STAGE = Stage(
    name="normalize",
    version=3,
    params=NormalizeParams,
    columns=(*PICTURE, *SOUND),
    metrics=METRICS,
    process=process,
    reads=("download.file", "download.sha256", "download.sound_file", "download.sound_sha256"),
    rows="video",
    media=("mp4", "wav"),
    catalogue=("sound", "start", "end", "crop_x", "crop_y", "crop_w", "crop_h", "source_height"),
    models=lambda _: digests("face_detection_full_range_sparse"),
    proof=_proof,
    distributions=("av", "imageio-ffmpeg", "mediapipe"),
)
