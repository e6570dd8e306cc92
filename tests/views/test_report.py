import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import BadInput
from pipeline.session import Session
from tests.views.toy import STAGES, TORSO, enrol, run
from views.report import clock, render, write_report

NAMES = ("bad one", "fine", "lost", "short", "fine & <b>")
HOSTILE = "\"><img src=x onerror=alert(1)><script>alert('x')</script>&amp; {{ 7 * 7 }}"
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order, every attribute stands once."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self._open or "th" in self._open:
            self.rows[-1][-1] += data

    def videos(self) -> dict[str, str]:
        """Video id -> the text of its row."""
        rows = self.rows[len(STAGES) + 2 :]
        return {row[1].split()[0]: " ".join(" ".join(row).split()) for row in rows}

    def attributes(self) -> Iterator[tuple[str, str, str]]:
        """Tag, attribute and value, of all."""
        for tag, attributes in self.tags:
            for name, value in attributes.items():
                yield tag, name, value or ""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A workspace that has been run: not to be changed."""
    session = enrol(tmp_path_factory.mktemp("report") / "my work", NAMES)
    run(session)
    return session


@pytest.fixture(scope="module")
def page(session: Session) -> str:
    return write_report(session).read_text("utf-8")


def test_each_video_has_one_row_with_its_verdict_and_every_reason(page: str) -> None:
    rows = Page(page).videos()
    assert len(rows) == len(NAMES)
    by_start = {source: text for text in rows.values() for source in NAMES if f"sources/{source} " in text}
    assert "failed" in by_start["bad one"]
    assert "bad one cannot be decoded" in by_start["bad one"]
    assert "no retry will mend it" in by_start["bad one"]
    assert by_start["bad one"].endswith("failed blocked blocked")
    assert "rejected" in by_start["lost"]
    assert "a face was seen in 0.0% of the frames" in by_start["lost"]
    assert "it lasts 0.50 s" in by_start["short"]
    assert "accepted" in by_start["fine"]
    assert by_start["fine"].endswith("done done done")


def test_problems_come_first(page: str) -> None:
    verdicts = [row[4].split()[0] for row in Page(page).rows[len(STAGES) + 2 :]]
    assert verdicts == ["failed", "rejected", "rejected", "accepted", "accepted"]


def test_the_stage_table_adds_up_to_the_catalogue(page: str) -> None:
    for stage, row in zip(STAGES, Page(page).rows[1 : len(STAGES) + 1], strict=True):
        assert row[0].strip() == stage.name
        assert sum(int(cell.split()[0]) for cell in row[1:]) == len(NAMES)


def test_videos_with_frames_have_a_picture_and_others_a_placeholder(page: str) -> None:
    sources = [value for tag, name, value in Page(page).attributes() if (tag, name) == ("img", "src")]
    assert len(sources) == len(NAMES) - 1
    assert all(value.startswith("data:image/jpeg;base64,") for value in sources)
    assert page.count("no frames") == 1


def test_the_page_asks_for_nothing_else_and_runs_nothing(page: str) -> None:
    loads = {"src", "srcset", "data", "poster", "background", "action"}
    for tag, name, value in Page(page).attributes():
        assert not name.startswith("on")
        assert name not in loads or value.startswith("data:")
        assert name != "href" or (tag == "a" and value.startswith("../manifests/"))
    assert not {tag for tag, _ in Page(page).tags} & {"script", "link", "iframe", "object", "embed", "base"}
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    fields = {"subject": HOSTILE, "source": HOSTILE, "defect": HOSTILE}
    text = render(enrol(tmp_path / "<script>alert(2)<", ["one"], **fields))
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert "<script" not in text
    row = page.videos()
    assert HOSTILE in next(iter(row.values()))
    assert "<h1>&lt;script&gt;alert(2)&lt;</h1>" in text


def test_marks_that_turn_or_hide_text_show_as_escapes(tmp_path: Path) -> None:
    text = render(enrol(tmp_path / "w", ["one"], source="a\u202egpj.4pm\x00\x1b[31m"))
    assert "a\\u202egpj.4pm\\x00\\x1b[31m" in text
    assert not set(text) & {"\u202e", "\x00", "\x1b"}


def test_before_any_run_everything_is_unfinished_and_nothing_is_drawn(tmp_path: Path) -> None:
    text = render(enrol(tmp_path / "w", ["one", "two"]))
    rows = Page(text).videos()
    assert len(rows) == 2
    assert all("normalize is pending: not computed yet" in row for row in rows.values())
    assert "href" not in text.partition("<body>")[2]


def test_a_row_that_only_repeats_another_says_so(tmp_path: Path) -> None:
    text = render(enrol(tmp_path / "w", ["one"], defect="duplicate of two"))
    assert "left out duplicate of two" in Page(text).videos()["one"]


def figures(text: str) -> dict[str, str]:
    found = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", text)
    assert len(found) == len(dict(found))
    return dict(found)


def test_the_figures_at_the_head(page: str) -> None:
    assert figures(page) == {
        "Videos": "5",
        "Accepted": "2",
        "Rejected for quality": "2",
        "Failed a stage": "1",
        "Footage": "48.50 s",
        "Accepted footage": "24.00 s",
    }


def test_repeated_videos_add_no_footage(tmp_path: Path) -> None:
    head = figures(render(enrol(tmp_path / "w", ["one", "two"], defect="duplicate of three")))
    assert (head["Left out"], head["Footage"]) == ("2", "0.00 s")


def test_an_accepted_video_stays_so_while_a_stage_that_joins_videos_is_behind(session: Session) -> None:
    late = replace(TORSO, name="late", reads=("torso.visible",), process=lambda _: iter(()), reduce=lambda *_: [])
    text = render(Session(session.workspace, (*STAGES, late)))
    row = next(row for row in Page(text).videos().values() if "sources/fine " in row)
    assert "accepted late is pending: not computed yet" in row


def test_pictures_are_capped_and_go_to_problems_first(session: Session) -> None:
    page = Page(render(session, pictures=1))
    drawn = [value for tag, name, value in page.attributes() if (tag, name) == ("img", "alt")]
    assert drawn == ["Frame 150 of lost"]


def test_the_same_workspace_gives_the_same_page(session: Session) -> None:
    assert render(session) == render(session)


@pytest.mark.parametrize(
    ("broken", "drawn"),
    [("media/fine.mp4", False), ("landmarks/toy-00000.parquet", True), ("torso/toy-00000.parquet", True)],
)
def test_damage_costs_what_was_to_be_drawn_and_not_the_report(tmp_path: Path, broken: str, drawn: bool) -> None:
    session = enrol(tmp_path / "w", ["fine"])
    run(session)
    path = session.workspace.root / broken
    content = path.read_bytes()
    footer = 4000
    path.write_bytes(content[:4] + bytes(len(content) - footer - 4) + content[-footer:])
    text = render(session)
    assert len(Page(text).videos()) == 1
    assert ("<img" in text) is drawn
    assert ("not drawn" in text) is not drawn


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    session = enrol(tmp_path / "w", ["one"])
    (session.workspace.root / "report").write_text("a file in the way")
    with pytest.raises(BadInput, match="The report cannot be written"):
        write_report(session)


def test_nothing_is_left_beside_the_page(session: Session, page: str) -> None:
    assert [path.name for path in (session.workspace.root / "report").iterdir()] == ["index.html"]
    assert page.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "unknown"),
        (0.0, "0.00 s"),
        (4.96, "4.96 s"),
        (59.996, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (11_220, "3 h 07 min"),
    ],
)
def test_lengths_read_as_people_say_them(seconds: Any, told: str) -> None:
    assert clock(seconds) == told
