// Requests to the server: JSON or a form with pictures; the answers are lines of JSON.

export class Refused extends Error {}

export async function ask(path, wish, { files = {}, signal, onLine } = {}) {
  const response = await fetch(path, { method: "POST", signal, ...body(wish, files) });
  if (!response.ok) throw new Refused(await reason(response));
  if (!onLine) return response.json();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const told = JSON.parse(line);
      if (told.error) throw new Refused(told.error);
      onLine(told);
    }
    if (done) return undefined;
  }
}

function body(wish, files) {
  if (!Object.keys(files).length) {
    return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish) };
  }
  const form = new FormData();
  form.append("ask", JSON.stringify(wish));
  for (const [name, file] of Object.entries(files)) form.append(name, file, "face.png");
  return { body: form };
}

async function reason(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

export function toBlob(base64, type = "image/png") {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type });
}
