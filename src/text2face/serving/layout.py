"""What stands where on the page, and which action answers which control."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

import gradio as gr

from text2face.serving.actions import Actions, Form, Pair, Session
from text2face.serving.controls import setting_controls, show_settings
from text2face.serving.engine import Drawn
from text2face.settings import MAX_SEED

__all__ = ["build"]

EXAMPLES: Final = (
    "an old man with a white beard and round glasses",
    "a smiling young woman with long red hair",
    "a bald man with sunglasses",
    "a surprised girl with curly black hair and freckles",
    "a middle-aged woman with a green hat",
)
MOST: Final = 12  # faces at once
_QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_WORK: Final[dict[str, Any]] = {"show_progress": "minimal", "api_visibility": "private"}


def build(actions: Actions) -> gr.Blocks:
    """Lay out the page.

    Args:
        actions: What the controls do.
    """
    pipe = actions.engine.pipe
    with gr.Blocks(title="text2face", analytics_enabled=False, delete_cache=(3600, 7200)) as page:
        visit = gr.State(Session())
        gr.HTML(
            "<header><h1>text2face</h1><p>Say what a face looks like.</p></header>", padding=False
        )
        with gr.Row(elem_id="main"):
            with gr.Column(scale=4, min_width=300, elem_id="ask"):
                prompt = gr.Textbox(
                    label="What does the face look like?",
                    placeholder="an old man with a white beard and round glasses",
                    lines=1,
                    max_lines=4,
                    max_length=2000,
                    autofocus=True,
                    elem_id="prompt",
                )
                notice = gr.Markdown("", elem_id="notice")
                with gr.Row(elem_id="make-row"):
                    make = gr.Button("Make faces", variant="primary", scale=3, elem_id="make")
                    stop = gr.Button("Cancel", scale=1, min_width=80, elem_id="stop")
                gr.HTML('<p class="hint">Or start from one of these:</p>', padding=False)
                with gr.Row(elem_id="examples"):
                    examples = [
                        gr.Button(text, size="sm", min_width=60, elem_classes="example")
                        for text in EXAMPLES
                    ]
            with gr.Column(scale=6, min_width=300, elem_id="show"):
                gallery = gr.Gallery(
                    label="Faces",
                    show_label=False,
                    columns=2,
                    object_fit="contain",
                    height="auto",
                    allow_preview=False,
                    buttons=[],
                    interactive=False,
                    elem_id="faces",
                )
                details = gr.Markdown(
                    "Your faces appear here. Click on one to vary or keep it.", elem_id="details"
                )
                with gr.Row(elem_id="face-row"):
                    similar = gr.Button("More like this", elem_id="similar", min_width=120)
                    keep = gr.DownloadButton("Download", elem_id="keep", min_width=120)
            with gr.Column(scale=4, min_width=300, elem_id="tune"):
                count = gr.Slider(1, MOST, 4, step=1, label="How many", elem_id="count")
                with gr.Row(elem_id="seed-row"):
                    seed = gr.Number(
                        secrets.randbelow(10**6),
                        label="Seed",
                        precision=0,
                        minimum=0,
                        maximum=MAX_SEED,
                        scale=3,
                        min_width=130,
                        elem_id="seed",
                    )
                    dice = gr.Button("Roll", scale=1, min_width=64, elem_id="dice")
                    locked = gr.Checkbox(
                        label="Lock", scale=1, min_width=90, elem_id="lock", container=False
                    )
                with gr.Accordion("More", open=False, elem_id="more"):
                    best = gr.Checkbox(
                        label="Pick the best: draw four for each, keep the nearest to the words",
                        elem_id="best",
                    )
                    controls = setting_controls(pipe.config)
                with gr.Accordion("Get settings back from an image", open=False):
                    dropped = gr.File(
                        label="Drop an image that was made here",
                        file_types=["image"],
                        height=120,
                        elem_id="dropped",
                    )
        with gr.Accordion(
            "Made in this visit: blend two, or watch one become the other",
            open=True,
            elem_id="history",
        ):
            history = gr.Gallery(
                label="History",
                show_label=False,
                columns=10,
                object_fit="contain",
                height="auto",
                allow_preview=False,
                buttons=[],
                interactive=False,
                elem_id="past",
            )
            pair = gr.State((None, None))
            pair_text = gr.Markdown("Click on two faces.", elem_id="pair")
            with gr.Row(elem_id="blend-row"):
                share = gr.Slider(
                    0, 100, 50, step=1, label="Share of the second, %", elem_id="share"
                )
                with gr.Column(scale=1, min_width=160):
                    blend = gr.Button("Blend", elem_id="blend")
                    move = gr.Button("Animate", elem_id="move")
                animation = gr.Image(
                    label="Animation",
                    type="filepath",
                    format="webp",
                    interactive=False,
                    height=180,
                    elem_id="animation",
                    buttons=["download"],
                )
        with (
            gr.Accordion("Change a face", open=False, elem_id="edit"),
            gr.Row(),
        ):
            upload = gr.Image(
                label="A face; if empty, the chosen one",
                type="filepath",
                image_mode=None,  # as it is: the reader of pictures converts it
                height=200,
                sources=["upload"],
            )
            with gr.Column():
                words = gr.Textbox(label="What should change?", placeholder="with glasses")
                strength = gr.Slider(-2, 2, 1, step=0.1, label="Strength: 0 is the original")
                change = gr.Button("Change it", variant="primary")

        wish = [prompt, count, seed, best, *controls]
        shown = [gallery, visit, details, history, keep]

        def draw(state: Session, lock: bool, *values: Any) -> Iterator[list[Any]]:
            for number, faces in actions.draw(_form(*values), state, lock):
                yield [number, *_show(actions, state, faces)]

        def draw_example(
            text: str, state: Session, lock: bool, *values: Any
        ) -> Iterator[list[Any]]:
            for result in draw(state, lock, text, *values[1:]):
                yield [text, *result]

        def more(state: Session, number: int) -> Iterator[list[Any]]:
            for faces in actions.similar(state, min(max(int(number), 1), MOST)):
                yield _show(actions, state, faces)

        def blended(state: Session, two: Pair, part: float) -> Iterator[list[Any]]:
            for faces in actions.blend(state, two, min(max(float(part), 0), 100)):
                yield _show(actions, state, faces)

        def edited(
            path: str | None, text: str, amount: float, state: Session
        ) -> Iterator[list[Any]]:
            for faces in actions.edit(path, text or "", min(max(float(amount), -2), 2), state):
                yield _show(actions, state, faces)

        def choose(state: Session, event: gr.SelectData) -> list[Any]:
            index = int(event.index)
            if not 0 <= index < len(state.shown):
                return [gr.skip()] * 3
            state.chosen = index
            drawn = state.shown[index]
            return [state, _about(drawn), actions.keep(drawn)]

        def choose_past(state: Session, two: Pair, event: gr.SelectData) -> list[Any]:
            index = int(event.index)
            if not 0 <= index < len(state.faces):
                return [gr.skip()] * 2
            two = (two[1], state.faces[index])
            return [two, _pair_text(two)]

        def recall(path: str | None) -> list[Any]:
            if path is None:
                return [gr.skip()] * (4 + len(controls))
            record = actions.recall(path)
            return [record.prompt, 1, record.seed, True, *show_settings(record.settings)]

        prompt.change(
            actions.notice, prompt, notice, trigger_mode="always_last", queue=False, **_QUIET
        )
        dice.click(lambda: secrets.randbelow(10**6), None, seed, queue=False, **_QUIET)
        inputs = [visit, locked, *wish]
        running = [
            gr.on([make.click, prompt.submit], draw, inputs, [seed, *shown], **_WORK),
            similar.click(more, [visit, count], shown, **_WORK),
            blend.click(blended, [visit, pair, share], shown, **_WORK),
            move.click(actions.move, pair, animation, **_WORK),
            change.click(edited, [upload, words, strength, visit], shown, **_WORK),
        ]
        running += [
            example.click(draw_example, [example, *inputs], [prompt, seed, *shown], **_WORK)
            for example in examples
        ]
        stop.click(None, None, None, cancels=running, queue=False, **_QUIET)
        gallery.select(choose, visit, [visit, details, keep], queue=False, **_QUIET)
        history.select(choose_past, [visit, pair], [pair, pair_text], queue=False, **_QUIET)
        dropped.upload(
            recall,
            dropped,
            [prompt, count, seed, locked, *controls],
            **_QUIET,
        )
    built: gr.Blocks = page
    return built


def _form(*values: Any) -> Form:
    prompt, count, seed, best, *settings = values
    count = min(max(int(count), 1), MOST)
    return Form(prompt or "", count, min(max(int(seed or 0), 0), MAX_SEED), bool(best), settings)


def _show(actions: Actions, visit: Session, faces: Sequence[Drawn]) -> list[Any]:
    """What the gallery, the details, the history and the download become."""
    finished = visit.shown == list(faces)
    first = faces[0] if faces and finished else None
    return [
        [(actions.keep(one), _caption(one)) for one in faces],
        visit,
        _about(first) if first else "Drawing …",
        [(actions.keep(one), _caption(one)) for one in visit.faces] if finished else gr.skip(),
        actions.keep(first) if first else gr.skip(),
    ]


def _caption(drawn: Drawn) -> str:
    return f"likeness {drawn.face.score:.2f} · seed {drawn.face.seed}"


def _about(drawn: Drawn) -> str:
    made = f", {drawn.record.process}" if drawn.record.process else ""
    return (
        f"**“{drawn.record.prompt}”** seed {drawn.face.seed}{made}, "
        f"likeness to the words {drawn.face.score:.2f}"
    )


def _pair_text(two: Pair) -> str:
    first, second = (f"seed {one.face.seed}" if one else "none yet" for one in two)
    return f"First: {first}. Second: {second}."
