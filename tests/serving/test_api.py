from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests import tiny
from tests.provenance.test_pixels import carried
from tests.serving.conftest import Running, running
from text2face import TextToFace, provenance
from text2face.lists import Library

openai = pytest.importorskip("openai")

PROMPT = "an old man with a beard"
Serve = Callable[..., Running]


CLIENTS: list[Any] = []


@pytest.fixture(autouse=True)
def _clients_are_closed() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def client(server: Running, key: str = "none") -> Any:
    CLIENTS.append(openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0))
    return CLIENTS[-1]


def picture(data: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data.b64_json)))


def test_the_openai_client_draws_what_the_library_draws(served: Running, pipe: TextToFace) -> None:
    answer = client(served).images.generate(
        prompt=PROMPT, n=3, extra_body={"seed": 7, "truncation": 0.7, "negative_prompt": "a hat"}
    )
    out = pipe(PROMPT, num_images=3, seed=7, truncation=0.7, negative_prompt="a hat")
    assert [picture(data).tobytes() for data in answer.data] == [i.tobytes() for i in out.images]
    assert [data.seed for data in answer.data] == [7, 8, 9]
    (record,) = provenance.read(base64.b64decode(answer.data[1].b64_json))
    assert (record.prompt, record.seed, record.settings.truncation) == (PROMPT, 8, 0.7)
    assert provenance.inspect(base64.b64decode(answer.data[0].b64_json)).problems == []


def test_choices_are_made_and_told(serve: Serve, pipe: TextToFace, tmp_path: Path) -> None:
    (tmp_path / "hair.txt").write_text("red hair\ngreen hair\n")
    (tmp_path / "styles.json").write_text('{"hat": {"suffix": "with a hat"}}')
    listed = tiny.make_pipe()
    listed.library = Library(tmp_path, tmp_path / "styles.json")
    text = "a {young|old} man, __hair__"
    more = {"seed": 7, "styles": "hat"}
    answer = client(serve(listed)).images.generate(prompt=text, n=4, extra_body=more)
    out = listed(text, num_images=4, seed=7, styles="hat")
    assert [data.revised_prompt for data in answer.data] == [face.prompt for face in out]
    assert [picture(data).tobytes() for data in answer.data] == [i.tobytes() for i in out.images]
    record = provenance.read(base64.b64decode(answer.data[0].b64_json))[0]
    assert (record.prompt, record.template) == (out[0].prompt, out[0].template)
    for wrong in ("a __../secret__", "{9$$a|b}", "a {man"):
        with pytest.raises(openai.BadRequestError):
            client(serve(listed)).images.generate(prompt=wrong, extra_body=more)


def test_models_are_listed(served: Running) -> None:
    (model,) = client(served).models.list().data
    assert model.id == "tiny"
    assert client(served).models.retrieve("tiny").owned_by == "text2face"
    with pytest.raises(openai.NotFoundError):
        client(served).models.retrieve("dall-e-9")


def test_an_alias_is_as_good_as_the_name(serve: Serve) -> None:
    server = serve(aliases=["gpt-image-1"])
    answer = client(server).images.generate(prompt=PROMPT, model="gpt-image-1", size="1024x1024")
    assert picture(answer.data[0]).size == (1024, 1024)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_every_format_and_urls(served: Running, kind: Any) -> None:
    answer = client(served).images.generate(
        prompt=PROMPT, output_format=kind, response_format="url", size="256x256"
    )
    file = httpx.get(answer.data[0].url)
    assert file.headers["content-type"] == f"image/{kind}"
    assert Image.open(io.BytesIO(file.content)).size == (256, 256)
    assert provenance.inspect(file.content).problems == []


def test_the_best_candidates_and_unknown_words(served: Running) -> None:
    answer = client(served).images.generate(
        prompt="an old groovy man", n=2, extra_body={"candidates": 8}
    )
    assert [len(answer.data), answer.unknown_words] == [2, ["groovy"]]
    scores = [data.score for data in answer.data]
    assert scores == sorted(scores, reverse=True)


class EditingPipe(TextToFace):
    """As the pipeline edits: `strength` of the way to other words."""

    def edit(self, face: Any, prompt: str, *, strength: float = 1.0, **settings: Any) -> Any:
        assert face.mode == "RGB"
        (drawn,) = self.draw([prompt], [0], self.settings())
        return replace(drawn, image=Image.blend(face.resize((8, 8)), drawn.image, strength))


def editing() -> TextToFace:
    tiny_pipe = tiny.make_pipe()
    parts = (tiny_pipe.encoder, tiny_pipe.sampler, tiny_pipe.generator)
    return EditingPipe(*parts, config=tiny_pipe.config)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def test_edits_change_an_upload(serve: Serve) -> None:
    server = serve(editing())
    face = Image.new("RGB", (20, 20), "teal")
    answer = client(server).images.edit(
        image=("face.png", png(face), "image/png"), prompt="a hat", extra_body={"strength": 0}
    )
    assert picture(answer.data[0]).getpixel((3, 3)) == (0, 128, 128)
    (record,) = provenance.read(base64.b64decode(answer.data[0].b64_json))
    assert record.process == "an image edited with strength 0"


