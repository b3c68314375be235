"""The page in Debian's Chromium, as a visitor uses it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serving.conftest import Running, running
from text2face import TextToFace, provenance

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 120_000  # the machine may be busy
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium")
expect = playwright.expect
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def site(bundled: TextToFace) -> Iterator[Running]:
    with running(bundled, page=True) as server:
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
    """A fresh visit, which asks nobody but the server and where no script fails."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    foreign: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: foreign.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.set_default_timeout(PATIENCE)
    page.goto(site.url)
    page.wait_for_selector("body.ready")
    yield page
    page.close()
    assert [url for url in foreign if not url.startswith((site.url, "data:", "blob:"))] == []
    assert failed == []


def faces(page: Any, number: int, place: str = "#past") -> None:
    expect(page.locator(f"{place} img")).to_have_count(number)
    expect(page.locator("#stop")).to_be_hidden()


def make(page: Any, prompt: str = "an old man with a beard", count: int = 2) -> None:
    page.fill("#prompt textarea", prompt)
    page.fill("#count input", str(count))
    page.click("#make")
    faces(page, count)


def kept(page: Any) -> bytes:
    """The file that `Download` gives."""
    with page.expect_download() as download:
        page.click("#keep")
    return Path(download.value.path()).read_bytes()


def change(page: Any, words: str, number: int) -> None:
    page.fill("#words", words)
    page.click("#change button")
    faces(page, number)


def told(file: bytes) -> dict[str, Any]:
    with Image.open(io.BytesIO(file)) as image:
        return provenance.embedded_json(image) or {}


@pytest.fixture
def file(bundled: TextToFace, tmp_path: Path) -> Path:
    """A picture that the model drew elsewhere."""
    settings = bundled.settings(truncation=0.6, negative_prompt="a hat")
    (face,) = bundled.draw(["a woman with red hair"], [1234], settings)
    path = tmp_path / "face.webp"
    provenance.write(path, face.image, provenance.make_record(bundled, settings, face))
    return path


def test_it_starts_with_six_faces_and_a_click_draws_one(visit: Any) -> None:
    expect(visit.locator("#faces .example img")).to_have_count(6)
    sides = visit.eval_on_selector_all(".example img", "all => all.map(one => one.naturalWidth)")
    assert set(sides) == {256}
    bottom = max(box["y"] + box["height"] for box in boxes(visit, ".example"))
    assert bottom <= 800
    example = visit.locator(".example >> nth=4")
    words, shown = example.inner_text(), picture(visit, ".example:nth-child(5) img")
    example.click()
    faces(visit, 4)
    assert visit.input_value("#prompt textarea") == words
    assert picture(visit, "#after") == shown  # the first of them is the example itself
    assert not visit.is_checked("#lock input")


def boxes(page: Any, selector: str) -> list[Any]:
    return [one.bounding_box() for one in page.locator(selector).all()]


def picture(page: Any, selector: str) -> Any:
    """The pixels that an element shows."""
    return page.eval_on_selector(
        selector,
        """async image => {
            await image.decode();
            const bitmap = await createImageBitmap(image);
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
            const pen = canvas.getContext("2d");
            pen.drawImage(bitmap, 0, 0);
            const bytes = pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
            const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
            return [...sum].join();
        }""",
    )


def test_one_screen_holds_words_faces_and_tools(visit: Any) -> None:
    make(visit, count=4)
    for selector in ("#prompt", "#faces", "#stage", "#keep", "#similar", "#change", "#blend"):
        box = visit.locator(selector).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1280
        assert box["y"] + box["height"] <= 800, selector
    assert visit.locator("#stage").bounding_box()["width"] > 300
    assert min(box["width"] for box in boxes(visit, "#faces .tile")) > 200


