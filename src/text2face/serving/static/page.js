// The page: words become faces, faces are changed, and all of them are kept in this browser.

import { ask, Refused, toBlob } from "./ask.js";
import { download } from "./download.js";
import { Settings } from "./settings.js";
import { Sliders } from "./sliders.js";
import { Stage, address, tile, title, waiting } from "./stage.js";
import { Store } from "./store.js";
import { Words } from "./words.js";

const $ = (selector) => document.querySelector(selector);
const store = new Store(), stage = new Stage(), words = new Words(() => draw());
const sliders = new Sliders((base, values) => slide(base, values));
let about, settings;
let slid = null; // the face that the sliders have made of the one they began with
let shown = []; // the faces in the gallery
let chosen = null, other = null, picking = false;
let running = null; // an AbortController
let last = Promise.resolve(); // the end of the task before

// --- What stands where -------------------------------------------------------------------------

function heading(text) {
  $("#title").textContent = text;
}

function say(text) {
  $("#message").textContent = text;
  $("#message").hidden = !text;
}

function gallery(places = 0) {
  const tiles = shown.map((face) => tile(face, face === chosen, touch));
  for (let i = tiles.length; i < places; i++) tiles.push(waiting());
  $("#faces").classList.remove("examples", "around");
  $("#faces").dataset.count = tiles.length;
  $("#faces").replaceChildren(...tiles);
}

function past() {
  const starred = $("#starred").checked;
  const faces = store.faces.filter((face) => face.star || !starred);
  $("#history").hidden = !store.faces.length;
  $("#past").replaceChildren(...faces.map((face) => tile(face, face === chosen, touch)));
}

function refresh() {
  for (const [place, faces] of [["#faces", shown], ["#past", null]]) {
    if (faces && $(".around")) continue;
    const list = faces ?? store.faces.filter((face) => face.star || !$("#starred").checked);
    [...$(place).querySelectorAll("button.tile")].forEach((button, i) => {
      button.classList.toggle("selected", list[i] === chosen);
      button.classList.toggle("starred", Boolean(list[i]?.star));
    });
  }
}

function touch(face) {
  if (picking && face !== chosen) return pickOther(face);
  choose(face);
  return undefined;
}

function choose(face) {
  chosen = face;
  stage.show(face, face.before ?? store.get(face.parent)?.blob);
  sliders.show(face, face === slid ? store.get(face.parent) : null);
  pair();
  refresh();
}

// --- Work --------------------------------------------------------------------------------------

// One task at a time; what fails is said in one line, what is cancelled leaves nothing behind.
// The next task begins when the one before has cleared up.
function run(task) {
  running?.abort();
  const mine = running = new AbortController();
  return last = last.then(() => (running === mine ? perform(task, mine) : undefined));
}

async function perform(task, mine) {
  say("");
  $("#stop").hidden = false;
  $("#make").hidden = true;
  try {
    await task(mine.signal);
  } catch (error) {
    if (error.name !== "AbortError") {
      say(error instanceof Refused ? sentence(error.message) : "The server does not answer.");
    }
  }
  if (running === mine) running = null;
  $("#stop").hidden = true;
  $("#make").hidden = false;
  stage.busy(false);
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;
}

function keep({ file, ...about }, more = {}) {
  const face = store.add({ ...about, ...more, blob: toBlob(file) });
  past();
  return face;
}

function wish() {
  const seed = $("#seed input").value.trim();
  if (seed && !validSeed(seed)) {
    throw new Refused(`the seed is “${seed}”, expected a whole number from 0 to ${about.maxSeed}`);
  }
  return {
    prompt: words.text,
    seed: seed && $("#lock input").checked ? Number(seed) : null,
    count: Math.min(Math.max(Math.round(Number($("#count input").value)) || 1, 1), about.most),
    best: $("#best input").checked,
    settings: settings.get(),
  };
}

function validSeed(text) {
  return /^\d{1,10}$/.test(text) && Number(text) <= about.maxSeed;
}

// fixed: what the form does not say, such as the seed of an example.
const draw = (fixed = {}) => run(async (signal) => {
  const asked = { ...wish(), ...fixed }, before = shown;
  let first = null;
  shown = [];
  const told = (count) => heading(`Drawing ${count} of ${asked.best ? 4 * asked.count : asked.count} …`);
  told(0);
  gallery(asked.count);
  try {
    await ask("/page/draw", asked, { signal, onLine: (line) => {
      if (line.drawn) return told(line.drawn);
      const face = keep(line.face);
      shown.push(face);
      if (!asked.best) {
        told(shown.length);
        shown.sort((a, b) => a.seed - b.seed); // they come as they are ready
      }
      if (shown.length === 1) first = face;
      gallery(asked.count);
      if (first === chosen || shown.length === 1) choose(face === shown[0] ? first = face : first);
      return undefined;
    } });
    if (!$("#lock input").checked) $("#seed input").value = shown[0].seed;
  } finally {
    if (!shown.length) shown = before;
    heading("");
    if (shown.length) gallery();
    else examples();
  }
});

