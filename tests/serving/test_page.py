"""The page in Debian's Chromium, as a visitor uses it."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serving.conftest import Running, running
from text2face import TextToFace, provenance

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60_000
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium"),
    pytest.mark.filterwarnings("ignore:::gradio"),  # its own, of pandas and files
]


@pytest.fixture(scope="module")
def site(pipe: TextToFace) -> Iterator[Running]:
    with running(pipe, page=True) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, site: Running) -> Iterator[Any]:
    """A fresh visit, which asks nobody but the server."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url))
    page.set_default_timeout(PATIENCE)
    page.goto(site.url)
    page.wait_for_selector("#make")
    yield page
    page.close()
    home = (site.url, "data:", "blob:", site.url.replace("http", "ws"))
    assert [url for url in foreign if not url.startswith(home)] == []


def count(page: Any, selector: str, number: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('{selector} img').length == {number}")


def make(page: Any, prompt: str = "an old man with a beard") -> None:
    page.fill("#prompt textarea", prompt)
    page.click("#make")
    count(page, "#past", 4)


def test_words_become_faces_that_are_varied_blended_and_kept(
    visit: Any, site: Running, tmp_path: Path
) -> None:
    visit.fill("#prompt textarea", "an old groovy man")
    visit.wait_for_selector("#notice :text('groovy')")
    make(visit)
    count(visit, "#faces", 4)
    visit.click("#faces button >> nth=2")
    visit.wait_for_function("document.querySelector('#details').innerText.includes('seed')")
    visit.click("#similar")
    count(visit, "#past", 8)
    visit.click("#past button >> nth=0")
    visit.wait_for_selector("#pair :text('Second')")
    visit.click("#past button >> nth=5")
    visit.click("#blend")
    count(visit, "#faces", 1)
    count(visit, "#past", 9)
    visit.wait_for_selector("#details :text('% of seed')")
    with visit.expect_download() as download:
        visit.click("#keep")
    (record,) = provenance.read(Path(download.value.path()))
    assert record.prompt == "an old man with a beard"
    assert record.process is not None
    assert re.fullmatch(r"50 % of seed \d+ in seed \d+", record.process)
    visit.click("#move")
    visit.wait_for_selector("#animation img")
    response = visit.request.get(visit.get_attribute("#animation img", "src"))
    assert getattr(Image.open(io.BytesIO(response.body())), "n_frames", 1) > 20
    assert provenance.inspect(response.body()).problems == []


def test_an_image_gives_its_settings_back(visit: Any, pipe: TextToFace, tmp_path: Path) -> None:
    settings = pipe.settings(truncation=0.6, negative_prompt="a hat")
    (face,) = pipe.draw(["a woman with red hair"], [1234], settings)
    path = tmp_path / "face.webp"
    provenance.write(path, face.image, provenance.make_record(pipe, settings, face))
    visit.click("text=Get settings back from an image")
    visit.set_input_files("#dropped input[type=file]", path)
    visit.wait_for_function("document.querySelector('#seed input').value == '1234'")
    assert visit.input_value("#prompt textarea") == "a woman with red hair"
    assert visit.is_checked("#lock input")
    visit.click("#make")
    count(visit, "#faces", 1)
    with visit.expect_download() as download:
        visit.click("#keep")
    (record,) = provenance.read(Path(download.value.path()))
    assert (record.seed, record.settings.truncation) == (1234, 0.6)
    with Image.open(download.value.path()) as image:
        assert image.tobytes() == face.image.tobytes()


def test_the_keyboard_suffices(visit: Any) -> None:
    visit.focus("#prompt textarea")
    visit.keyboard.type("a man with glasses")
    visit.keyboard.press("Enter")
    count(visit, "#past", 4)
    visit.focus("#faces button >> nth=1")
    visit.keyboard.press("Enter")
    visit.focus("#similar")
    visit.keyboard.press("Enter")
    count(visit, "#past", 8)


def test_an_example_is_one_click_away(visit: Any) -> None:
    visit.click(".example >> nth=0")
    count(visit, "#past", 4)
    assert "old man" in visit.input_value("#prompt textarea")


def test_what_cannot_be_drawn_is_told(visit: Any) -> None:
    visit.fill("#prompt textarea", "xyzzy")
    visit.click("#make")
    visit.wait_for_selector("text=No known word in 'xyzzy'")
    make(visit)  # and the next one works


def test_a_file_that_says_nothing_is_told(visit: Any, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    visit.click("text=Get settings back from an image")
    visit.set_input_files("#dropped input[type=file]", tmp_path / "plain.png")
    visit.wait_for_selector("text=says nothing about its making")


def test_a_phone_shows_it_all(visit: Any) -> None:
    visit.set_viewport_size({"width": 360, "height": 740})
    make(visit)
    assert visit.evaluate("document.documentElement.scrollWidth") <= 360
    below = visit.locator("#faces").bounding_box()["y"]
    assert below < visit.locator("#count").bounding_box()["y"]


def test_the_documentation_is_a_page_of_our_own(visit: Any, site: Running) -> None:
    visit.goto(f"{site.url}/docs")
    visit.get_by_text("as the OpenAI Images API does it").wait_for()
    visit.get_by_text("/v1/images/edits").wait_for()