def test_words_are_marked_offered_and_corrected(visit: Any) -> None:
    visit.fill("#prompt textarea", "a groovy man with glases, he is ")
    visit.locator("#notice :text('groovy')").wait_for()
    expect(visit.locator(".marks .unknown")).to_have_text(["groovy"])
    expect(visit.locator(".marks .corrected")).to_have_text(["glases"])
    visit.click("text=glases → glasses")
    assert visit.input_value("#prompt textarea") == "a groovy man with glasses, he is "
    visit.focus("#prompt textarea")
    visit.keyboard.press("End")
    visit.keyboard.type("smili")
    expect(visit.locator("#suggestions li >> nth=0")).to_contain_text("smiling")
    visit.keyboard.press("ArrowDown")
    visit.keyboard.press("Enter")
    assert visit.input_value("#prompt textarea") == "a groovy man with glasses, he is smiling "


def test_what_is_typed_is_no_markup(visit: Any, site: Running) -> None:
    odd = "<img src=x onerror=document.title='owned'> man <b>zorg</b>"
    make(visit, odd, 1)
    visit.locator("#notice :text('zorg')").wait_for()
    visit.fill("#name", odd)
    visit.press("#name", "Enter")
    visit.goto(f"{site.url}/?prompt={odd}&seed=1")
    faces(visit, 2)
    assert visit.title() == "text2face"
    assert visit.locator("b, img[src='x']").count() == 0


def test_an_edit_appears_beside_what_it_was(visit: Any) -> None:
    make(visit, "a woman with brown hair", 1)
    before = picture(visit, "#after")
    expect(visit.locator("#wipe")).to_be_hidden()
    change(visit, "with glasses", 2)
    assert picture(visit, "#before") == before
    assert picture(visit, "#after") != before
    visit.fill("#wipe", "80")
    assert "20%" in visit.eval_on_selector("#before", "one => one.style.clipPath")
    expect(visit.locator("#details")).to_contain_text("with glasses")


def test_blending_again_blends_the_same_two(visit: Any) -> None:
    make(visit, "a man", 2)
    visit.click("#other")
    visit.click("#faces button >> nth=1")
    blends = []
    for number in (3, 4, 5):
        visit.click("#faces button >> nth=0")
        visit.click("#blend")
        faces(visit, number)
        blends.append(told(kept(visit)))
    assert blends[0]["edited"][1]["share"] == 0.5
    assert [one["latent"] for one in blends[1:]] == [blends[0]["latent"]] * 2
    visit.click("#faces button >> nth=0")
    visit.click("#move")
    expect(visit.locator("#keep")).to_have_attribute("download", "animation.webp")
    animation = kept(visit)
    assert getattr(Image.open(io.BytesIO(animation)), "n_frames", 1) > 20
    assert provenance.inspect(animation).problems == []


def test_more_like_this(visit: Any) -> None:
    make(visit, count=2)
    visit.click("#faces button >> nth=1")
    visit.click("#similar")
    faces(visit, 4)
    faces(visit, 3, "#faces")


def test_sliders_make_one_face_however_often_they_move(visit: Any) -> None:
    make(visit, "a young woman with brown hair", 1)
    before = picture(visit, "#after")
    assert visit.locator("#sliders input").count() >= 4
    visit.fill("#slider-age", "1")
    faces(visit, 2)
    old = told(kept(visit))
    visit.fill("#slider-glasses", "1")
    expect(visit.locator("#details")).to_contain_text("age 1, glasses 1")
    faces(visit, 2)
    assert picture(visit, "#before") == before
    assert old["edited"][1] == {"age": 1.0}
    assert told(kept(visit))["edited"][1] == {"age": 1.0, "glasses": 1.0}
    assert len(told(kept(visit))["edited"]) == 2


def test_a_click_walks_to_a_neighbour(visit: Any) -> None:
    make(visit, "a man", 1)
    visit.click("#around")
    expect(visit.locator("#faces.around img")).to_have_count(9)
    faces(visit, 1)  # those around are not kept
    near = picture(visit, "#faces .tile:nth-child(1) img")
    visit.click("#faces button >> nth=0")
    faces(visit, 2)
    expect(visit.locator("#faces.around img")).to_have_count(9)
    assert picture(visit, "#after") == near == picture(visit, "#faces .selected img")