// Draw something from the chosen face; it appears where the face is.
const work = (path, asked, files = {}) => run(async (signal) => {
  const source = chosen;
  stage.busy(true);
  await ask(`/page/face/${path}`, asked, {
    files: { face: source.blob, ...files }, signal,
    onLine: ({ face }) => choose(keep(face, { parent: source.id })),
  });
});

const similar = () => run(async (signal) => {
  const source = chosen, { count } = wish();
  shown = [];
  heading("Drawing more like it …");
  gallery(count);
  try {
    await ask("/page/face/similar", { count }, {
      files: { face: source.blob }, signal,
      onLine: ({ face }) => { shown.push(keep(face, { parent: source.id })); gallery(count); },
    });
  } finally {
    heading(shown.length ? `More like ${title(source)}` : "");
    shown = [source, ...shown];
    gallery();
  }
});

// What the sliders make is one face, however often they are moved.
const slide = (base, values) => run(async (signal) => {
  await ask("/page/face/slide", { values }, { files: { face: base.blob }, signal, onLine: ({ face }) => {
    const { file, ...told } = face;
    if (slid && slid.parent === base.id && store.get(slid.id) && slid === chosen) {
      Object.assign(slid, told, { blob: toBlob(file) });
      store.save(slid);
      past();
    } else slid = keep(face, { parent: base.id });
    choose(slid);
  } });
});

// A map with the chosen face in the middle; a click walks to another, which is then the middle.
const around = (seed = Math.floor(Math.random() * about.maxSeed)) => run(async (signal) => {
  const middle = chosen, tiles = Array.from({ length: 9 }, waiting);
  const lay = () => $("#faces").replaceChildren(...tiles);
  tiles[4] = tile(middle, true, touch);
  shown = [];
  $("#faces").classList.remove("examples");
  $("#faces").classList.add("around");
  heading("Click a face to walk there");
  lay();
  try {
    await ask("/page/face/around", { seed }, { files: { face: middle.blob }, signal, onLine: ({ face }) => {
      const { right, down } = face.steps.at(-1), near = { ...face, blob: toBlob(face.file) };
      tiles[3 * (down + 1) + right + 1] = tile(near, false, () => {
        if (picking) return pickOther(keep(face, { parent: middle.id }));
        choose(keep(face, { parent: middle.id }));
        return around(seed);
      });
      lay();
    } });
  } finally {
    for (const place of document.querySelectorAll("#faces .waiting")) place.className = "tile";
  }
});

// --- The other face ----------------------------------------------------------------------------

function pair() {
  if (other === chosen) other = null;
  const image = other ? document.createElement("img") : "+";
  if (other) {
    image.src = address(other.blob);
    image.alt = title(other);
  }
  $("#other").replaceChildren(image);
  $("#pair").textContent = picking ? "Now click on another face." : other ? title(other)
    : "Choose the other face.";
  $("#blend").disabled = $("#move").disabled = !other;
  document.body.classList.toggle("picking", picking);
}

function pickOther(face) {
  other = face;
  picking = false;
  pair();
}

const animate = () => run(async (signal) => {
  stage.busy(true);
  await ask("/page/face/animate", {}, {
    files: { face: chosen.blob, other: other.blob }, signal,
    onLine: ({ animation }) => {
      const blob = toBlob(animation, "image/webp");
      stage.show({ ...chosen, blob, name: "animation.webp", label: "", notes: [] });
      $("#keep").download = "animation.webp";
    },
  });
});

// --- Files and links ---------------------------------------------------------------------------

// Put a face's words, seed and settings into the form: the next face is this one.
function use(face) {
  words.text = face.words;
  $("#seed input").value = face.seed;
  $("#lock input").checked = true;
  $("#count input").value = 1;
  settings.set(face.settings);
}

const open = (file) => run(async (signal) => {
  await ask("/page/face/open", {}, { files: { face: file }, signal, onLine: ({ face }) => {
    const drawn = Boolean(face.words) || face.steps.some((step) => !("from" in step));
    const opened = keep(face, drawn ? {} : { before: file.slice(0, file.size, file.type) });
    if (face.words) use(opened);
    shown = [opened];
    heading("From your picture");
    gallery();
    choose(opened);
  } });
});

