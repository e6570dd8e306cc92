"""The report as people use it, in headless Chromium."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from portrait_prep.cli.opening import open_session
from portrait_prep.views.visual.report import write_report
from tests.views.toy import add_videos
from tests.views.visual.report.crowd import HOSTILE, make

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1400,1000"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-prefers-reduced-motion",
    ),
)
SMALL, LARGE = 500, 10_000
PATIENCE = 3.0
"""Seconds in which the first row of the large page must stand."""

RESULTS = "[...document.querySelectorAll('#video-table tbody .badge')].map(e => e.textContent)"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed (Debian: chromium, chromium-driver)"
)


class Page:
    """An open report."""

    def __init__(self, driver: webdriver.Chrome, path: Path) -> None:
        self.driver = driver
        driver.get("about:blank")
        driver.get(path.as_uri())
        self.wait("document.readyState === 'complete'")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def wait(self, script: str) -> None:
        WebDriverWait(self.driver, 20).until(lambda _: self.run(script))

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, selector: str) -> None:
        """Click what a person would scroll to."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def search(self, text: str) -> None:
        box = self.find("input[type=search]")
        self.run("(arguments[0].value = arguments[1], arguments[0].dispatchEvent(new Event('input')))", box, text)

    @property
    def names(self) -> list[str]:
        """Videos in the rows that are in the document, in order."""
        return list(
            self.run("[...document.querySelectorAll('#video-table tbody .video .link')].map(e => e.textContent)")
        )

    @property
    def results(self) -> set[str]:
        return set(self.run(RESULTS))

    def column(self, title: str) -> list[str]:
        """Cells of a column, of the rows in the document."""
        return list(
            self.run(
                """(() => {
                const heads = [...document.querySelectorAll('#video-table thead th')].map(e => e.textContent);
                const at = heads.findIndex(text => text.startsWith(arguments[0]));
                const rows = [...document.querySelectorAll('#video-table tbody tr:not(.spacer)')];
                return rows.map(row => row.children[at].textContent);
                })()""",
                title,
            )
        )

    def sort(self, title: str) -> None:
        self.run(
            "[...document.querySelectorAll('#video-table thead button')]"
            ".find(e => e.textContent.startsWith(arguments[0])).click()",
            title,
        )

    @property
    def chosen(self) -> int:
        """How many videos are chosen, as the table of videos tells."""
        return int(self.run("document.getElementById('videos').textContent.replace(/\\D/g, '')"))

    def complaints(self) -> list[str]:
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(str(DRIVER))) as running:
        yield running


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a workspace of many videos."""
    return write_report(make(tmp_path_factory.mktemp("crowd") / "many", SMALL), pictures=20)


@pytest.fixture
def page(driver: webdriver.Chrome, crowd: Path) -> Page:
    """Freshly loaded."""
    return Page(driver, crowd)


def test_it_opens_without_complaint_and_asks_for_nothing(page: Page) -> None:
    assert page.chosen == SMALL
    assert page.complaints() == []
    asked = page.run(
        "performance.getEntriesByType('resource').map(e => e.name).filter(name => !name.startsWith('data:'))"
    )
    assert asked == []


@pytest.mark.parametrize(
    ("result", "review"), [("failed", None), ("rejected", "accept"), ("accepted", "reject"), ("left out", None)]
)
def test_of_a_video_only_commands_are_offered_that_do_something(page: Page, result: str, review: str | None) -> None:
    page.press(f".toggle.{result.replace(' ', '-')}")
    page.run("document.querySelector('#video-table tbody .video .link').click()")
    page.wait("document.querySelector('pre.commands') !== null")
    text = page.find("pre.commands").text
    offered = [word for word in ("accept", "reject") if f"review {word}" in text]
    assert offered == ([review] if review else [])
    assert ("overlay" in text) == bool(page.run("document.querySelector('#drawer a[href*=\".mp4\"]') !== null"))
    assert "--retry-failed" not in text  # these failures are for good
    assert "portrait-prep manifest" in text


def test_only_rows_in_sight_are_in_the_document(page: Page) -> None:
    assert 0 < len(page.names) < 60
    first = page.names
    page.run("document.querySelector('#video-table .grid').scrollTo(0, 1e9)")
    page.wait("document.querySelector('#video-table tbody').textContent.includes('left out')")
    assert 0 < len(page.names) < 60
    assert not set(first) & set(page.names)
    assert page.run(f"document.querySelector('[aria-rowindex=\"{SMALL + 1}\"]') !== null")


def test_problems_come_first(page: Page) -> None:
    places = [
        ("failed", "rejected", "unfinished", "accepted", "left out").index(result) for result in page.run(RESULTS)
    ]
    assert places[0] == 0
    assert places == sorted(places)


def test_a_search_leaves_the_videos_that_have_all_words(page: Page) -> None:
    page.search("train SPEAKER0000")
    assert 0 < page.chosen < SMALL
    assert all(name.startswith("speaker0000") for name in page.names)
    assert "of 500 videos" in page.find(".choice .count").text
    page.search("nobody is called so")
    assert page.chosen == 0
    assert "Nothing is chosen" in page.find("#video-table").text
    page.search("")
    assert page.chosen == SMALL


@pytest.mark.parametrize("title", ["Face in the source", "Lip-sync lag"])
def test_a_click_on_a_heading_sorts_and_another_turns_it_round(page: Page, title: str) -> None:
    for factor in (-1, 1):
        page.sort(title)
        values = [float(text.replace("−", "-")) for text in page.column(title)]
        assert values == sorted(values, key=lambda value: factor * value)
    assert page.run("document.querySelectorAll('#video-table [aria-sort]').length") == 1


def test_names_sort_as_people_count(page: Page) -> None:
    page.sort("Video")
    shown = [name for name in page.names if name.startswith("speaker")]
    assert shown == sorted(shown)


def test_what_became_of_them_chooses_and_takes_back(page: Page) -> None:
    page.press(".toggle.rejected")
    assert page.results == {"rejected"}
    page.press(".toggle.accepted")
    accepted_too = page.chosen
    page.press(".toggle.rejected")
    assert page.results == {"accepted"}
    assert page.chosen < accepted_too
    page.press(".chip")
    assert page.chosen == SMALL
    assert page.find(".toggle.accepted").get_attribute("aria-pressed") == "false"


def test_videos_with_pictures_can_be_chosen(page: Page) -> None:
    page.press(".toggles .plain")
    assert page.chosen == page.run("document.querySelectorAll('[id^=detail-]').length")
    page.wait("[...document.querySelectorAll('#video-table .thumb img')].every(image => image.naturalWidth)")
    assert len(page.names) == page.run("document.querySelectorAll('#video-table .thumb img').length")
    page.press(".toggles .plain")
    assert page.chosen == SMALL


def test_a_reason_shows_its_videos(page: Page) -> None:
    told = page.find("[data-heading^='it has']")
    videos = int(page.run("arguments[0].closest('tr').firstElementChild.textContent", told))
    page.press("[data-heading^='it has']")
    assert page.chosen >= videos
    told = page.run("[...document.querySelectorAll('#video-table td [title*=cut]')].length")
    assert told == len(page.names)


def test_a_step_of_the_funnel_shows_what_it_lost(page: Page) -> None:
    lost = page.find("[data-stage=landmarks][data-state=failed]")
    count = int(lost.text.split()[0])
    page.press("[data-stage=landmarks][data-state=failed]")
    assert page.chosen == count
    assert all(text.startswith("failedlandmarks:") for text in page.column("Verdict"))


def test_bounds_are_typed_and_combine(page: Page) -> None:
    page.run(
        "[['Blur from', 0.3], ['Blur to', 0.4]].forEach(([label, value]) => {"
        "const box = document.querySelector(`[aria-label='${label}']`); box.value = value;"
        "box.dispatchEvent(new Event('change')); })"
    )
    chosen = page.chosen
    assert 0 < chosen < SMALL
    assert all(0.3 <= float(text) <= 0.4 for text in page.column("Blur"))
    page.search("train")
    assert 0 < page.chosen < chosen


def test_bars_are_dragged_over(page: Page) -> None:
    chart = "[aria-label^='Fit residual']"
    page.run(f"document.querySelector(\"svg{chart}\").scrollIntoView({{block: 'center'}})")
    picture = page.find(f"svg{chart}")
    width = picture.size["width"]
    move = ActionChains(page.driver).move_to_element_with_offset(picture, -width // 4, 0).click_and_hold()
    move.move_by_offset(width // 4, 0).release().perform()
    low, high = (
        float(page.find(f"[aria-label='Fit residual {word}']").get_attribute("value") or "nan")
        for word in ("from", "to")
    )
    assert low < high
    page.sort("Fit residual")
    values = [float(text) for text in page.column("Fit residual")]
    assert values[0] <= high
    page.sort("Fit residual")
    assert float(page.column("Fit residual")[0]) >= low


def test_a_subject_chooses_its_videos(page: Page) -> None:
    page.press("#subject-table tbody .link")
    subject = page.find("#subject-table tbody .link").text
    assert set(page.column("Subject")) == {subject}


def test_a_drawer_opens_by_keyboard_and_gives_the_focus_back(page: Page) -> None:
    page.run("document.querySelector('#video-table .video .link').focus()")
    name = page.names[0]
    page.type(Keys.ENTER)
    assert page.find("#drawer-title").text == name
    page.type(Keys.ARROW_DOWN)
    assert page.find("#drawer-title").text == page.names[1]
    page.type(Keys.ESCAPE)
    assert not page.find("#drawer").is_displayed()
    assert page.run("document.activeElement.textContent") == page.names[1]


def test_arrow_keys_go_through_all_rows(page: Page) -> None:
    page.run("document.querySelector('#video-table .video .link').focus()")
    page.type(Keys.END)
    page.wait("document.activeElement.closest('tr')?.getAttribute('aria-rowindex') === '501'")
    page.type(Keys.ARROW_UP)
    assert page.run("document.activeElement.closest('tr').getAttribute('aria-rowindex')") == "500"


def open_drawn(page: Page) -> None:
    """The drawer of a video that has all pictures."""
    drawn = page.run("document.querySelector('[id^=detail-]:last-of-type').id.slice(7)")
    name = page.run("JSON.parse(document.getElementById('corpus').textContent).id[arguments[0]]", int(drawn))
    page.run("location.replace('#' + encodeURIComponent(arguments[0]))", name)
    page.driver.refresh()
    page.wait("document.readyState === 'complete'")
    assert page.find("#drawer-title").text == name


def test_the_drawer_shows_sheet_curves_and_mesh(page: Page) -> None:
    open_drawn(page)
    page.wait("document.querySelector('.sheet img').complete")
    assert page.run("document.querySelector('.sheet img').naturalWidth") == 5 * 168
    assert page.run("document.querySelectorAll('.plot .curve').length") == 4
    assert "lip opening" in page.find(".body").text
    assert re.search(r"This is <i>\d+</i>\.", page.find(".body").text)
    inked = (
        "document.querySelector('.mesh canvas').getContext('2d').getImageData(0, 0, 512, 512).data.some(value => value)"
    )
    assert page.run(inked)
    before = page.run("document.querySelector('.mesh canvas').toDataURL()")
    page.run("document.querySelector('.mesh canvas').focus()")
    page.type(Keys.ARROW_LEFT)
    assert page.run("document.querySelector('.mesh canvas').toDataURL()") != before
    assert page.complaints() == []


def test_the_cursor_tells_the_frame_and_its_values(page: Page) -> None:
    open_drawn(page)
    picture = page.find(".plot svg")
    ActionChains(page.driver).move_to_element(picture).perform()
    assert page.find(".plot .axis").text.split("\n")[1] == "frame 25, 1.00 s"
    yaw = page.find(".plot .value").text
    assert float(yaw.removeprefix("yaw ").removesuffix("°").replace("−", "-")) == pytest.approx(1.7, abs=0.2)


def test_hostile_names_are_text_and_do_nothing(page: Page) -> None:
    page.search("</script>")
    assert page.chosen == 1
    shown = page.run("document.querySelector('#video-table tbody').textContent")
    assert HOSTILE.replace("\u2028", "\\u2028").replace("\u202e", "\\u202e") in shown
    page.press("#video-table tbody .link")
    assert "onerror" in page.find("#drawer").text
    assert page.driver.title == "many – portrait-prep"
    assert page.run("document.querySelectorAll('script:not([type]), img:not([src^=\"data:\"])').length") == 1
    assert page.complaints() == []


def test_a_script_that_came_in_somehow_would_not_run(page: Page) -> None:
    page.run(
        "(() => { const script = document.createElement('script'); script.textContent = \"document.title = 'run'\";"
        "document.body.append(script); document.body.insertAdjacentHTML('beforeend',"
        " '<img src=x onerror=\"document.title=1\">'); })()"
    )
    assert page.driver.title == "many – portrait-prep"
    assert any("Content Security Policy" in text for text in page.complaints())


@pytest.mark.parametrize("names", [(), ("one", "two")])
def test_it_opens_where_nothing_has_been_done_yet(
    driver: webdriver.Chrome, tmp_path: Path, names: Sequence[str]
) -> None:
    page = Page(driver, write_report(add_videos(tmp_path / "w", names)))
    assert page.chosen == len(names)
    assert len(page.names) == len(names)
    assert page.complaints() == []


def test_a_value_of_a_label_chooses_and_takes_back(page: Page) -> None:
    happy = "//article[.//h3='Emotion']//button[.//bdi='happy']"
    page.driver.find_element(By.XPATH, happy).click()
    assert 0 < page.chosen < SMALL
    assert page.driver.find_element(By.XPATH, happy).get_attribute("aria-pressed") == "true"
    page.driver.find_element(By.XPATH, happy).click()
    assert page.chosen == SMALL


@pytest.mark.slow
def test_ten_thousand_videos_are_there_at_once(driver: webdriver.Chrome, tmp_path: Path) -> None:
    path = write_report(make(tmp_path / "ten thousand", LARGE))
    assert path.stat().st_size < 20e6
    page = Page(driver, path)
    for moment in ("firstRow", "ready"):
        assert 0 < page.run(f"Number(document.documentElement.dataset.{moment})") < PATIENCE * 1000
    assert page.chosen == LARGE
    assert len(page.names) < 60
    begun = page.run("performance.now()")
    page.search("speaker0001 happy")
    page.sort("Blur")
    assert page.run("performance.now()") - begun < 1500
    assert 0 < page.chosen < LARGE
    page.press("#video-table tbody .link")
    assert page.find("#drawer").is_displayed()
    assert page.complaints() == []


@pytest.mark.slow
def test_real_clips_are_shown_with_all_that_was_found(driver: webdriver.Chrome, clips_workspace: Path) -> None:
    page = Page(driver, write_report(open_session(clips_workspace)))
    assert page.chosen == 3
    for _ in range(3):
        page.press("#video-table tbody .link")
        page.wait("document.querySelector('.sheet img').complete")
        assert page.run("document.querySelector('.sheet img').naturalWidth") == 5 * 168
        assert page.run("document.querySelectorAll('.plot').length") == 2
        assert page.find(".mesh canvas").is_displayed()
        page.type(Keys.ESCAPE)
        page.sort("Duration")
    assert page.complaints() == []
