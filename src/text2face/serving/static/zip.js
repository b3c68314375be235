// A ZIP file of files that are compressed already: they are stored as they are.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

const UTF8 = 0x800;
const DATE = 0x21; // 1 January 1980: the same files give the same bytes

// files: [[name, Uint8Array], …]
export function zip(files) {
  const parts = [], index = [];
  let place = 0;
  for (const [name, bytes] of files) {
    const label = new TextEncoder().encode(name);
    const same = [20, UTF8, 0, 0, DATE].flatMap((n) => [n, 2]);
    same.push(crc32(bytes), 4, bytes.length, 4, bytes.length, 4, label.length, 2, 0, 2);
    const head = fields(0x04034b50, 4, ...same);
    index.push(fields(0x02014b50, 4, 20, 2, ...same, 0, 2, 0, 2, 0, 2, 0, 4, place, 4), label);
    parts.push(head, label, bytes);
    place += head.length + label.length + bytes.length;
  }
  const size = index.reduce((sum, part) => sum + part.length, 0), count = files.length;
  const end = fields(0x06054b50, 4, 0, 2, 0, 2, count, 2, count, 2, size, 4, place, 4, 0, 2);
  return new Blob([...parts, ...index, end], { type: "application/zip" });
}

// Numbers and their bytes, in turn, little end first.
function fields(...numbers) {
  const bytes = [];
  for (let i = 0; i < numbers.length; i += 2) {
    for (let k = 0; k < numbers[i + 1]; k++) bytes.push((numbers[i] >>> (8 * k)) & 255);
  }
  return Uint8Array.from(bytes);
}
