"""Stage `normalize`: one upright square of 512x512 pixels at 25 frames a second, and its sound, in step.

Frame k of the mp4 is the source frame nearest in time to k/25 s after the first; samples 640k … 640k+639 of the wav
are what sounded from there on, whatever offsets, edit lists and encoder delays the source has. A sound file that the
catalogue names takes the place of the source's own sound and begins with the first frame. Where the catalogue has a
`sound_shift`, all that sounds is that much later; where the source holds nothing for a moment, there is silence.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from portrait_prep.manifests.record import AddedLater, Record
from portrait_prep.manifests.video import Video
from portrait_prep.media.box import Box
from portrait_prep.media.container import NotAVideo
from portrait_prep.media.ffmpeg import RUN_UP, video_input
from portrait_prep.media.flac import measure_flac, samples_of
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import FPS, SIZE
from portrait_prep.media.probe import Probe, probe
from portrait_prep.media.source_frames import shapes
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME, WavReader, count_samples
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.sound import lag, track_choice
from portrait_prep.stages.sound.audio_source import AudioSource, audio_of_file, of_one_format
from portrait_prep.stages.sound.lag import Lag, lag_between
from portrait_prep.stages.sound.lossless import write_lossless
from portrait_prep.stages.sound.track_choice import SOUND_TRACK, Choice, chosen_track
from portrait_prep.stages.sources import SourceFile, picture_file, require, sound_file
from portrait_prep.stages.video import colours, interlacing, timing
from portrait_prep.stages.video.crop import Region, region_of, square
from portrait_prep.stages.video.encode import Encoded, Encoder, FormatChanged, h264
from portrait_prep.stages.video.faces import SampledFaces, sample_faces
from portrait_prep.stages.video.interlacing import SUSPECT, combing, field_order
from portrait_prep.stages.video.resample import upright_squares
from portrait_prep.stages.video.timing import check_timing

MISSHAPEN = 0.02
"""Share by which the ratio of sides may differ where the size changes on the way."""

COMPARED = 20.0
"""Seconds of a sound file that are compared with the picture's own sound."""


class NormalizeParams(Params):
    """How the square is chosen and how the video is encoded."""

    margin: float = Field(2.2, ge=1, le=8, description="side of the square in face heights (forehead to chin)")
    tightest: float = Field(
        1.5, ge=1, le=8, description="where the picture is too small for the margin: go down to this before padding"
    )
    samples: int = Field(16, ge=4, le=64, description="frames on which the face is looked for")
    crf: int = Field(17, ge=0, le=30, description="x264 constant rate factor; up to 18 is visually lossless")
    preset: Literal["portrait", "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = Field(
        "portrait",
        description="x264 preset, slower is smaller; portrait is superfast at an even quality: as good as veryfast in "
        "half the time, a third larger",
    )
    fast_decode: bool = Field(
        True, description="encode for twice the decoding speed (CAVLC, no deblocking), about 10 % larger"
    )
    gop: int = Field(25, ge=1, le=250, description="frames from keyframe to keyframe at most; groups are closed")
    sound_track: Choice = SOUND_TRACK
    keep_sound: Annotated[bool, AddedLater()] = Field(
        False,
        description="also keep the sound without loss, at the rate of its source: media/<video_id>.flac, mono, as long "
        "as the wav and in step with it",
    )

    @property
    def h264(self) -> Mapping[str, Any]:
        """The encoder's options."""
        return h264(self.preset, self.crf, self.gop, fast_decode=self.fast_decode)


def _keeps_sound(params: NormalizeParams) -> bool:
    return params.keep_sound


def process(job: Job[NormalizeParams]) -> Iterator[Batch]:
    """Probe, find the face, encode. Yields one row.

    Raises BadVideo when the source or its sound file is damaged or there is no face, SourceAway while one is not there.
    """
    require(job)
    try:
        row = _normalized(job)
    except (BadVideo, NotAVideo) as error:
        require(job)  # what looked damaged may have gone on the way
        raise error if isinstance(error, BadVideo) else BadVideo(f"{job.source.name} {error}") from error
    yield row


