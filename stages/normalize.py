"""Stage `normalize`: one upright square of 512x512 pixels at 25 frames a second, and its sound, in step.

Frame k of the mp4 is the source frame nearest in time to k/25 s after the first; samples 640k … 640k+639 of the wav
are what sounded from there on, whatever offsets, edit lists and encoder delays the source has.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import av
import ffmpeg
import numpy as np
from pydantic import Field

from manifests.catalogue import Video
from manifests.probe import ONLY_LOCAL, NotAVideo, Orientation, Probe, probe
from manifests.record import Record
from pipeline.stage import BadVideo, Batch, Column, Job, Params, Stage
from pipeline.workspace import Workspace
from stages.crop import Box, Faces, main_face, square, stored
from stages.faces import sample_faces
from stages.ffmpeg import FfmpegFailed, Outcome, run
from stages.frames import FPS, SIZE, read_frames
from stages.models.registry import digests
from stages.sound import HEADER, RATE, SAMPLES_PER_FRAME, Level, finish, receive
from stages.sources import readable, require

FEWEST_FRAMES = 2

RUN_UP = 1.0
"""Seconds decoded before the start of an interval: decoders of sound need a little to settle."""

LOST_SOUND = 0.01
"""Share of sound packets that may be damaged: each costs some 20 ms, where a video frame spoils all that follow it."""

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

    Raises BadVideo when the source is damaged or shows no face, and SourceAway while it is not there.
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
    samples, box = _framed(job, facts)
    frames, level, downmix = _encoded(job, facts, box)
    job.frames = frames
    face = main_face(samples, *facts.display)
    counts = [len(faces) for faces in samples]
    job.metrics.update(
        n_frames=frames,
        seconds=frames / FPS,
        has_audio=level is not None,
        silent=level is not None and level.silent,
        downmix=downmix,
        samples=len(samples),
        face_share=len(face) / len(samples),
        face_size=float(np.median(face[:, 2])),
        faces_median=float(np.median(counts)),
        faces_max=max(counts),
    )
    return _row(job, facts, box, level)


def _probed(job: Job[NormalizeParams]) -> Probe:
    try:
        return probe(readable(job), job.video.start, job.video.end)
    except NotAVideo as error:
        raise BadVideo(f"{job.source.name} {error}") from error


def _framed(job: Job[NormalizeParams], facts: Probe) -> tuple[list[Faces], Box]:
    """The faces found on samples, and the square. Raises BadVideo where there is no face."""
    picture = Box(0, 0, *facts.display)
    region = _catalogued(job.video) or picture
    samples = sample_faces(readable(job), facts, job.params.samples, region.within(picture))
    face = main_face(samples, *facts.display)
    if len(face) == 0:
        _check_whole(job, facts)
        raise BadVideo(f"{job.source.name} shows no face on any of {len(samples)} frames looked at")
    if region is not picture and region.w == region.h:
        return samples, region
    return samples, square(face, region, job.params.margin, job.params.tightest)


def _catalogued(video: Video) -> Box | None:
    """The crop that the catalogue gives, if any: taken as it is where square, else the face is sought inside it."""
    corners = (video.crop_x, video.crop_y, video.crop_w, video.crop_h)
    if any(value is None for value in corners):
        return None
    return Box(*(int(value or 0) for value in corners))


def _encoded(job: Job[NormalizeParams], facts: Probe, box: Box) -> tuple[int, Level | None, str]:
    """Write mp4 and wav; return the number of frames, what was heard (None without a track) and how it was mixed."""
    video, sound = job.output("mp4"), job.output("wav")
    picture = _picture(_input(readable(job), facts), facts, box).output(str(video), **_encoding(job.params, facts))
    channels = 1 if facts.audio is None or facts.audio.channels == 1 else 2
    level = _write(job, facts, [picture, _sound(readable(job), facts, channels)], sound, channels)
    downmix = "none" if channels == 1 else "mean"
    if level.cancelled:
        level, downmix = _write(job, facts, [_sound(readable(job), facts, 1, only=0)], sound, 1), "left"
    frames = _count_frames(video)
    _check_count(job, facts, frames)
    finish(sound, frames * SAMPLES_PER_FRAME)
    return frames, None if facts.audio is None else level, downmix


def _input(source: Path, facts: Probe) -> Any:
    """The source as ffmpeg's input, on its own clock. HEVC hides what it patches up unless told to refuse it.

    Without an index it is read from its beginning: a decoder that joins a group of pictures half-way loses the rest.
    """
    options: dict[str, Any] = {"err_detect": "explode"} if facts.codec == "hevc" else {}
    seek = facts.start - facts.origin - RUN_UP
    if seek > 0 and facts.indexed:
        options["ss"] = f"{seek:.6f}"
    return ffmpeg.input(str(source), copyts=None, noautorotate=None, threads=1, **ONLY_LOCAL, **options)


def _picture(source: Any, facts: Probe, box: Box) -> Any:
    """The filters from stored frames to upright squares.

    A frame is shown from the middle between it and the one before: so each 1/25 s gets the frame nearest in time.
    That rule ends the last one half-way through its time on display, so a long one is held for the other half.
    Cropping comes before scaling, turning after it: both then touch the fewest pixels.
    """
    stream = source[str(facts.index)]
    if facts.interlaced:
        stream = stream.filter("yadif", mode="send_frame", deint="interlaced")
    stream = stream.filter("settb", "AVTB")
    stream = stream.filter("setpts", f"(PTS+if(isnan(PREV_INPTS),PTS,PREV_INPTS))/2-{facts.start:.9f}/TB")
    stream = stream.filter("fps", fps=FPS, start_time=0, round="up")
    held = (facts.end - float(facts.times[-1])) / 2
    if held * FPS > 1:
        stream = stream.filter("tpad", stop_mode="clone", stop_duration=f"{held:.6f}")
    stream = _cropped(stream, stored(box, facts.orientation, facts.display, (facts.width, facts.height)), facts)
    stream = stream.filter("scale", SIZE, SIZE, flags="bicubic+accurate_rnd+bitexact", out_range="tv")
    for name, options in _turns(facts.orientation):
        stream = stream.filter(name, **options)
    return stream.filter("setsar", 1).filter("format", "yuv420p")


def _cropped(stream: Any, box: Box, facts: Probe) -> Any:
    """Cut to a box of stored pixels; black where it reaches beyond the picture."""
    seen = box.within(Box(0, 0, facts.width, facts.height))
    if (seen.w, seen.h) != (facts.width, facts.height):
        stream = stream.filter("crop", seen.w, seen.h, seen.x, seen.y, exact=1)
    if seen != box:
        side = {"w": box.w + box.w % 2, "h": box.h + box.h % 2}
        stream = stream.filter("pad", **side, x=seen.x - box.x, y=seen.y - box.y)
    return stream


def _turns(orientation: Orientation) -> Iterable[tuple[str, dict[str, str]]]:
    if orientation.transposed:
        yield "transpose", {"dir": "cclock_flip"}
    if orientation.flip_x:
        yield "hflip", {}
    if orientation.flip_y:
        yield "vflip", {}


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


def _sound(source: Path, facts: Probe, channels: int, only: int | None = None) -> Any:
    """The default track as 16 kHz PCM16 from the video's first frame on, written to the pipe; silence without one.

    Sound before the first frame is cut, a late start and gaps are filled with silence. Two or more channels come as
    two, for their mean to be taken; `only` picks one channel by its number instead.
    """
    if facts.audio is None:
        stream = ffmpeg.input(f"anullsrc=r={RATE}:cl=mono", format="lavfi")
    else:
        stream = _input(source, facts)[str(facts.audio.index)].filter("asetpts", f"PTS-{facts.start:.9f}/TB")
        if only is not None:
            stream = stream.filter("channelmap", map=only, channel_layout="mono")
        layout = "mono" if channels == 1 else "stereo"
        shape = {"out_sample_fmt": "s16", "out_chlayout": layout, "async": 1, "first_pts": 0, "min_comp": 1e-5}
        stream = stream.filter("aresample", RATE, **shape)
    return stream.output("pipe:1", format="s16le", acodec="pcm_s16le", t=facts.duration + 1)


def _write(job: Job[NormalizeParams], facts: Probe, outputs: list[Any], sound: Path, channels: int) -> Level:
    """Run ffmpeg and receive the sound. Raises BadVideo when the source turns out to be damaged."""
    heard = Level()

    def consume(pipe: Any) -> None:
        nonlocal heard
        heard = receive(pipe, sound, channels)

    try:
        outcome = run(ffmpeg.merge_outputs(*outputs).global_args("-filter_complex_threads", "1"), consume)
    except FfmpegFailed as error:
        _check_decoded(job, facts, error.outcome)
        raise
    _check_decoded(job, facts, outcome)
    return heard


def _check_whole(job: Job[NormalizeParams], facts: Probe) -> None:
    """Decode only: a damaged video is to be called damaged, whatever else is wrong with it."""
    picture = _input(readable(job), facts)[str(facts.index)]
    _write(job, facts, [picture.output("-", format="null", t=facts.duration)], job.output("wav"), 1)


def _check_decoded(job: Job[NormalizeParams], facts: Probe, outcome: Outcome) -> None:
    """A single damaged frame spoils those after it up to the next keyframe, so none is allowed."""
    for (_, stream), found in outcome.decoded.items():
        if stream == facts.index and found.damaged > facts.unkeyed:
            raise BadVideo(f"{job.source.name} is damaged: {found.damaged} of {len(facts.times)} frames do not decode")
        if stream != facts.index and found.damaged > max(1, LOST_SOUND * found.frames):
            raise BadVideo(f"{job.source.name} is damaged: {found.damaged} pieces of its sound do not decode")
    if outcome.changed:
        raise BadVideo(f"{job.source.name} changes its format on the way ({outcome.changed}): cut it there")


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


def _row(job: Job[NormalizeParams], facts: Probe, box: Box, level: Level | None) -> Batch:
    """The one row of this video."""
    audio = facts.audio
    (sha256,) = (value for batch in job.read("download.sha256") for value in batch["sha256"])
    start = None if audio is None or audio.start is None else audio.start - facts.start
    values: dict[str, Any] = {
        "source": job.video.source,
        "sha256": sha256,
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
        "crop_x": box.x,
        "crop_y": box.y,
        "crop_w": box.w,
        "crop_h": box.h,
        "n_frames": job.frames,
        "has_audio": audio is not None,
        "silent": None if level is None else level.silent,
        "audio_tracks": len(facts.tracks),
        "audio_codec": None if audio is None else audio.codec,
        "audio_rate": None if audio is None else audio.rate,
        "audio_channels": None if audio is None else audio.channels,
        "audio_start": start,
        "faces_max": job.metrics["faces_max"],
        "face_size": job.metrics["face_size"],
    }
    return {column.name: _cell(column, values[column.name]) for column in COLUMNS}


def _cell(column: Column, value: Any) -> Any:
    plain = column.dtype != "str" and not column.nullable
    return np.array([value], np.dtype(column.dtype) if plain else object)


def _proof(workspace: Workspace, video: Video, record: Record) -> Iterator[tuple[str, str]]:
    """Read the committed files again: as many frames decode, and as many samples are there, as recorded."""
    mend = "delete the video's media files and run again"
    frames = sum(1 for _ in read_frames(workspace.media(video.video_id, "mp4")))
    if frames != record.frames:
        yield f"the mp4 holds {frames} frames, not {record.frames}", mend
    samples = (workspace.media(video.video_id, "wav").stat().st_size - HEADER) // 2
    if samples != record.frames * SAMPLES_PER_FRAME:
        yield f"the wav holds {samples} samples, not {SAMPLES_PER_FRAME} for each of {record.frames} frames", mend


COLUMNS = (
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
    Column("crop_x", "int32", unit="px", meaning="left edge of the square in the displayed source; negative: padded"),
    Column("crop_y", "int32", unit="px", meaning="top edge of the square in the displayed source; negative: padded"),
    Column("crop_w", "int32", unit="px", meaning="width of the square in the displayed source"),
    Column("crop_h", "int32", unit="px", meaning="height of the square in the displayed source"),
    Column("n_frames", "int32", meaning="frames of the normalized video"),
    Column("has_audio", "bool", meaning="the source has an audio track"),
    Column("silent", "bool", meaning="that track is digital silence", nullable=True),
    Column("audio_tracks", "int32", meaning="audio tracks of the source; the default one was taken"),
    Column("audio_codec", "str", meaning="audio codec of the source", nullable=True),
    Column("audio_rate", "int32", unit="Hz", meaning="sample rate of the source", nullable=True),
    Column("audio_channels", "int32", meaning="channels of the source", nullable=True),
    Column("audio_start", "float64", unit="s", meaning="start of the sound after the first frame", nullable=True),
    Column("faces_max", "int32", meaning="most faces on any frame looked at"),
    Column("face_size", "float32", unit="px", meaning="median height of the main face in the displayed source"),
)

STAGE = Stage(
    name="normalize",
    version=1,
    params=NormalizeParams,
    columns=COLUMNS,
    process=process,
    reads=("download.sha256",),
    rows="video",
    media=("mp4", "wav"),
    catalogue=("start", "end", "crop_x", "crop_y", "crop_w", "crop_h"),
    models=lambda _: digests("face_detection_full_range_sparse"),
    proof=_proof,
    distributions=("av", "imageio-ffmpeg", "mediapipe"),
)
