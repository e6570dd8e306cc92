import base64
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.printing import printable
from portrait_prep.manifests.verdict import Review, write_reviews
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.views.visual.drawing.overlay import write_overlay
from portrait_prep.views.visual.report import write_report
from portrait_prep.views.visual.report.page import render
from portrait_prep.views.visual.report.sheet import TILES
from tests.views.toy import FRAMES, STAGES, TORSO, add_videos, run

NAMES = ("bad one", "fine", "lost", "short", "fine & <b>")
HOSTILE = "\"><img src=x onerror=alert(1)></script><script>alert('x')</script><!--&amp; {{ 7 * 7 }}\u2028"
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, every attribute stands once."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        """Content of each script and style, by id, or by the name of the element where it has none."""
        self.words = ""
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        self.words += " "
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id") or tag))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in ("script", "style"):
            name = self._open[-1][1]
            self.texts[name] = self.texts.get(name, "") + data
        else:
            self.words += data

    @property
    def said(self) -> str:
        """What a reader sees without the script, with single spaces."""
        return " ".join(self.words.split())

    @property
    def corpus(self) -> dict[str, Any]:
        return dict(json.loads(self.texts["corpus"]))

    def detail(self, number: int) -> dict[str, Any] | None:
        text = self.texts.get(f"detail-{number}")
        return None if text is None else dict(json.loads(text))

    def videos(self) -> dict[str, dict[str, Any]]:
        """File name of the source -> result, states, reasons, number of the row."""
        corpus = self.corpus
        return {
            file: {
                "result": corpus["results"][int(corpus["result"][number])],
                "states": [corpus["states"][int(state)] for state in corpus["state"][number]],
                "reasons": [text for _, text in corpus["reason"][number]],
                "number": number,
            }
            for number, file in enumerate(corpus["file"])
        }

    def attributes(self) -> Iterator[tuple[str, str, str]]:
        """Tag, attribute and value, of all."""
        for tag, attributes in self.tags:
            for name, value in attributes.items():
                yield tag, name, value or ""


def page_of(session: Session, **options: Any) -> Page:
    return Page("".join(render(session, **options)))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A workspace that has been run: not to be changed."""
    session = add_videos(tmp_path_factory.mktemp("report") / "my work", NAMES)
    run(session)
    return session


@pytest.fixture(scope="module")
def text(session: Session) -> str:
    return write_report(session).read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_each_video_has_one_row_with_what_became_of_it_and_every_reason(page: Page) -> None:
    rows = page.videos()
    assert rows.keys() == set(NAMES)
    assert {name: row["result"] for name, row in rows.items()} == {
        "bad one": "failed",
        "lost": "rejected",
        "short": "rejected",
        "fine": "accepted",
        "fine & <b>": "accepted",
    }
    assert rows["bad one"]["states"] == ["failed", "blocked", "blocked"]
    assert rows["bad one"]["reasons"][0].startswith(
        "normalize: bad one cannot be decoded (BadVideo, 1 attempt; no retry"
    )
    assert "a face was seen in 0.0% of the frames" in rows["lost"]["reasons"][0]
    assert "it lasts 0.50 s" in rows["short"]["reasons"][0]
    assert rows["fine"] | {"number": 0} == {"result": "accepted", "states": ["done"] * 3, "reasons": [], "number": 0}


def test_the_funnel_tells_what_came_through_and_what_did_not(page: Page) -> None:
    funnel = page.said.partition("What came through")[2].partition("What keeps")[0]
    assert "catalogue 5 48.50 s normalize 4 36.50 s 1 failed landmarks 4 36.50 s 1 blocked" in funnel
    assert funnel.strip().endswith("accepted 2 24.00 s 2 rejected")


def test_reasons_are_counted_by_kind_with_their_thresholds(page: Page) -> None:
    reasons = page.said.partition("What keeps videos out")[2].partition("Distributions")[0]
    assert "1 rejected a face was seen in … of the frames, less than 90%" in reasons
    assert "1 rejected it lasts … s, less than 1 s" in reasons
    assert "1 failed normalize: … cannot be decoded" in reasons
    headings = page.corpus["headings"]
    kinds = {headings[number] for found in page.corpus["reason"] for number, _ in found}
    buttons = {value for _, name, value in page.attributes() if name == "data-heading"}
    assert buttons == kinds


