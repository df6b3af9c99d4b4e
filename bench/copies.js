// Ways to copy a short range of bytes to an unaligned place: the reason for src/copy-bytes.ts.
//
//   node bench/copies.js

const COPIES = 200_000;
const WARM_UPS = 2;
const LENGTHS = [20, 72, 128, 256, 512, 1024];
const SOURCE_BYTES = 64 * 1024;
const TARGET_BYTES = 1024 * 1024;

const source = Uint8Array.from({ length: SOURCE_BYTES }, (_, at) => at * 7);
const target = new Uint8Array(TARGET_BYTES);
const sourceView = new DataView(source.buffer);
const targetView = new DataView(target.buffer);

const WAYS = {
  'set() with a view'(to, start, end) {
    target.set(source.subarray(start, end), to);
  },
  'a loop of bytes'(to, start, end) {
    for (let from = start; from < end; from++) target[to++] = source[from];
  },
  'words of two DataViews'(to, start, end) {
    let from = start;
    for (; from + 4 <= end; from += 4, to += 4)
      targetView.setUint32(to, sourceView.getUint32(from, true), true);
    for (; from < end; from++) target[to++] = source[from];
  },
};

function nanoseconds(copy, length) {
  let took = 0;
  for (let round = 0; round <= WARM_UPS; round++) {
    const began = performance.now();
    for (let at = 0; at < COPIES; at++) {
      const from = 3 + (at & 15);
      copy((at * length + 5) % (TARGET_BYTES - length), from, from + length);
    }
    took = performance.now() - began;
  }
  return ((took / COPIES) * 1e6).toFixed(0);
}

console.log('ns for a copy of so many bytes');
console.table(
  Object.fromEntries(
    Object.entries(WAYS).map(([name, copy]) => [
      name,
      Object.fromEntries(LENGTHS.map((length) => [length, nanoseconds(copy, length)])),
    ]),
  ),
);
