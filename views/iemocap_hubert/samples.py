"""What IEMOCAP_hubert reads: three seconds of each utterance as a wave, its emotion of four, its speaker, its fold.

Source: https://github.com/Huangzhongqi978/IEMOCAP_hubert, Data_prepocessing.py (`process_wav_file`, `Train_data`).
Where the original errs, this does not:

- There the wave is padded with zeros first and normalized then, which makes short utterances louder, by sqrt(3 s /
  length). Here it is normalized first (`wave`); `wave_padded` is the original's, which its weights know.
- Speakers are given by the last field of an utterance's id. There they are given by the dialog's, which names the
  wearer of the markers: another person in half of the utterances.
- Its data has neutral 0, happy 1, angry 2, sad 3, and some of its scripts name these angry, happy, neutral, sad.
- It picks the best epoch on the test session. `folds` sets another session aside to validate on.

There HuBERT is part of the network that is trained, on these waves. Given the folder of a model, samples have the
features of a HuBERT that is not trained any more, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.iemocap.catalogue import CORPUS
from portrait_prep.manifests.corpora.iemocap.evaluations import SESSIONS
from portrait_prep.media.picture import FPS
from portrait_prep.media.wav import FULL_SCALE, SAMPLES_PER_FRAME
from portrait_prep.stages.models.wav2vec2 import EPSILON, SpeechModel, features
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Sample, Samples
from portrait_prep.views.reading.windows import Window, padded

FRAMES = 3 * FPS
"""Video frames of sound in a sample: three seconds."""
SAMPLES = FRAMES * SAMPLES_PER_FRAME
LABELS = ("neu", "hap", "ang", "sad")
"""In the order of their numbers; excitement counts as happiness."""
CHOSEN: Mapping[str, Any] = {"corpus": CORPUS, "four_class": LABELS}
"""Which videos there are samples of."""
SPEAKERS = tuple(f"Ses0{session}{gender}" for session in SESSIONS for gender in "FM")
"""In the order of their numbers."""


@dataclass(frozen=True)
class IemocapHubert:
    """Makes samples of the sound of a window of up to three seconds.

    `wave` float32 [48000] at 16 kHz: mean 0 and deviation 1 over the utterance, then zeros up to three seconds.
    `wave_padded` float32 [48000]: zeros first, then mean 0 and deviation 1 over all of it.
    `valid` int64: samples of the utterance in there; what follows is padding.
    `label` int64: number in `LABELS`; `label_name`. `speaker` int64: number in `SPEAKERS`; `speaker_name`.
    `fold` int64: the session, 1 to 5, which is the fold that tests it. `video_id`: the utterance; `text`:
    what is said in it, empty where that is not known.
    `hubert` float16 [149, 768], with the folder of a model: its last hidden state of `wave`. Frame i is of samples
    320 i to 320 i + 399, so that the first (valid - 80) // 320 are of the utterance alone.
    """

    hubert: Path | None = None

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:  # noqa: ARG002 (a view's form)
        """The sample of one window. Raises what `Reader` raises."""
        video = reader.videos[window.video].video
        sound = reader.sound(*window).reshape(-1)
        wave = padded(normalized(sound), SAMPLES)
        return {
            "wave": wave,
            "wave_padded": normalized(padded(sound, SAMPLES)),
            "valid": np.int64(sound.size),
            "label": np.int64(LABELS.index(video.four_class or "")),
            "label_name": video.four_class,
            "speaker": np.int64(SPEAKERS.index(video.subject)),
            "speaker_name": video.subject,
            "fold": np.int64(video.session or 0),
            "video_id": video.video_id,
            "text": video.text or "",
            **({"hubert": features(wave, self.hubert).astype(np.float16)} if self.hubert else {}),
        }


def iemocap_hubert(
    workspace: Path | str,
    *,
    hubert: Path | str | None = None,
    accepted: bool | None = None,
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """One sample for each utterance of the four classes that is through the normalize stage.

    `fold={1, 2, 3}`, and what else `Reader` takes, chooses among them. `accepted` judges pictures, which are not read
    here: so rejected ones are there unless it is True. `hubert` is a folder with facebook/hubert-base-ls960 or one of
    its kind; it needs PyTorch. Raises BadInput when nothing is chosen, MissingPrerequisite when that is no such folder.
    """
    reader = Reader(workspace, accepted=accepted, **(dict[str, Any](CHOSEN) | wishes))
    folder = None if hubert is None else Path(hubert).absolute()
    if folder:
        SpeechModel.within(folder, "hubert")  # reads no weights
    return Samples(reader, utterances(reader), IemocapHubert(folder), seed)


def utterances(reader: Reader) -> list[Window]:
    """The first three seconds of each video, or all of a shorter one."""
    return [Window(number, 0, min(footage.frames, FRAMES)) for number, footage in enumerate(reader.videos)]


def folds(workspace: Path | str, test: int, validate: int | None = None, **options: Any) -> Mapping[str, Samples]:
    """`train`, `val` (where there is a session to validate on) and `test`: no session, and so nobody, is on two sides.

    The original's five folds are `test` = 1 to 5 without validation. `options` are those of `iemocap_hubert`. Raises
    BadInput for other sessions, and when a side is empty.
    """
    if test not in SESSIONS or validate not in (None, *SESSIONS) or test == validate:
        raise BadInput(f"Two different sessions of {', '.join(map(str, SESSIONS))} are needed, not {test}, {validate}.")
    sides: dict[str, set[int]] = {"train": set(SESSIONS) - {test, validate}, "val": {validate or 0}, "test": {test}}
    return {
        side: iemocap_hubert(workspace, fold=sessions, **options)
        for side, sessions in sides.items()
        if side != "val" or validate
    }


def normalized(sound: NDArray[np.int16]) -> NDArray[np.float32]:
    """Samples with mean 0 and deviation 1, float32; silence stays silence."""
    wave = sound / np.float64(FULL_SCALE)
    wave -= wave.mean()
    wave /= np.sqrt(wave.var() + EPSILON)
    return wave.astype(np.float32)
