// The chosen face, large: what it is, what it was before, and its file.

const $ = (selector) => document.querySelector(selector);
const addresses = new WeakMap();

// The address of a picture; it lasts as long as the page.
export function address(blob) {
  if (!addresses.has(blob)) addresses.set(blob, URL.createObjectURL(blob));
  return addresses.get(blob);
}

// A face in a row or grid.
export function tile(face, chosen, onClick) {
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.className = "tile";
  button.classList.toggle("selected", chosen);
  button.classList.toggle("starred", Boolean(face.star));
  button.title = title(face);
  image.src = address(face.blob);
  image.alt = title(face);
  button.append(image);
  button.addEventListener("click", () => onClick(face));
  return button;
}

// An empty place for a face that is being drawn.
export function waiting() {
  const place = document.createElement("div");
  place.className = "tile waiting";
  return place;
}

export function title(face) {
  return face.label || [face.words, ...face.steps.map(told)].filter(Boolean).join(", ") || "a face";
}

// What was done, in words.
function told(step) {
  if ("prompt" in step) return `${step.prompt} (${step.strength})`;
  if ("blended with" in step) return `${Math.round(100 * step.share)} % of ${step["blended with"]}`;
  if ("varied by seed" in step) return `varied by ${step["varied by seed"]}`;
  if ("right" in step) return "a walk";
  return Object.entries(step).map(([name, value]) => `${name} ${value}`).join(", ");
}

export class Stage {
  constructor() {
    $("#wipe").addEventListener("input", () => this.#wipe());
  }

  // Show a face; before: what it was made from, a Blob or undefined.
  show(face, before) {
    $("#chosen").hidden = $("#tools").hidden = false;
    document.body.classList.add("with-face");
    $("#after").src = address(face.blob);
    $("#after").alt = title(face);
    for (const part of ["#before", "#wipe", ".tag.left", ".tag.right"]) {
      $(part).hidden = !before;
    }
    if (before) {
      $("#before").src = address(before);
      $("#wipe").value = 50;
      this.#wipe();
    }
    this.describe(face);
  }

  describe(face) {
    $("#name").value = face.label ?? "";
    $("#star").textContent = face.star ? "★" : "☆";
    $("#star").ariaPressed = String(Boolean(face.star));
    const parts = [];
    if (face.words) {
      const words = document.createElement("strong");
      words.textContent = `“${face.words}”`;
      parts.push(words, ` seed ${face.seed}`);
    } else parts.push(face.steps.length ? "" : "From your picture");
    if (face.steps.length) parts.push(`${face.words ? ", then " : ""}`, face.steps.map(told).join(", "));
    for (const note of face.notes) {
      const small = document.createElement("small");
      small.textContent = `${note[0].toUpperCase()}${note.slice(1)}.`;
      parts.push(small);
    }
    $("#details").replaceChildren(...parts);
    $("#keep").href = address(face.blob);
    $("#keep").download = fileName(face);
    const drawn = face.words && !face.steps.length;
    $("#link").hidden = !drawn;
    $("#use").hidden = !face.words;
  }

  busy(on) {
    $("#stage").classList.toggle("busy", on);
  }

  hide() {
    $("#chosen").hidden = $("#tools").hidden = true;
    document.body.classList.remove("with-face");
  }

  #wipe() {
    const share = $("#wipe").value;
    $("#before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    $("#stage").style.setProperty("--share", `${share}%`);
  }
}

// The name of a face's file: that of the face, of letters that every system takes.
export function fileName(face) {
  const name = (face.label ?? "").normalize("NFKD").replace(/[^\w -]/g, "").trim();
  return name ? `${name.replaceAll(" ", "-")}.png` : face.name;
}
