"""What the page holds of recordings. Scans and voices are made."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.cli.init import segments
from portrait_prep.cli.publish import report
from portrait_prep.cli.remove import remove
from portrait_prep.cli.segment import segment
from portrait_prep.errors import BadInput
from portrait_prep.manifests.segments import Made, Segment, Segments, require_segments, write_segments
from portrait_prep.views.visual.report.recordings import section
from tests.cli.test_segment import _toys
from tests.stages.recordings.made import PICTURE
from tests.stages.recordings.toy import write_recording
from tests.views.toy import add_videos
from tests.views.visual.report.test_report import Page, page_of

__all__ = ["_toys"]

HOSTILE = "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">\u202e"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace of two recordings, without videos."""
    for name in ("short", "brief"):
        write_recording(tmp_path / "interviews", name, size=PICTURE)
    segment(source=tmp_path / "interviews", workspace=tmp_path / "w", workers=0)
    return tmp_path / "w"


def page(root: Path, **options: Any) -> Page:
    report(workspace=root, **options)
    return Page((root / "report" / "index.html").read_text("utf-8"))


def told(root: Path, **options: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What the page says of recordings, and name -> timeline."""
    found = page(root, **options)
    facts = json.loads(found.texts["recordings"])
    names = [one["name"] for one in facts["recordings"]]
    return facts, {names[at]: json.loads(found.texts[f"timeline-{at}"]) for at in facts["drawn"]}


def test_every_stretch_is_on_the_page_before_there_are_videos(root: Path) -> None:
    facts, timelines = told(root)
    rows = require_segments(root / "segments.parquet").rows
    assert [one["name"] for one in facts["recordings"]] == ["brief", "short"] == list(timelines)
    for name, timeline in timelines.items():
        reasons, people = timeline["reason"], timeline["person"]
        assert timeline["id"] == [row.segment_id for row in rows[name]]
        assert timeline["start"] == [round(row.start * 1000) for row in rows[name]]
        assert timeline["end"] == [round(row.end * 1000) for row in rows[name]]
        shown = [reasons["names"][of] if of >= 0 else None for of in reasons["of"]]
        assert shown == [row.reason for row in rows[name]]
        assert [people["names"][of] if of >= 0 else None for of in people["of"]] == [row.subject for row in rows[name]]
        assert timeline["faces"]
        assert timeline["voice"]
    short = facts["recordings"][1]
    near = {"": 20, "no face": 4, "next to a cut": 0}
    assert short["seconds"] == {name: pytest.approx(seconds, abs=0.1) for name, seconds in near.items()}
    assert (short["kept"], short["people"], short["note"]) == (3, 3, "")
    assert short["address"].endswith("/interviews/short.mp4")


def test_a_recording_that_cannot_be_read_says_why(root: Path, tmp_path: Path) -> None:
    (tmp_path / "interviews" / "notes.mp4").write_text("no video")
    segment(source=tmp_path / "interviews", workspace=root, workers=0)
    notes = {one["name"]: one["note"] for one in told(root)[0]["recordings"]}
    assert notes == {"brief": "", "short": "", "notes": "scan failed (1 part): notes.mp4 is no video"}


def test_the_page_asks_for_nothing_else(root: Path) -> None:
    report(workspace=root)
    text = (root / "report" / "index.html").read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    for sign in ("http://", "https://", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("):
        assert sign not in text
    assert set(re.findall(r"url\((.)", text)) == {"#"}


@pytest.mark.parametrize("most", [0, 2, 300])
def test_pictures_are_bounded_over_all_recordings(root: Path, most: int) -> None:
    _, timelines = told(root, pictures=most)
    assert sum(len(timeline["stills"]) for timeline in timelines.values()) == min(most, 6)
    for timeline in timelines.values():
        for number in timeline["stills"]:
            at = int(number)
            assert timeline["reason"]["of"][at] < 0 or timeline["end"][at] - timeline["start"][at] >= 2000


def test_a_file_that_is_gone_costs_its_pictures_only(root: Path, tmp_path: Path) -> None:
    before = told(root)[1]
    (tmp_path / "interviews" / "short.mp4").unlink()
    facts, timelines = told(root)
    assert "short.mp4 is not there" in facts["recordings"][1]["note"]
    assert timelines["short"]["stills"] == {}
    assert {**timelines["short"], "stills": before["short"]["stills"]} == before["short"]
    assert timelines["brief"] == before["brief"]


def test_what_does_not_rest_on_what_was_found_is_told(root: Path, tmp_path: Path) -> None:
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("min_face = 64.0", "min_face = 65.0"))
    assert all("on other settings" in one["note"] for one in told(root)[0]["recordings"])
    write_recording(tmp_path / "interviews", "short", copy_of="brief", size=PICTURE)
    facts, timelines = told(root)
    assert "up to date" in facts["recordings"][1]["note"]
    assert timelines["short"]["id"]
    assert not timelines["short"]["faces"]
    assert not timelines["short"]["stills"]
    (root / "segments.parquet").write_bytes(b"nothing")
    assert told(root)[1] == {}


def test_a_recording_that_is_not_through_is_listed(root: Path) -> None:
    (root / "segments.parquet").unlink()
    (root / "recordings" / "scan" / "recordings-00000.parquet").unlink()
    facts, timelines = told(root)
    assert [one["name"] for one in facts["recordings"]] == ["brief", "short"]
    assert all("Not all of its parts are through" in one["note"] for one in facts["recordings"])
    assert timelines == {}


def test_a_person_who_was_removed_is_shown_no_more(root: Path) -> None:
    segments(workspace=root)
    remove(subject=("short-000",), workspace=root)
    remove("short-001-*", workspace=root)
    facts, timelines = told(root)
    short = timelines["short"]
    gone = [at for at, of in enumerate(short["reason"]["of"]) if of >= 0 and short["reason"]["names"][of] == "removed"]
    assert [short["id"][at] for at in gone] == ["short-000-00000000", "short-001-00012040"]
    assert not {str(at) for at in gone} & set(short["stills"])
    assert facts["recordings"][1]["kept"] == 1


def test_many_recordings_have_timelines_where_there_is_room_and_where_they_are_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "TIMELINES", 1)
    first = list(told(root)[1])
    assert len(first) == 1
    assert list(told(root, show=("short", "brief"))[1]) == ["brief", "short"]
    segments(workspace=root)
    assert "short" in told(root, show=("short", "brief-000-00000000"))[1]
    with pytest.raises(BadInput, match="nobody"):
        report(workspace=root, show=("nobody",))


def test_hostile_names_and_numbers_are_data(root: Path) -> None:
    write_hostile(root)
    facts, timelines = told(root)
    (name,) = (one["name"] for one in facts["recordings"] if "script" in one["name"])
    assert "\u202e" not in name
    assert facts["recordings"][0]["address"] is None
    assert "script" in timelines[name]["reason"]["names"][0]
    found = page(root)
    assert [attributes for tag, attributes in found.tags if tag == "script" and "type" not in attributes] == [{}]
    assert not [tag for tag, _ in found.tags if tag == "img"]


def test_only_a_video_is_offered_to_play(root: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<script>alert(1)</script>")
    there = require_segments(root / "segments.parquet")
    rows = [row.model_copy(update={"source": str(tmp_path / "page.html")}) for row in there.rows["short"]]
    write_segments(root / "segments.parquet", Segments({**there.rows, "short": rows}, there.made))
    facts, _ = told(root)
    assert [one["address"] is None for one in facts["recordings"]] == [False, True]


def write_hostile(root: Path) -> None:
    """Add a recording whose rows are a stranger's."""
    path = root / "segments.parquet"
    there = require_segments(path)
    rows = [
        Segment(
            segment_id=HOSTILE,
            recording=HOSTILE,
            source="javascript:alert(1)//\0",
            start=1e300 if at else 1.0,
            end=1e308 if at else 5.0,
            subject=HOSTILE,
            voice_share=1e9,
            kept=bool(at),
            reason=None if at else HOSTILE,
            shot=10**15,
            track=-(10**15),
            **({"crop_x": -5, "crop_y": 10**12, "crop_w": 10**15, "crop_h": 0} if at else {}),
        )
        for at in range(2)
    ]
    made = {**there.made, HOSTILE: Made(basis="", digest="", rows=2)}
    write_segments(path, Segments({**there.rows, HOSTILE: rows}, made))


def test_without_recordings_the_page_says_nothing_of_them(tmp_path: Path) -> None:
    text = page_of(add_videos(tmp_path / "w", ("one",)))
    assert "recordings" not in text.texts
    assert "recordings-view" not in {attributes.get("id") for _, attributes in text.tags}
    with pytest.raises(BadInput, match=r"no pipeline\.toml"):
        report(workspace=tmp_path / "nowhere")