def _normalized(job: Job[NormalizeParams]) -> Batch:
    """Probe picture and sound, choose the square, encode, and note what came of it."""
    video, params, picture, sound = job.video, job.params, picture_file(job), sound_file(job)
    mp4, wav = job.output("mp4"), job.output("wav")
    facts = _probed(picture, video.start, video.end)
    check_timing(picture.name, facts)
    source = video_input(picture.path, facts, run_up=RUN_UP + max(video.sound_shift or 0.0, 0.0))
    own_audio = AudioSource(picture.name, source, facts.tracks, facts.start, separate=False)
    audio = own_audio if sound is None else audio_of_file(sound, _lateness(facts, video.start))
    chosen = chosen_track(audio, params.sound_track, facts.duration)
    audio = chosen.audio
    own_audio = own_audio if audio.separate else audio
    audio = replace(audio, shift=video.sound_shift or 0.0)
    framed = _framed(Encoder(picture, facts, own_audio), region_of(video, facts.display), params)
    encoded, changes = _encoded(Encoder(picture, facts, audio), framed, params, mp4, wav)
    if params.keep_sound:
        write_lossless(audio, encoded.frames, encoded.downmix, encoded.sound_changed, job.output("flac"))
    offset = _lag(own_audio, facts.duration, WavReader(wav, encoded.frames)) if audio.separate else Lag(None, None)
    job.frames = encoded.frames
    job.metrics.update(
        n_frames=encoded.frames,
        seconds=encoded.frames / FPS,
        has_audio=audio.track is not None,
        undecodable_tracks=facts.undecodable_tracks,
        silent=bool(encoded.silent),
        downmix=encoded.downmix,
        sound_shift=video.sound_shift,
        sound_offset=None if audio.shift else offset.seconds,  # lips, by which it was moved, tell better
        sound_likeness=offset.likeness,
        change_times=changes,
        **timing.timing(facts),
        **framed.metrics(),
        **colours.metrics(facts.colours),
        **chosen.metrics(),
    )
    return _picture_row(job, facts, framed) | _sound_row(job, audio, encoded.silent)


def _probed(picture: SourceFile, start: float | None, end: float | None) -> Probe:
    try:
        return probe(picture.path, start, end)
    except NotAVideo as error:
        raise BadVideo(f"{picture.name} {error}") from error


def _lateness(facts: Probe, start: float | None) -> float:
    """Seconds by which the picture begins later than it was asked to: a sound file begins when it was."""
    return 0.0 if start is None else facts.start - facts.origin - start


@dataclass(frozen=True)
class Framed:
    """The square `box` that is cut, the `region` that it may show, and what they were chosen by.

    `found` are the faces on the frames looked at, and the one that matters. `combing` is the greatest share of pixels
    in combs there, `fields` which field comes first where nobody declares that there are two.
    """

    box: Box
    region: Region
    found: SampledFaces
    combing: float
    fields: str | None

    @property
    def shown(self) -> tuple[float, ...]:
        """Left, top, right and bottom, in px of the 512 px frame, of what is not padding."""
        box, seen, scale = self.box, self.box.within(self.region.box), SIZE / self.box.w
        edges = (seen.x - box.x, seen.y - box.y, seen.x + seen.w - box.x, seen.y + seen.h - box.y)
        return tuple(scale * edge for edge in edges)

    def metrics(self) -> dict[str, Any]:
        """What the record tells of it."""
        found = self.found
        counts = [len(faces) for faces in found.faces]
        return {
            "framing": self.region.framing,
            "samples": len(counts),
            "face_share": len(found.face) / len(counts),
            "face_size": float(np.median(found.face[:, 2])),
            "upscaling": SIZE / self.box.w,
            "faces_median": float(np.median(counts)),
            "faces_max": max(counts),
            "faces_alive": found.alive,
            "stills_passed_over": found.stills if found.alive else 0,
            "combing": self.combing,
            "fields": self.fields,
        }