def test_cancelling_leaves_nothing_behind(visit: Any, site: Running) -> None:
    make(visit, count=1)
    visit.fill("#count input", "3")
    visit.click("#more")
    visit.check("#best input")
    visit.click("#make")
    visit.click("#stop")
    expect(visit.locator("#make")).to_be_visible()
    expect(visit.locator("#stop")).to_be_hidden()
    text = visit.inner_text("body")
    assert "Drawing" not in text
    assert "rror" not in text
    assert visit.locator(".waiting").count() == 0
    visit.uncheck("#best input")
    visit.fill("#count input", "1")
    visit.click("#make")  # and the next one works
    faces(visit, 2)


def test_a_mistake_is_one_quiet_line(
    visit: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(visit, count=1)
    Image.new("RGB", (80, 20)).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("no picture")

    def said(text: str) -> None:
        message = visit.locator("#message")
        expect(message).to_contain_text(text)
        assert str(tmp_path) not in message.inner_text()
        assert "tmp" not in message.inner_text()
        assert message.inner_text().count("\n") == 0
        expect(visit.locator("#stop")).to_be_hidden()
        faces(visit, 1, "#faces")

    visit.fill("#words", "xyzzy")
    visit.click("#change button")
    said("No known word in 'xyzzy'")
    for prompt, text in (("xyzzy", "No known word in 'xyzzy'"), ("", "empty"), ("(a man", "(")):
        visit.fill("#prompt textarea", prompt)
        visit.click("#make")
        said(text)
    visit.fill("#seed input", "-1")
    visit.click("#make")
    said("expected a whole number from 0")
    for name, text in (("wide.png", "80×20"), ("text.png", "no PNG, JPEG or WebP")):
        visit.set_input_files("#dropped input", tmp_path / name)
        said(text)
    assert capfd.readouterr().err.count("\n") <= 1


def test_an_image_gives_its_settings_back(visit: Any, file: Path) -> None:
    visit.set_input_files("#dropped input", file)
    faces(visit, 1)
    assert visit.input_value("#seed input") == "1234"
    assert visit.input_value("#prompt textarea") == "a woman with red hair"
    assert visit.is_checked("#lock input")
    visit.click("#make")
    faces(visit, 2)
    (record,) = provenance.read(kept(visit))
    assert (record.seed, record.settings.truncation) == (1234, 0.6)
    with Image.open(file) as image, Image.open(io.BytesIO(kept(visit))) as again:
        assert provenance.pixels.matches(provenance.pixels.summary(again), image) is not False


def test_an_edited_file_gives_itself_and_its_words_back(
    visit: Any, site: Running, tmp_path: Path
) -> None:
    make(visit, "a young man", 1)
    seed = visit.input_value("#seed input")
    change(visit, "smiling", 2)
    edited = kept(visit)
    (tmp_path / "edited.png").write_bytes(edited)
    visit.evaluate("indexedDB.deleteDatabase('text2face')")
    visit.goto(site.url)
    visit.wait_for_selector("body.ready")
    visit.set_input_files("#dropped input", tmp_path / "edited.png")
    expect(visit.locator("#details")).to_contain_text("smiling")
    assert visit.input_value("#prompt textarea") == "a young man"
    assert visit.input_value("#seed input") == seed
    again = kept(visit)
    assert told(again) == told(edited)
    with Image.open(io.BytesIO(edited)) as one, Image.open(io.BytesIO(again)) as other:
        assert one.tobytes() == other.tobytes()


def test_faces_outlive_a_reload_with_name_and_star(visit: Any) -> None:
    make(visit, "a man", 2)
    visit.fill("#name", "Ed: the/first")
    visit.press("#name", "Enter")
    visit.click("#star")
    change(visit, "with a hat", 3)
    visit.reload()
    faces(visit, 3)
    visit.click("#past button >> nth=0")  # the edited one
    expect(visit.locator("#wipe")).to_be_visible()
    change(visit, "with a beard", 4)  # it can be worked on
    with visit.expect_download() as download:
        visit.click("#zip")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        listed = json.loads(archive.read("faces.json"))
        files = {name: archive.read(name) for name in archive.namelist() if name.endswith(".png")}
    assert [one["file"] for one in listed] == list(files)
    (named,) = [one for one in listed if one["star"]]
    assert (named["name"], named["prompt"]) == ("Ed: the/first", "a man")
    (record,) = provenance.read(files["Ed-thefirst.png"])
    assert record.seed == named["seed"]
    assert [len(told(file).get("edited", "")) for file in files.values()].count(3) == 1
    visit.check("#starred")
    expect(visit.locator("#past img")).to_have_count(1)


def test_a_link_restores_a_face(visit: Any, site: Running) -> None:
    make(visit, "a man", 1)
    shown = picture(visit, "#after")
    visit.click("#link")
    visit.locator("#message :text('link')").or_(visit.locator("#message")).wait_for()
    address = visit.url
    assert "prompt=a+man&seed=" in address
    visit.evaluate("indexedDB.deleteDatabase('text2face')")
    visit.goto("about:blank")
    visit.goto(address)
    expect(visit.locator("#after")).to_be_visible()
    faces(visit, 1, "#faces")
    assert picture(visit, "#after") == shown


@pytest.mark.parametrize("seed", ["-1", "1e3", "4294967296", "<b>7</b>", "7.5", ""])
def test_an_odd_link_is_told(visit: Any, site: Running, seed: str) -> None:
    visit.goto(f"{site.url}/?prompt=a%20man&seed={seed}")
    expect(visit.locator("#message")).to_contain_text("expected a whole number from 0")
    assert visit.input_value("#prompt textarea") == "a man"
    assert visit.locator("#past img").count() == 0


def test_truncation_starts_where_faces_are_faces(visit: Any, site: Running) -> None:
    visit.click("#more")
    field = visit.locator("#setting-truncation")
    low, high = float(field.get_attribute("min")), float(field.get_attribute("max"))
    default = site.engine.pipe.config.truncation
    assert default - 0.11 <= low <= default <= high <= default + 0.31


def test_the_keyboard_suffices(visit: Any) -> None:
    visit.fill("#count input", "2")
    visit.focus("#prompt textarea")
    visit.keyboard.type("a man with glasses")
    visit.keyboard.press("Enter")
    faces(visit, 2)
    visit.focus("#faces button >> nth=1")
    visit.keyboard.press("Enter")
    visit.focus("#similar")
    visit.keyboard.press("Enter")
    faces(visit, 4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768])
