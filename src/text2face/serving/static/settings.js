// The controls of the settings, as the model declares them.

export class Settings {
  constructor(controls) {
    this.controls = controls;
    this.fields = new Map();
    const place = document.querySelector("#settings");
    for (const control of controls) {
      const field = make(control);
      field.id = `setting-${control.name}`;
      this.fields.set(control.name, field);
      const label = document.createElement("label"), help = document.createElement("small");
      help.textContent = control.help;
      if (field.type === "checkbox") label.append(field, ` ${control.label}`);
      else label.append(control.label, field);
      if (field.type === "range") {
        const shown = document.createElement("output");
        field.addEventListener("input", () => { shown.textContent = field.value; });
        label.append(shown);
      }
      label.append(help);
      place.append(label);
    }
    this.set({});
  }

  // What differs from the model's own.
  get() {
    const values = {};
    for (const control of this.controls) {
      const value = this.#value(control);
      if (value !== null && value !== control.default) values[control.name] = value;
    }
    return values;
  }

  // All of them: those that are not given become the model's own.
  set(values) {
    for (const control of this.controls) {
      const value = values[control.name] ?? control.default;
      const field = this.fields.get(control.name);
      if (field.type === "checkbox") field.checked = Boolean(value);
      else {
        if (field.type === "range") { // a file or a link may go farther
          field.min = Math.min(field.min, value);
          field.max = Math.max(field.max, value);
        }
        if (field.tagName === "SELECT" && ![...field.options].some((o) => o.value === value)) {
          field.add(new Option(value, value));
        }
        field.value = value ?? "";
      }
      field.dispatchEvent(new Event("input"));
    }
  }

  // Those that an address names, as they would be typed.
  read(parameters) {
    const values = {};
    for (const control of this.controls) {
      const text = parameters.get(control.name);
      if (text === null) continue;
      if (control.kind === "bool") values[control.name] = text === "true";
      else if (control.kind === "str") values[control.name] = text;
      else {
        const number = Number(text), { low, high } = control;
        const within = (low ?? -Infinity) <= number && number <= (high ?? Infinity);
        if (text.trim() && (within || control.name === "truncation")) values[control.name] = number;
      }
    }
    return values;
  }

  #value(control) {
    const field = this.fields.get(control.name);
    if (control.kind === "bool") return field.checked;
    if (control.kind === "str") return field.value.trim() || null;
    return field.value.trim() === "" ? null : Number(field.value);
  }
}

function make(control) {
  if (control.choices) {
    const select = document.createElement("select");
    for (const choice of control.choices) select.add(new Option(choice, choice));
    return select;
  }
  const field = document.createElement("input");
  const bounded = control.kind === "float" && control.low !== null && control.high !== null;
  field.type = control.kind === "bool" ? "checkbox" : control.kind === "str" ? "text"
    : bounded ? "range" : "number";
  if (control.kind !== "bool" && control.kind !== "str") {
    field.step = control.kind === "int" ? 1 : 0.05;
    if (control.low !== null) field.min = control.low;
    if (control.high !== null) field.max = control.high;
  }
  return field;
}