def _framed(source: Encoder, region: Region, params: NormalizeParams) -> Framed:
    """Look for the face and choose the square. Raises BadVideo where there is no face."""
    picture, facts = source.picture, source.facts
    combs = [0.0]
    found = sample_faces(
        picture.path, facts, params.samples, region.box, lambda frame: combs.append(combing(frame.luma))
    )
    if len(found.face) == 0:
        # A damaged video is to be called damaged, whatever else is wrong with it.
        source.check_decodes()
        raise BadVideo(f"{picture.name} shows no face on any of {len(found.faces)} frames looked at")
    annotated = region.framing == "annotated"
    box = region.box if annotated else square(found.face, region.box, params.margin, params.tightest)
    undeclared = not facts.interlaced and max(combs) >= SUSPECT
    return Framed(box, region, found, max(combs), field_order(picture.path, facts) if undeclared else None)


def _encoded(
    encoder: Encoder, framed: Framed, params: NormalizeParams, mp4: Path, wav: Path
) -> tuple[Encoded, list[float]]:
    """Write both. Where the format changes on the way, another time with more care; the times of changes are told.

    Raises BadVideo where the picture changes its shape: what was a face would be another.
    """
    facts, picture, audio, changes = encoder.facts, encoder.picture, encoder.audio, []
    square = partial(upright_squares, facts=facts, box=framed.box, region=framed.region.box, fields=framed.fields)
    try:
        return encoder.encode(square(video_input(picture.path, facts)), params.h264, mp4, wav), []
    except FormatChanged as change:
        changed = change.changed
    if "video" in changed:
        first, *others = shapes(picture.path, facts)
        changes = [other.second for other in others]
        for shape in others:
            if abs(shape.width * first.height / (shape.height * first.width) - 1) > MISSHAPEN:
                raise BadVideo(
                    f"{picture.name} changes its shape from {first.width}x{first.height} to "
                    f"{shape.width}x{shape.height} at {shape.second:.2f} s: cut it there"
                )
    with TemporaryDirectory(dir=wav.parent) as folder:
        if "audio" in changed:
            audio = of_one_format(audio, facts.duration + 1, Path(folder) / "sound", changed["audio"])
        frames = square(video_input(picture.path, facts, steady=False), steady=False)
        encoded = replace(encoder, audio=audio).encode(frames, params.h264, mp4, wav)
    return replace(encoded, sound_changed=changed.get("audio", "")), changes


