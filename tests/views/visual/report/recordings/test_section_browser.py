"""The timelines of recordings as people use them, in headless Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys

from portrait_prep.cli.init import segments
from portrait_prep.cli.publish import report
from portrait_prep.cli.segment import segment
from tests.cli.test_segment import borrow_toys
from tests.stages.recordings.made import PICTURE
from tests.stages.recordings.toy import SCRIPTS, write_recording
from tests.views.visual.report.recordings.test_section import write_hostile
from tests.views.visual.report.test_report_browser import Page, driver, pytestmark

__all__ = ["driver", "pytestmark"]

CUT = "next-to-a-cut"
OPEN = "document.querySelector('.film h3').textContent"
BARS = "[...document.querySelectorAll('.strip rect[data-i]:not(.frame)')]"
PANEL = "document.querySelector('aside.stretch').textContent"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The page of a workspace of two recordings before there are videos; and with those, and rows of a stranger."""
    folder = tmp_path_factory.mktemp("recordings")
    with pytest.MonkeyPatch.context() as monkeypatch:
        borrow_toys(monkeypatch)
        for name in ("short", "brief"):
            write_recording(folder / "interviews", name, size=PICTURE)
        for name in ("before", "w"):
            segment(source=folder / "interviews", workspace=folder / name, workers=0)
        segments(workspace=folder / "w")
        write_hostile(folder / "w")
        pages = [folder / name / "report" / "index.html" for name in ("before", "w")]
        for page in pages:
            report(workspace=page.parent.parent)
        yield pages[0], pages[1]


@pytest.fixture
def page(driver: webdriver.Chrome, made: tuple[Path, Path]) -> Page:
    page = Page(driver, made[1])
    page.driver.set_window_size(1400, 1000)
    open_recording(page, "short")
    return page


def open_recording(page: Page, name: str) -> None:
    page.run(
        "[...document.querySelectorAll('#recording-table .link')].find(e => e.textContent === arguments[0]).click()",
        name,
    )
    assert page.run(OPEN) == name


def kinds(page: Page) -> list[str]:
    """What is told of each stretch that is drawn, by the legend's words."""
    return [
        str(text)
        for text in page.run(
            f"{BARS}.filter(e => !e.classList.contains('faded')).map(e => e.getAttribute('class').slice(5))"
        )
    ]


def test_it_opens_without_complaint_and_asks_for_nothing(page: Page) -> None:
    assert page.complaints() == []
    asked = page.run("performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))")
    assert asked == []
    assert "Recordings (3)" in page.find("#recordings-title").text
    assert page.run("[...document.querySelectorAll('.strip image')].length") == 4
    assert kinds(page) == ["kept", CUT, "no-face", CUT, "kept", "kept"]


def test_before_there_are_videos_the_page_shows_recordings_alone(
    driver: webdriver.Chrome, made: tuple[Path, Path]
) -> None:
    page = Page(driver, made[0])
    assert page.run(OPEN) == "brief"
    assert kinds(page).count("kept") == 2
    assert not page.find("#choice").is_displayed()
    assert "init segments" in page.find(".title").text
    assert page.complaints() == []


def test_bars_lie_where_their_stretches_do(page: Page) -> None:
    """Of 24 s: one talks for 8, nobody is seen for 4, then one after the other talks for 6."""
    whole = page.run("document.querySelector('.strip').getBoundingClientRect().width")
    shares = page.run(f"{BARS}.map(e => Number(e.getAttribute('width')))")
    assert [share / whole * 24 for share in shares] == pytest.approx([8, 0, 4, 0, 6, 6], abs=0.3)


def test_a_click_tells_all_of_a_stretch_and_its_address_leads_back(page: Page) -> None:
    page.press(".strip rect[data-i='4']")
    told = page.run(PANEL)
    assert "short-001-00012040" in told
    assert "0:12.04 – 0:18.24" in told
    assert "voice" in told.lower()
    assert page.run("document.querySelector('aside.stretch img').naturalWidth") > 50
    played = page.run("document.querySelector('aside.stretch a').getAttribute('href')")
    assert played.endswith("/interviews/short.mp4#t=12.040,18.240")
    assert page.run("location.hash") == "#segment=short-001-00012040"
    page.driver.refresh()
    page.wait("document.readyState === 'complete'")
    assert page.run(OPEN) == "short"
    assert "short-001-00012040" in page.run(PANEL)


