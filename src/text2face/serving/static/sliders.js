// Sliders of attributes: they stand where the chosen face stands, and move it.

const PAUSE = 120; // milliseconds, so that a drag asks a few times and not a hundred

export class Sliders {
  // onSlide(base, values): draw the base face with these sliders moved.
  constructor(onSlide) {
    this.place = document.querySelector("#sliders");
    this.onSlide = onSlide;
    this.base = null;
    this.moved = {};
  }

  // Stand at a face; one that these sliders have made goes on from where it began.
  show(face, base) {
    if (base && base === this.base) return;
    this.base = face;
    this.moved = {};
    const rows = Object.entries(face.sliders ?? {}).map(([name, value]) => this.#row(name, value));
    this.place.replaceChildren(...rows);
    this.place.parentElement.hidden = !rows.length;
  }

  #row(name, value) {
    const label = document.createElement("label"), field = document.createElement("input");
    field.type = "range";
    field.id = `slider-${name.replaceAll(" ", "-")}`;
    field.min = 0;
    field.max = 1;
    field.step = 0.01;
    field.value = value;
    field.addEventListener("input", () => {
      this.moved[name] = Number(field.value);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.onSlide(this.base, { ...this.moved }), PAUSE);
    });
    label.append(name, field);
    return label;
  }
}
