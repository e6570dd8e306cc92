"""The plan names what changed, in the user's words; fingerprints depend on all that matters and on nothing else."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.record import Basis
from portrait_prep.manifests.video import LABELS
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.status.plan import State, difference, fingerprint
from portrait_prep.pipeline.store.shard_state import ShardState
from portrait_prep.stages.order import STAGES
from tests.pipeline.toy import add_videos, toy_session

FACTS = st.dictionaries(st.text(max_size=4), st.integers(), max_size=3)
BASES = st.builds(Basis, version=st.integers(1, 3), params=FACTS, catalogue=FACTS, outside=FACTS)


@given(BASES, BASES)
def test_fingerprints_differ_just_where_bases_do(one: Basis, other: Basis) -> None:
    assert (fingerprint("s", one) == fingerprint("s", other)) == (one == other)
    assert fingerprint("s", one) != fingerprint("t", one)


@given(FACTS)
def test_the_order_of_facts_does_not_matter(facts: dict[str, int]) -> None:
    turned = dict(reversed(list(facts.items())))
    assert fingerprint("s", Basis(version=1, params=facts)) == fingerprint("s", Basis(version=1, params=turned))


def test_what_changed_is_named() -> None:
    old = Basis(version=1, params={"width": 50, "sigma": 2}, inputs={"count.number": "a"}, models={"mesh": "1"})
    new = Basis(version=2, params={"width": 40, "sigma": 2}, inputs={"count.number": "b"}, models={"mesh": "2"})
    told = difference(old, new)
    assert "stage version changed: 1 -> 2" in told
    assert "setting width changed: 50 -> 40" in told
    assert "model mesh changed" in told
    assert "input count.number changed" in told
    assert "sigma" not in told


def test_labels_are_no_input_of_a_stage() -> None:
    assert not LABELS.keys() & {name for stage in STAGES for name in stage.catalogue}


def test_texts_that_come_later_make_nothing_stale_and_stand_in_the_manifests(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, {"a": "1 2 3", "b": "4 5 6"})
    session.run(session.select((), (), retry_failed=False), workers=0)
    rows = [video.model_copy(update={"text": f"This is {video.video_id}."}) for video in session.videos]
    write_catalogue(session.workspace.catalogue, rows)
    session = toy_session(root)
    found = [one for shard in session.video_statuses() for one in shard]
    assert {status.state for one in found for status in one.statuses.values()} == {State.DONE}
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    assert run_counts.computed.total() == 0
    written = json.loads(session.workspace.manifest("b").read_text())
    assert written["labels"]["text"] == "This is b."
    assert list(Audit(toy_session(root)).findings()) == []


def test_a_field_that_was_added_is_told_beside_nothing() -> None:
    old, new = Basis(version=1), Basis(version=1, params={"kept": True}, catalogue={"shift": -0.2})
    assert difference(old, new) == ("setting kept changed: unset -> True; catalogue field shift changed: unset -> -0.2")
    assert difference(new, old).endswith("catalogue field shift changed: -0.2 -> unset")


def test_what_is_blocked_names_the_stage_that_failed_however_far_above(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 bad"})
    session.run(session.select((), (), retry_failed=False), workers=0)
    session = toy_session(tmp_path / "w")
    state = ShardState.load(session.workspace, "toy-00000", session.videos, session.stages)
    statuses = session.planner.statuses(state.videos, state.records)
    told = {stage: (by_video["a1"].state, by_video["a1"].reason) for stage, by_video in statuses.items()}
    blocked = (State.BLOCKED, "count failed")
    assert told == {"count": (State.FAILED, ""), "scale": blocked, "total": blocked}