def test_edits_say_what_is_no_face_or_another_picture(serve: Serve, bundled: TextToFace) -> None:
    server = serve(bundled)
    (face,) = bundled.draw(["a man"], [5], bundled.settings())
    file = provenance.encode_file(
        face.image, provenance.make_record(bundled, bundled.settings(), face)
    )

    def edit(upload: bytes) -> list[str]:
        answer = client(server).images.edit(
            image=("face.png", upload, "image/png"), prompt="a hat", extra_body={"strength": 0}
        )
        notes = answer.model_extra["notes"] if answer.model_extra else []
        return [str(note) for note in notes]

    assert edit(file) == []
    mirrored = face.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    (note,) = edit(carried(file, mirrored))
    assert "the picture is not what its record draws" in note
    (note,) = edit(png(Image.effect_noise((128, 128), 90)))
    assert "is little like it" in note
    with pytest.raises(openai.BadRequestError, match="512×128, an aligned face is square"):
        edit(png(Image.new("RGB", (512, 128))))


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        (b"not an image", "no PNG, JPEG or WebP"),
        (b"", "no PNG, JPEG or WebP"),
        (b"GIF89a" + bytes(99), "no PNG, JPEG or WebP"),
        (png(Image.new("RGB", (50, 50)))[:-40], "pixels are damaged"),
        (png(Image.new("L", (5000, 5000))), "5000×5000, expected at most 16777216 pixels"),
    ],
)
def test_uploads_that_are_no_images_are_refused(serve: Serve, upload: bytes, message: str) -> None:
    server = serve(editing())
    with pytest.raises(openai.BadRequestError, match=message):
        client(server).images.edit(image=("face.png", upload, "image/png"), prompt="a hat")
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a man"]}, "prompt"),
        ({"prompt": "man " * 10_000}, "prompt"),
        ({"prompt": "a man", "n": 0}, "n"),
        ({"prompt": "a man", "n": 10**6}, "n"),
        ({"prompt": "a man", "n": "2"}, "n"),
        ({"prompt": "a man", "n": 1.5}, "n"),
        ({"prompt": "a man", "n": True}, "n"),
        ({"prompt": "a man", "size": "7x7"}, "size"),
        ({"prompt": "a man", "seed": -1}, "seed"),
        ({"prompt": "a man", "seed": 2**32}, "seed"),
        ({"prompt": "a man", "truncation": "much"}, "truncation"),
        ({"prompt": "a man", "stream": True}, "stream"),
        ({"prompt": "a man", "sede": 3}, "sede"),
        ({"prompt": "a man", "candidates": 2, "n": 3}, "candidates"),
        ({"prompt": "a man", "output_format": "gif"}, "output_format"),
    ],
)
def test_wrong_values_name_their_field(served: Running, body: Any, param: str) -> None:
    answer = httpx.post(f"{served.url}/v1/images/generations", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


@pytest.mark.parametrize(
    ("prompt", "message"),
    [("", "empty"), ("(a man", "unmatched"), ("xyzzy", "no known word"), ("man " * 99, "99 words")],
)
def test_prompts_that_say_nothing_are_refused(served: Running, prompt: str, message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        client(served).images.generate(prompt=prompt)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{" * 10_000])
def test_bodies_that_are_no_json_are_refused(served: Running, body: bytes) -> None:
    answer = httpx.post(
        f"{served.url}/v1/images/generations",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_unknown_paths_methods_and_models(served: Running) -> None:
    assert httpx.get(f"{served.url}/v1/nothing").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{served.url}/v1/images/generations").status_code == 405
    with pytest.raises(openai.NotFoundError, match="no model 'dall-e-9' here") as error:
        client(served).images.generate(prompt=PROMPT, model="dall-e-9")
    assert error.value.code == "model_not_found"


def test_a_huge_body_is_refused_before_it_is_read(serve: Serve) -> None:
    server = serve(max_body=10_000)
    answer = httpx.post(f"{server.url}/v1/images/generations", content=b"x" * 20_000)
    assert answer.status_code == 413
    chunked = httpx.post(
        f"{server.url}/v1/images/generations", content=(b"x" * 999 for _ in range(30))
    )
    assert chunked.status_code == 413
    assert chunked.json()["error"]["code"] == "request_too_large"


def test_a_body_that_never_comes_is_given_up(serve: Serve) -> None:
    server = serve(timeout=0.3)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 99\r\n\r\n{"
        )
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_keys_are_asked_for(serve: Serve) -> None:
    server = serve(keys=["s3cret", "other"])
    assert client(server, "other").models.list().data[0].id == "tiny"
    for wrong in ("s3cre", "s3cret2", "ключ".encode().hex()):
        with pytest.raises(openai.AuthenticationError) as error:
            client(server, wrong).images.generate(prompt=PROMPT)
        assert error.value.code == "invalid_api_key"
    assert httpx.get(f"{server.url}/v1/models").headers["www-authenticate"] == "Bearer"
    assert httpx.get(f"{server.url}/healthz").status_code == 200


class SlowPipe(TextToFace):
    """Takes its time over a face."""

    seconds = 0.2

    def draw_together(self, *arguments: Any) -> Any:
        time.sleep(self.seconds)
        return super().draw_together(*arguments)


def slow(seconds: float = 0.2) -> TextToFace:
    parts = tiny.make_pipe()
    pipe = SlowPipe(parts.encoder, parts.sampler, parts.generator, config=parts.config)
    pipe.seconds = seconds
    return pipe


def test_a_full_queue_is_429_with_retry_after(serve: Serve) -> None:
    server = serve(slow(), queue=2, workers=1, batch=1)
    answers: list[httpx.Response] = []

    def post() -> None:
        body = {"prompt": PROMPT}
        answers.append(httpx.post(f"{server.url}/v1/images/generations", json=body, timeout=60))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"


def test_a_request_that_takes_too_long_is_504(serve: Serve) -> None:
    server = serve(slow(1.0), timeout=0.2, workers=1)
    with pytest.raises(openai.APIStatusError, match=r"not finished within 0\.2 s") as error:
        client(server).images.generate(prompt=PROMPT)
    assert error.value.status_code == 504


def test_a_client_that_vanishes_holds_nothing_up(serve: Serve) -> None:
    server = serve(slow(0.5), workers=1, batch=1)
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"prompt": PROMPT, "n": 60}).encode()
    head = b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as vanishing:
        vanishing.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        while server.engine.waiting < 50:
            time.sleep(0.005)
    start = time.monotonic()
    assert len(client(server).images.generate(prompt=PROMPT).data) == 1
    assert time.monotonic() - start < 15  # 60 faces take 30 seconds
    assert server.engine.statistics.faces < 50


def test_metrics_and_health(served: Running) -> None:
    client(served).images.generate(prompt=PROMPT)
    text = httpx.get(f"{served.url}/metrics").text
    assert 'text2face_requests_total{path="/v1/images/generations",status="200"}' in text
    assert "text2face_faces_total" in text
    document = httpx.get(f"{served.url}/openapi.json").json()
    assert "/v1/images/edits" in document["paths"]


def test_a_failure_is_one_line_and_no_traceback(serve: Serve, caplog: Any) -> None:
    pipe = slow()

    def fail(*arguments: Any) -> Any:
        raise ZeroDivisionError("secret")

    pipe.draw_together = fail  # type: ignore[method-assign]
    server = serve(pipe)
    answer = httpx.post(f"{server.url}/v1/images/generations", json={"prompt": PROMPT})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_masks_several_images_and_odd_forms_are_refused(serve: Serve) -> None:
    server = serve(editing())
    face = ("face.png", png(Image.new("RGB", (8, 8))), "image/png")
    url = f"{server.url}/v1/images/edits"
    for files, data, message in (
        ([("image", face), ("mask", face)], {"prompt": "a hat"}, "a mask is not supported"),
        ([("image[]", face), ("image[]", face)], {"prompt": "a hat"}, "2 images, expected one"),
        ([("image", face)], {"prompt": "a hat", "size": "9x9"}, "size: input should be"),
        ([("image", face)], {"prompt": "xyzzy"}, "no known word"),
        ([("image", face)], {"prompt": "a hat", "n": 2}, "n: input should be"),
        ([("image", face)], {}, "prompt: field required"),
    ):
        answer = httpx.post(url, files=files, data=data)
        assert answer.status_code == 400
        assert message in answer.json()["error"]["message"]


def test_only_names_of_this_host_are_answered(pipe: TextToFace) -> None:
    with running(pipe, hosts=["faces.example.org"], keys=["k"]) as server:

        def ask(host: str, **headers: str) -> int:
            return httpx.get(f"{server.url}/healthz", headers={"Host": host, **headers}).status_code

        for good in (
            "127.0.0.1:8000",
            "localhost",
            "LOCALHOST:1",
            "a.localhost",
            "[::1]:80",
            "192.168.1.7",
            "Faces.Example.org:443",
            "faces.example.org.",
        ):
            assert ask(good) == 200, good
        for bad in (
            "evil.example.org",
            "faces.example.org.evil.org",
            "evil.org:8000",
            "127.0.0.1.evil.org",
            "localhost.evil.org",
            "127.0.0.1@evil.org",
            "[::1",
            "2130706433",
            "",
            "evil.org#localhost",
            "faces.example.org\\@evil.org",
        ):
            answer = httpx.get(f"{server.url}/healthz", headers={"Host": bad})
            assert answer.status_code == 403, bad
            assert answer.json()["error"]["code"] == "host_not_allowed"
        assert ask("localhost", Origin="http://localhost:3000") == 200
        assert ask("localhost", Origin="https://evil.org") == 403
        assert ask("localhost", Origin="null") == 403
    with running(pipe, hosts=["*"]) as server:
        assert httpx.get(f"{server.url}/healthz", headers={"Host": "any.org"}).status_code == 200