def test_a_small_screen_shows_it_all(visit: Any, width: int, scheme: str) -> None:
    visit.set_viewport_size({"width": width, "height": 740})
    visit.emulate_media(color_scheme=scheme)
    make(visit, count=1)
    assert visit.evaluate("document.documentElement.scrollWidth") <= width
    lock = visit.locator("#lock")
    box, tick = lock.bounding_box(), visit.locator("#lock input").bounding_box()
    assert lock.inner_text().strip() == "Lock"
    assert box["x"] + box["width"] <= width
    assert visit.eval_on_selector("#lock", "one => one.scrollWidth <= one.clientWidth")
    assert min(tick["width"], tick["height"]) >= 14
    assert contrast(visit, "#lock") > 4.5


def contrast(page: Any, selector: str) -> float:
    """The WCAG contrast of an element's text with the page."""
    colours = page.eval_on_selector(
        selector,
        "one => [getComputedStyle(one).color, getComputedStyle(document.body).backgroundColor]",
    )
    shades = sorted(_luminance(colour) for colour in colours)
    return float((shades[1] + 0.05) / (shades[0] + 0.05))


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_documentation_is_a_page_of_our_own(visit: Any, site: Running) -> None:
    visit.goto(f"{site.url}/docs")
    visit.get_by_text("as the OpenAI Images API does it").wait_for()
    visit.get_by_text("/v1/images/edits").wait_for()