def test_measures_are_whole_steps_of_their_last_decimal_and_absent_ones_are_named(page: Page) -> None:
    measures = {measure["key"]: measure for measure in page.corpus["measures"]}
    order = {file: number for number, file in enumerate(page.corpus["file"])}
    assert measures["normalize.seconds"]["decimals"] == 2
    assert measures["normalize.seconds"]["values"][order["fine"]] == 1200
    assert measures["landmarks.face_share"]["values"][order["bad one"]] is None
    assert measures["normalize.seconds"]["limits"] == {"min": 1.0}
    assert measures["landmarks.face_share"]["values"][order["lost"]] == 0
    assert measures["landmarks.face_share"]["limits"] == {"min": 90.0}
    assert measures["landmarks.blur"]["values"] == []
    assert "Not measured in this workspace:" in page.said
    assert re.search(r"Not measured in this workspace:[^.]*\bBlur\b", page.said)
    assert not re.search(r"Not measured in this workspace:[^.]*\bDuration\b", page.said)


def test_a_video_with_frames_has_a_contact_sheet_and_others_have_none(page: Page) -> None:
    for name, row in page.videos().items():
        detail = page.detail(row["number"])
        if name == "bad one":
            assert detail is None
            continue
        assert detail is not None
        sheet = base64.b64decode(detail["sheet"].removeprefix("data:image/jpeg;base64,"))
        assert sheet.startswith(b"\xff\xd8\xff")
        assert detail["total"] == FRAMES
        assert len(detail["frames"]) == TILES
    assert page.corpus["drawn"] == sorted(row["number"] for name, row in page.videos().items() if name != "bad one")