def _lag(own_audio: AudioSource, seconds: float, written: WavReader) -> Lag:
    """How much later than the picture's own sound the sound file, which is written already, says the same."""
    seconds = min(COMPARED, seconds)
    samples = own_audio.read(seconds) if own_audio.tracks else None
    if samples is None:
        return Lag(None, None)
    count = round(seconds * RATE)
    frames = min(-(-count // SAMPLES_PER_FRAME), written.frames)
    return lag_between(samples, written.read(0, frames).reshape(-1)[:count], RATE)


def _picture_row(job: Job[NormalizeParams], facts: Probe, framed: Framed) -> Batch:
    """What the one row of this video says of the picture."""
    box, region = framed.box, framed.region
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
        "interlaced": facts.interlaced or framed.fields is not None,
        "color_primaries": facts.colours.tags.primaries,
        "color_transfer": facts.colours.tags.transfer,
        "color_matrix": facts.colours.tags.matrix,
        "color_range": facts.colours.tags.range,
        "duration": facts.duration,
        "first_shown": facts.start - facts.origin,
        "framing": region.framing,
        "crop_scale": region.scale,
        "crop_x": box.x,
        "crop_y": box.y,
        "crop_w": box.w,
        "crop_h": box.h,
        "shown": framed.shown,
        "n_frames": job.frames,
        "faces_max": job.metrics["faces_max"],
    }
    return _cells(PICTURE, values)


def _sound_row(job: Job[NormalizeParams], audio: AudioSource, silent: bool | None) -> Batch:
    """What it says of the sound."""
    track = audio.track
    values: dict[str, Any] = {
        "sound": job.video.sound,
        "sound_sha256": _downloaded(job, "sound_sha256") if audio.separate else None,
        "has_audio": track is not None,
        "silent": silent,
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
    samples = count_samples(workspace.media(video.video_id, "wav"))
    if samples != record.frames * SAMPLES_PER_FRAME:
        yield f"the wav holds {samples} samples, not {SAMPLES_PER_FRAME} for each of {record.frames} frames", mend
    if "flac" in record.digests:
        rate, samples = measure_flac(workspace.media(video.video_id, "flac"))
        if samples != (expected := samples_of(record.frames, rate)):
            yield f"the flac holds {samples} samples, not the {expected} of {record.frames} frames", mend


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
    Column("interlaced", "bool", meaning="stored as fields, declared or not; deinterlaced"),
    Column("color_primaries", "str", meaning="primaries of the source, by FFmpeg's name", nullable=True),
    Column("color_transfer", "str", meaning="its transfer characteristics; null: not tagged", nullable=True),
    Column("color_matrix", "str", meaning="its matrix; null: not tagged", nullable=True),
    Column("color_range", "str", meaning="tv (limited) or pc (full); null: not tagged", nullable=True),
    Column("duration", "float64", unit="s", meaning="length of the source, or of the interval taken from it"),
    Column("first_shown", "float64", unit="s", meaning="when the first frame is shown in the source, as players count"),
    Column("framing", "str", meaning="annotated: the catalogue's square; region: inside its crop; face: anywhere"),
    Column("crop_scale", "float64", meaning="pixels of the displayed source to one of that crop", nullable=True),
    Column("crop_x", "int32", unit="px", meaning="left edge of the square in the displayed source; negative: padded"),
    Column("crop_y", "int32", unit="px", meaning="top edge of the square in the displayed source; negative: padded"),
    Column("crop_w", "int32", unit="px", meaning="width of the square in the displayed source"),
    Column("crop_h", "int32", unit="px", meaning="height of the square in the displayed source"),
    Column(
        "shown",
        "float32",
        (4,),
        "px",
        "left, top, right and bottom, in the 512 px frame, of what shows the source; the rest is padding",
    ),
    Column("n_frames", "int32", meaning="frames of the normalized video"),
    Column("faces_max", "int32", meaning="most faces on any frame looked at"),
)
"""Columns about the picture."""

SOUND = (
    Column("sound", "str", meaning="file of the sound, as in the catalogue; null: the source itself", nullable=True),
    Column("sound_sha256", "str", meaning="sha256 of that file", nullable=True),
    Column("has_audio", "bool", meaning="there is an audio track"),
    Column("silent", "bool", meaning="that track is digital silence", nullable=True),
    Column("audio_tracks", "int32", meaning="audio tracks of the file of the sound, of which one was taken"),
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
    Metric("undecodable_tracks", "", "tracks of sound in the source that no decoder knows: passed over"),
    Metric("silent", "", "that track is digital silence", kind="flag"),
    Metric("downmix", "", "how its channels became one: none, mean, or left where the mean cancels", kind="text"),
    Metric(
        "sound_shift",
        "s",
        "seconds by which the sound was moved, as the catalogue asks: above 0 later, below 0 earlier; null: it was not",
        title="Sound shift",
        decimals=3,
        optional=True,
    ),
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
    Metric(
        "faces_alive",
        "",
        "faces, seen on a third of these frames or more, that are not stills: 0 where there are only photographs",
        blind="a still from a face that does not move at all; a photograph that is bent or lit anew",
    ),
    Metric(
        "stills_passed_over",
        "",
        "stills, such as a portrait on a slide, that are larger or nearer to the middle than the face that was taken",
        title="Stills passed over",
        decimals=0,
    ),
    *lag.METRICS,
    *track_choice.METRICS,
    *colours.METRICS,
    Metric("change_times", "s", "when the stored size changes on the way, in seconds of the source", kind="numbers"),
    *timing.METRICS,
    *interlacing.METRICS,
)

STAGE = Stage(
    name="normalize",
    version=4,
    params=NormalizeParams,
    columns=(*PICTURE, *SOUND),
    metrics=METRICS,
    process=process,
    reads=("download.file", "download.sha256", "download.sound_file", "download.sound_sha256"),
    rows="video",
    media=("mp4", "wav", "flac"),
    media_when={"flac": _keeps_sound},
    catalogue=("sound", "sound_shift", "start", "end", "crop_x", "crop_y", "crop_w", "crop_h", "source_height"),
    models=lambda _: digests("face_detection_full_range_sparse"),
    proof=_proof,
    distributions=("av", "imageio-ffmpeg", "mediapipe"),
)
