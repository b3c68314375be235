// The faces of this browser: kept in IndexedDB, newest first. Without it they last one visit.

const MOST = 300; // starred ones are never forgotten

export class Store {
  constructor() {
    this.faces = [];
    this.db = null;
  }

  async open() {
    try {
      this.db = await wait(indexedDB.open("text2face", 1), (db) => db.createObjectStore("faces"));
      const kept = await wait(this.#table("readonly").getAll());
      this.faces = kept.sort((a, b) => b.made - a.made);
    } catch {
      this.db = null; // such as in a private window
    }
    return this.faces;
  }

  get(id) {
    return this.faces.find((face) => face.id === id);
  }

  add(face) {
    face.id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    face.made = Math.max(Date.now(), (this.faces[0]?.made ?? 0) + 1);
    this.faces.unshift(face);
    this.save(face);
    const old = this.faces.filter((one) => !one.star).slice(MOST);
    for (const one of old) this.remove(one);
    return face;
  }

  save(face) {
    this.#table("readwrite")?.put(face, face.id);
  }

  remove(face) {
    this.faces = this.faces.filter((one) => one !== face);
    this.#table("readwrite")?.delete(face.id);
  }

  clear() {
    this.faces = [];
    this.#table("readwrite")?.clear();
  }

  #table(mode) {
    return this.db?.transaction("faces", mode).objectStore("faces");
  }
}

function wait(request, upgrade) {
  return new Promise((resolve, reject) => {
    if (upgrade) request.onupgradeneeded = () => upgrade(request.result);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    if (upgrade) request.onblocked = () => reject(new Error("blocked"));
  });
}