def test_arrow_keys_go_from_stretch_to_stretch(page: Page) -> None:
    page.run("document.querySelector('.reel').focus()")
    seen = []
    for _ in range(3):
        page.type(Keys.ARROW_RIGHT)
        seen.append(page.run("location.hash"))
    assert [text.rpartition("-")[2] for text in seen] == ["00000000", "00007960", "00008000"]
    page.type(Keys.END)
    assert "short-002" in page.run("location.hash")
    page.type(Keys.HOME)
    assert page.run("location.hash") == seen[0]


def test_the_legend_hides_kinds_and_the_keys_pass_over_them(page: Page) -> None:
    assert page.run("[...document.querySelectorAll('.kinds b')].map(e => e.textContent)") == [
        "19.9 s",
        "4.00 s",
        "0.08 s",
    ]
    page.run("document.querySelector('.kinds button').click()")
    assert set(kinds(page)) == {"no-face", CUT}
    page.run("document.querySelector('.reel').focus()")
    page.type(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "not kept: no face" in page.run(PANEL)
    page.run("document.querySelector('.kinds .all').click()")
    assert "kept" in kinds(page)


def test_the_pointer_tells_what_lies_under_it(page: Page) -> None:
    strip = page.find(".strip")
    page.run("arguments[0].scrollIntoView({block: 'center'})", strip)
    ActionChains(page.driver).move_to_element_with_offset(strip, round(strip.size["width"] / 8), 30).perform()
    assert page.find(".tip").text.startswith("kept: person 001\n0:12.04 – 0:18.24 (6.20 s)\n2 faces, 160 px, 160 px")


def test_rows_are_as_long_as_asked_for(page: Page) -> None:
    assert page.run("document.querySelectorAll('.strip').length") == 1
    page.run(
        "(box => { box.value = '0.5'; box.dispatchEvent(new Event('change')); })(document.querySelector('select'))"
    )
    strips = page.run("document.querySelectorAll('.strip').length")
    assert strips == 1
    ends = page.run(f"{BARS}.map(e => Number(e.getAttribute('x')) + Number(e.getAttribute('width')))")
    whole = page.run("document.querySelector('.strip').getBoundingClientRect().width")
    assert max(ends) == pytest.approx(whole * 24 / 30, abs=2)
    assert sum(scene.seconds for scene in SCRIPTS["short"]) == 24


def test_a_narrow_window_shows_all_of_it_in_more_rows(page: Page) -> None:
    page.driver.set_window_size(500, 900)
    page.wait("document.querySelector('.strip').getBoundingClientRect().width < 500")
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert len(kinds(page)) >= 5


def test_hostile_names_and_numbers_are_text_and_do_nothing(page: Page) -> None:
    name = page.run(
        "[...document.querySelectorAll('#recording-table .link')].map(e => e.textContent).find(t => /script/.test(t))"
    )
    open_recording(page, name)
    page.run("document.querySelector('.reel').focus()")
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT):
        page.type(key)
    assert "onerror" in page.run(PANEL)
    assert page.driver.title == "w – portrait-prep"
    assert page.run("document.querySelectorAll('aside.stretch a, script:not([type])').length") == 1
    assert page.complaints() == []


def test_a_segment_opens_the_video_that_was_made_of_it(page: Page) -> None:
    page.press(".strip rect[data-i='0']")
    page.press("aside.stretch .links .link")
    assert page.find("#drawer-title").text == "short-000-00000000"
    page.type(Keys.ARROW_DOWN)
    assert page.find("#drawer-title").text != "short-000-00000000"
    assert page.complaints() == []


def test_only_faces_of_persons_of_segments_are_green(
    driver: webdriver.Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    borrow_toys(monkeypatch)
    write_recording(tmp_path / "interviews", "scrap", size=PICTURE)
    segment(source=tmp_path / "interviews", workspace=tmp_path / "w", workers=0)
    report(workspace=tmp_path / "w")
    page = Page(driver, tmp_path / "w" / "report" / "index.html")
    told = page.run(
        "[...document.querySelectorAll('.strip .face')].map(e => [e.classList.contains('known'), e.textContent])"
    )
    assert [(known, "person" in text) for known, text in told] == [(True, True), (False, True)]
