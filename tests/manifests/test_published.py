"""A corpus's own split, chosen again for videos that are in a catalogue: what `init` would have given them."""

from pathlib import Path
from string import ascii_uppercase

import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.hdtf import catalogue as hdtf
from portrait_prep.manifests.corpora.iemocap import catalogue as iemocap
from portrait_prep.manifests.corpora.published import PUBLISHED, Draw, published
from portrait_prep.manifests.corpora.ravdess import catalogue as ravdess
from portrait_prep.manifests.corpora.ravdess.splits import PUBLISHED_SEED, SplitBy
from portrait_prep.manifests.video import Video
from tests.hdtf_lists import lists
from tests.iemocap_release import release

NAMES = [f"Person{first}{second}" for first in "ABCDEFGHIJ" for second in ascii_uppercase]


def spoiled(rows: list[Video]) -> list[Video]:
    return [row.model_copy(update={"split": "mine", "split_by": "session"}) for row in rows]


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    return lists(tmp_path / "lists", [(name, 720, "00:00-00:02", ["1 90 2 90"]) for name in NAMES])


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("split", ["subject", "random"])
def test_hdtf_also_where_only_some_of_it_is_here(annotations: Path, split: hdtf.SplitBy, seed: int | None) -> None:
    rows = hdtf.catalogue(annotations, split=split, seed=seed or 0)[:50]
    assert len({row.split for row in rows}) > 1
    assert published(spoiled(rows), f"hdtf:{split}", Draw(seed, annotations)) == rows


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("split", ["actor", "stratified"])
def test_ravdess(split: SplitBy, seed: int | None) -> None:
    rows = ravdess.catalogue(split=split, seed=PUBLISHED_SEED if seed is None else seed)[100:400]
    moved = [row.model_copy(update={"fold": 99}) for row in spoiled(rows)]
    assert published(moved, f"ravdess:{split}", Draw(seed)) == rows


def test_iemocap(tmp_path: Path) -> None:
    source = release(tmp_path, {f"Ses0{n}F_impro01_{who}000": "neu" for n in (1, 2) for who in "FM"})
    for session in (1, 2, 5):
        rows = iemocap.catalogue(source, test_session=session)
        assert published(spoiled(rows), f"iemocap:{session}", Draw()) == rows


def test_other_corpora_stay_as_they_are(annotations: Path) -> None:
    mixed = spoiled([*hdtf.catalogue(annotations)[:2], *ravdess.catalogue()[:2]])
    found = published(mixed, "ravdess:actor", Draw())
    assert found[:2] == mixed[:2]
    assert [row.split for row in found[2:]] == ["train", "train"]


def test_what_there_is_not_is_said() -> None:
    rows = ravdess.catalogue()[:2]
    with pytest.raises(
        BadInput, match="'ravdess' is no published split; there are hdtf:subject, hdtf:random, ravdess:"
    ):
        published(rows, "ravdess", Draw())
    with pytest.raises(BadInput, match="no video of the corpus 'hdtf' here; there are: ravdess"):
        published(rows, "hdtf:subject", Draw())
    with pytest.raises(BadInput, match="give them as --annotations"):
        published([rows[0].model_copy(update={"corpus": "hdtf"})], "hdtf:random", Draw())
    assert {corpus for corpus, _ in PUBLISHED.values()} == {"hdtf", "ravdess", "iemocap"}