def test_a_video_that_is_opened_tells_what_is_said_in_it(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", ["fine", "short"])
    run(session)
    write_catalogue(
        session.workspace.catalogue, [session.videos[0].model_copy(update={"text": HOSTILE}), session.videos[1]]
    )
    page = page_of(Session(session.workspace, STAGES))
    details = [page.detail(row["number"]) or {} for row in page.videos().values()]
    assert [detail.get("text") for detail in details] == [str(printable(HOSTILE)), None]


def test_the_page_asks_for_nothing_else(text: str, page: Page) -> None:
    loads = {"src", "srcset", "data", "poster", "background", "action", "href"}
    for _, name, value in page.attributes():
        assert not name.startswith("on")
        assert name not in loads or value.startswith("data:")
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base", "form", "img"}
    outside = text.replace("http://www.w3.org/2000/svg", "")
    for sign in ("http://", "https://", "url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("):
        assert sign not in outside


def test_nothing_but_the_page_s_own_script_and_style_may_work(page: Page) -> None:
    (policy,) = (attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert policy is not None
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.texts[name].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    fields = {"subject": HOSTILE, "source": HOSTILE, "defect": HOSTILE, "emotion": HOSTILE, "split": HOSTILE}
    text = "".join(render(add_videos(tmp_path / "<script>alert(2)<", ["one"], **fields)))
    page = Page(text)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [attributes.get("type") for attributes in scripts] == ["application/json", "application/json", None]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    shown = HOSTILE.replace("\u2028", "\\u2028")
    assert page.corpus["subject"]["names"] == [shown]
    assert page.corpus["folder"]["names"][0] + "/" + page.corpus["file"][0] == shown
    assert "<h1>&lt;script&gt;alert(2)&lt;</h1>" in text


def test_marks_that_turn_or_hide_text_show_as_escapes(tmp_path: Path) -> None:
    text = "".join(render(add_videos(tmp_path / "w", ["one"], source="a\u202egpj.4pm\x00\x1b[31m")))
    assert Page(text).corpus["file"] == ["a\\u202egpj.4pm\\x00\\x1b[31m"]
    assert not set(text) & {"\u202e", "\x00", "\x1b"}


def test_before_any_run_everything_is_unfinished_and_nothing_is_drawn(tmp_path: Path) -> None:
    page = page_of(add_videos(tmp_path / "w", ["one", "two"]))
    assert {row["result"] for row in page.videos().values()} == {"unfinished"}
    assert all(row["reasons"] == ["normalize is pending: not computed yet"] for row in page.videos().values())
    assert page.corpus["drawn"] == []


def test_a_row_that_only_repeats_another_says_so_and_adds_no_footage(tmp_path: Path) -> None:
    page = page_of(add_videos(tmp_path / "w", ["one", "two"], defect="duplicate of three"))
    assert page.videos()["one"]["result"] == "left out"
    assert page.videos()["one"]["reasons"] == ["duplicate of three"]
    assert "Left out 2" in page.said
    assert "Accepted footage 0.00 s of 0.00 s" in page.said


def test_the_figures_at_the_head(page: Page) -> None:
    head = page.said.partition("What came through")[0]
    assert "Accepted 2 of 5 videos Accepted footage 24.00 s of 48.50 s" in head
    assert "Rejected for quality 2 12.50 s Failed a stage 1 12.00 s Subjects 5" in head


def test_an_accepted_video_stays_so_while_a_stage_that_joins_videos_is_behind(session: Session) -> None:
    late = replace(TORSO, name="late", reads=("torso.visible",), process=lambda _: iter(()), reduce=lambda *_: [])
    row = page_of(Session(session.workspace, (*STAGES, late))).videos()["fine"]
    assert (row["result"], row["states"][-1]) == ("accepted", "pending")
    assert row["reasons"] == ["late is pending: not computed yet"]


def test_a_person_s_decision_is_told_with_what_the_rules_said(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", ["short", "fine"])
    run(session)
    said = {"why": "<b>looked at it", "who": "Ada", "when": "2026-01-01T00:00:00Z"}
    reviews = {"short": Review(decision="accept", **said), "fine": Review(decision="reject", **said)}
    write_reviews(session.workspace.reviews, reviews)
    rows = page_of(Session(session.workspace, STAGES)).videos()
    assert rows["short"]["result"] == "accepted"
    assert rows["short"]["reasons"][0] == "Ada accepted it: <b>looked at it"
    assert rows["short"]["reasons"][1].startswith("overruled: it lasts 0.50 s")
    assert rows["fine"]["result"] == "rejected"
    assert rows["fine"]["reasons"] == ["Ada rejected it: <b>looked at it"]


def test_pictures_are_capped_and_those_asked_for_come_in_any_case(session: Session) -> None:
    names = page_of(session).videos()
    page = page_of(session, pictures=2, show=["short"])
    drawn = {name for name, row in names.items() if page.detail(row["number"])}
    assert len(drawn) <= 3
    assert "short" in drawn
    assert page_of(session, pictures=0).corpus["drawn"] == []


def test_a_video_that_is_not_there_cannot_be_shown(session: Session) -> None:
    with pytest.raises(BadInput, match="There is no video 'nobody'"):
        write_report(session, show=["nobody"])


def test_the_same_workspace_gives_the_same_page(session: Session) -> None:
    assert "".join(render(session)) == "".join(render(session))


@pytest.mark.parametrize(
    ("broken", "drawn"),
    [("media/fine.mp4", False), ("landmarks/toy-00000.parquet", True), ("torso/toy-00000.parquet", True)],
)
def test_damage_costs_what_was_to_be_drawn_and_not_the_report(tmp_path: Path, broken: str, drawn: bool) -> None:
    session = add_videos(tmp_path / "w", ["fine"])
    run(session)
    path = session.workspace.root / broken
    content = path.read_bytes()
    footer = 4000
    path.write_bytes(content[:4] + bytes(len(content) - footer - 4) + content[-footer:])
    page = page_of(session)
    assert len(page.videos()) == 1
    detail = page.detail(0)
    assert detail is not None
    assert ("sheet" in detail) is drawn


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", ["one"])
    (session.workspace.root / "report").write_text("a file in the way")
    with pytest.raises(BadInput, match="The report cannot be written"):
        write_report(session)


def test_a_folder_that_is_a_link_elsewhere_is_not_written_into(session: Session, tmp_path: Path) -> None:
    victim, root = tmp_path / "victim", tmp_path / "w"
    (victim / "overlay").mkdir(parents=True)
    (victim / "index.html").write_text("dear to somebody")
    shutil.copytree(session.workspace.root, root, ignore=shutil.ignore_patterns("report"))
    (root / "report").symlink_to(victim)
    copied = Session(Workspace(root), session.stages)
    video_id = next(
        found.video.video_id for shard in copied.video_statuses() for found in shard if "normalize" in found.digests
    )
    with pytest.raises(MissingPrerequisite, match="report is a link that leads out"):
        write_report(copied)
    with pytest.raises(MissingPrerequisite, match="report is a link that leads out"):
        write_overlay(copied, video_id)
    (root / "report").unlink()
    (root / "report").mkdir()
    (root / "report/overlay").symlink_to(victim / "overlay")
    (root / "report/index.html").symlink_to(victim / "index.html")
    write_report(copied)
    with pytest.raises(MissingPrerequisite, match="overlay is a link that leads out"):
        write_overlay(copied, video_id)
    assert (victim / "index.html").read_text() == "dear to somebody"
    assert not list((victim / "overlay").iterdir())


def test_nothing_is_left_beside_the_page(session: Session, text: str) -> None:
    assert [path.name for path in (session.workspace.root / "report").iterdir()] == ["index.html"]
    assert text.startswith("<!DOCTYPE html>")
