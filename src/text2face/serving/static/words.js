// The field of words: marks what is not known, offers what is, as one types.

import { ask } from "./ask.js";

const WORD = /[\p{L}\p{M}\d'’]+/gu;
const OFFERED = 6;

const plain = (word) =>
  word.normalize("NFKD").replace(/[\p{M}'’]/gu, "").toLowerCase();

export class Words {
  constructor(onSubmit) {
    this.field = document.querySelector("#prompt textarea");
    this.marks = document.querySelector("#prompt .marks");
    this.list = document.querySelector("#suggestions");
    this.notice = document.querySelector("#notice");
    this.known = [];
    this.told = {};
    this.typed = false;
    this.picked = -1;
    this.onSubmit = onSubmit;
    this.notice.addEventListener("mousedown", (event) => event.preventDefault()); // no blur
    this.field.addEventListener("input", () => {
      this.typed = true; // a word that is being typed is not judged yet
      this.#changed();
      this.#suggest();
    });
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("blur", () => {
      this.typed = false;
      this.#mark();
      this.#explain();
      setTimeout(() => this.#close(), 150);
    });
    window.addEventListener("resize", () => this.#fit());
    this.field.addEventListener("scroll", () => { this.marks.scrollTop = this.field.scrollTop; });
  }

  get text() { return this.field.value; }

  set text(value) {
    this.field.value = value;
    this.#changed();
    this.#close();
  }

  // groups: { "hair": ["long", …], … }
  learn(groups) {
    const groupOf = new Map();
    for (const [group, words] of Object.entries(groups)) {
      for (const word of words) if (!groupOf.has(word)) groupOf.set(word, group);
    }
    this.known = [...groupOf].sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
    document.querySelector("#vocabulary").hidden = !this.known.length;
    document.querySelector("#known > div").replaceChildren(
      ...Object.entries(groups).map(([group, words]) => this.#group(group, words)),
    );
  }

  #group(name, words) {
    const part = document.createElement("section"), head = document.createElement("h3");
    head.textContent = name;
    part.append(head, ...words.map((word) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = word;
      button.addEventListener("click", () => this.insert(word));
      return button;
    }));
    return part;
  }

  insert(word) {
    const text = this.text.trimEnd();
    this.text = text ? `${text} ${word} ` : `${word} `;
    this.field.focus();
  }

  #fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
  }

  #changed() {
    this.#fit();
    this.#mark();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(), 250);
  }

  async #look() {
    const text = this.text;
    let told = {};
    try {
      if (text.trim()) told = await ask("/page/read", { prompt: text });
    } catch { /* the server is away: drawing will say so */ }
    if (text !== this.text) return;
    this.told = told;
    this.#mark();
    this.#explain();
  }

  #mark() {
    const unknown = new Set(this.told.unknown), corrected = this.told.corrected ?? {};
    const parts = [], place = this.typed ? this.field.selectionStart : -1;
    let end = 0;
    for (const match of this.text.matchAll(WORD)) {
      const word = plain(match[0]);
      const kind = match.index + match[0].length === place ? "typing"
        : unknown.has(word) ? "unknown" : word in corrected ? "corrected" : null;
      if (!kind) continue;
      const mark = document.createElement("mark");
      mark.className = kind;
      mark.textContent = match[0];
      parts.push(this.text.slice(end, match.index), mark);
      end = match.index + match[0].length;
    }
    this.marks.replaceChildren(...parts, this.text.slice(end) + "\n");
  }

  #explain() {
    const { error, unknown: odd = [], corrected = {} } = this.told, parts = [];
    const current = this.typed ? plain(this.#current()) : "";
    const unknown = odd.filter((word) => word !== current);
    for (const [word, known] of Object.entries(corrected)) {
      if (word === current) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "correction";
      button.textContent = `${word} → ${known}`;
      button.title = "Read so; click to write it so";
      button.addEventListener("click", () => {
        this.text = this.text.replace(WORD, (found) => (plain(found) === word ? known : found));
      });
      parts.push(button);
    }
    if (unknown.length) {
      const verb = unknown.length > 1 ? "are not known words" : "is not a known word";
      const span = document.createElement("span");
      span.textContent = `${unknown.map((word) => `“${word}”`).join(", ")} ${verb}`;
      parts.push(span);
    }
    if (error) parts.push(error);
    this.notice.classList.toggle("wrong", Boolean(error));
    this.notice.replaceChildren(...parts);
  }

  #current() {
    const before = this.text.slice(0, this.field.selectionStart);
    return /[\p{L}-]+$/u.exec(before)?.[0] ?? "";
  }

  #suggest() {
    const start = plain(this.#current());
    const found = start.length < 2 ? [] : this.known.filter(([word]) => word.startsWith(start));
    if (!found.length || found.some(([word]) => word === start)) return this.#close();
    this.picked = -1;
    this.list.replaceChildren(...found.slice(0, OFFERED).map(([word, group], i) => {
      const item = document.createElement("li");
      item.id = `suggestion-${i}`;
      item.role = "option";
      item.dataset.word = word;
      const hint = document.createElement("small");
      hint.textContent = group;
      item.append(word, hint);
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.#take(word);
      });
      return item;
    }));
    const left = this.marks.querySelector(".typing")?.offsetLeft ?? 0;
    const room = this.field.clientWidth - 230;
    this.list.style.left = `${Math.max(0, Math.min(left - 12, room))}px`;
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
  }

  #take(word) {
    const place = this.field.selectionStart, start = place - this.#current().length;
    const after = this.text.slice(place);
    this.text = `${this.text.slice(0, start)}${word}${after.startsWith(" ") ? "" : " "}${after}`;
    this.field.setSelectionRange(start + word.length + 1, start + word.length + 1);
  }

  #close() {
    this.list.hidden = true;
    this.picked = -1;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    const items = [...this.list.children], open = !this.list.hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.picked = (this.picked + step + items.length) % items.length;
      items.forEach((item, i) => { item.ariaSelected = String(i === this.picked); });
      this.field.setAttribute("aria-activedescendant", items[this.picked].id);
    } else if (open && event.key === "Escape") {
      this.#close();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      if (open && this.picked >= 0) this.#take(items[this.picked].dataset.word);
      else { this.#close(); this.onSubmit(); }
    } else return;
    event.preventDefault();
  }
}