async function copyLink() {
  const url = new URL(location.pathname, location.href), { words: prompt, seed } = chosen;
  url.search = new URLSearchParams({ prompt, seed, ...chosen.settings });
  history.replaceState(null, "", url);
  try {
    await navigator.clipboard.writeText(url.href);
    say("The link is copied.");
  } catch {
    say("The link is in the address bar.");
  }
}

// What an address asks for: written by anyone, so it is read as if it were typed.
function follow() {
  const asked = new URLSearchParams(location.search), prompt = asked.get("prompt");
  if (!prompt) return false;
  const seed = asked.get("seed");
  if (seed !== null && !validSeed(seed)) {
    say(`The seed in the link is “${seed.slice(0, 20)}”, expected a whole number from 0 to ${about.maxSeed}.`);
    words.text = prompt.slice(0, 2000);
    return false;
  }
  words.text = prompt.slice(0, 2000);
  settings.set(settings.read(asked));
  draw(seed === null ? {} : { seed: Number(seed), count: 1, best: false });
  return true;
}

// --- The start ---------------------------------------------------------------------------------

async function examples() {
  $("#faces").replaceChildren(...about.examples.map(waiting));
  $("#faces").classList.remove("around");
  $("#faces").classList.add("examples");
  $("#faces").dataset.count = about.examples.length;
  heading("Examples: click one to draw it");
  try {
    const drawn = await (await fetch("/page/examples")).json();
    if (shown.length || running) return;
    $("#faces").replaceChildren(...drawn.map((face) => {
      const example = { ...face, blob: toBlob(face.file) };
      const button = tile(example, false, () => {
        words.text = example.words;
        settings.set(example.settings);
        draw({ seed: example.seed, best: false });
      });
      const caption = document.createElement("span");
      caption.textContent = face.words;
      button.classList.add("example");
      button.append(caption);
      return button;
    }));
  } catch { /* without pictures: the words say enough */ }
}

function empty() {
  shown = [];
  chosen = other = null;
  stage.hide();
  past();
  examples();
}

function listen() {
  const on = (selector, event, action) => $(selector).addEventListener(event, action);
  on("#ask", "submit", (event) => { event.preventDefault(); draw(); });
  on("#stop", "click", () => running?.abort());
  on("#vocabulary", "click", () => $("#known").showModal());
  on("#more", "click", () => {
    $("#settings").hidden = !$("#settings").hidden;
    $("#more").ariaExpanded = String(!$("#settings").hidden);
  });
  on("#seed input", "input", () => { $("#lock input").checked = Boolean($("#seed input").value); });
  on("#dropped input", "change", ({ target }) => {
    if (target.files[0]) open(target.files[0]);
    target.value = "";
  });
  on("#similar", "click", similar);
  on("#around", "click", () => around());
  on("#link", "click", copyLink);
  on("#use", "click", () => use(chosen));
  on("#star", "click", () => {
    chosen.star = !chosen.star;
    store.save(chosen);
    stage.describe(chosen);
    past();
  });
  on("#remove", "click", () => {
    store.remove(chosen);
    shown = shown.filter((face) => face !== chosen);
    const next = shown[0] ?? store.faces[0];
    if (!next) return empty();
    gallery();
    past();
    return choose(next);
  });
  on("#name", "change", () => {
    chosen.label = $("#name").value.trim();
    store.save(chosen);
    stage.describe(chosen);
    past();
  });
  on("#change", "submit", (event) => {
    event.preventDefault();
    work("change", { words: $("#words").value, strength: Number($("#strength").value) });
  });
  on("#other", "click", () => { picking = !picking; pair(); });
  on("#blend", "click", () => {
    work("blend", { share: Number($("#share").value) / 100 }, { other: other.blob });
  });
  on("#move", "click", animate);
  on("#starred", "change", past);
  on("#zip", "click", () => {
    download($("#starred").checked ? store.faces.filter((face) => face.star) : store.faces);
  });
  on("#clear", "click", () => {
    if (!confirm("Delete all faces of this browser?")) return;
    store.clear();
    empty();
  });
  for (const [field, unit] of [["#strength", ""], ["#share", " %"]]) {
    on(field, "input", ({ target }) => {
      target.parentElement.querySelector("output").textContent = target.value + unit;
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && picking) { picking = false; pair(); }
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) open(file);
  });
}

about = await (await fetch("/page/about")).json();
settings = new Settings(about.controls);
words.learn(about.words);
$("#count input").max = about.most;
listen();
await store.open();
past();
document.body.classList.add("ready");
if (!follow()) examples();
