// All faces as one ZIP: the pictures with their records, and a list of what the visitor said of them.

import { fileName } from "./stage.js";
import { zip } from "./zip.js";

export async function download(faces) {
  const taken = new Set(), files = [], list = [];
  for (const face of faces) {
    let name = fileName(face);
    for (let i = 2; taken.has(name.toLowerCase()); i++) name = fileName(face).replace(/(\.\w+)$/, `-${i}$1`);
    taken.add(name.toLowerCase());
    files.push([name, new Uint8Array(await face.blob.arrayBuffer())]);
    const { label = "", star = false, words: prompt, seed, settings: set, steps } = face;
    list.push({ file: name, name: label, star, prompt, seed, settings: set, steps });
  }
  const text = new TextEncoder().encode(`${JSON.stringify(list, null, 2)}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(zip([...files, ["faces.json", text]]));
  link.download = "faces.zip";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
