// The parts of the encoding of a small object: what each check takes, what one text takes, and what a writer that is
// generated for the names of a shape would save. The reasons for src/kv/encoding/msgpack/plain-writer.ts as it is.
//
//   npm run build && node bench/encoding.js

import { randomBytes } from 'node:crypto';
import { types } from 'node:util';
import { writePlain } from '../dist/kv/encoding/msgpack/plain-writer.js';
import { Scratch } from '../dist/kv/encoding/scratch.js';
import { Shapes } from '../dist/kv/encoding/shapes.js';
import { VALUES } from './peers/workload.js';

const CALLS = 100_000;
const ROUNDS = 30;
const OBJECTS = 4096;

const objects = Array.from({ length: OBJECTS }, (_, n) => VALUES.objects.at(n + OBJECTS));
const names = Object.keys(objects[0]);
const { getOwnPropertyNames, getOwnPropertySymbols } = Object;
const { __lookupGetter__: lookupGetter } = Object.prototype;
const out = new Scratch(2 ** 28);
const shapes = new Shapes(randomBytes);
const target = new Uint8Array(256);
const view = new DataView(target.buffer);
/** The position, and what the calls have seen, so that V8 drops none of them. */
let at = 0;
let seen = 0;

function writeText(text) {
  const { length } = text;
  let to = at;
  let all = 0;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    all |= unit;
    target[to++] = unit;
  }
  at = to;
  return all < 0x80;
}

function write(value) {
  if (typeof value === 'string') return writeText(value);
  if (typeof value === 'number') view.setUint32(at, value);
  else target[at] = value ? 1 : 0;
  at += 4;
  return true;
}

function writeInLoop(object) {
  for (let index = 0; index < names.length; index++) if (!write(object[names[index]])) return false;
  return true;
}

const writeGenerated = new Function(
  'write',
  `return (object) => ${names.map((name) => `write(object.${name})`).join(' && ')};`,
)(write);

const PARTS = {
  'all of it: writePlain()': (object) => {
    out.at = 0;
    seen += writePlain(object, shapes, out) ? 1 : 0;
  },
  'check: enumerable names': (object) => {
    seen += Object.keys(object).length;
  },
  'check: hidden names': (object) => {
    seen += getOwnPropertyNames(object).length;
  },
  'check: symbols': (object) => {
    seen += getOwnPropertySymbols(object).length;
  },
  'check: accessors': (object) => {
    for (let index = 0; index < names.length; index++)
      if (lookupGetter.call(object, names[index]) !== undefined) seen++;
  },
  'check that is not made: Proxy': (object) => {
    seen += types.isProxy(object) ? 1 : 0;
  },
  'five values, in a loop over names': writeInLoop,
  'five values, by a generated writer': writeGenerated,
  'its text of 20 characters': ({ email }) => writeText(email),
};

/** The fastest of many rounds, because other programs only make rounds slower. */
function nanoseconds(part) {
  // Each part has a loop of its own, so that V8 can inline the part there.
  const loop = new Function(
    'part',
    'objects',
    'start',
    `for (let call = 0; call < ${CALLS}; call++) { start(); part(objects[call & ${OBJECTS - 1}]); }`,
  );
  const start = () => {
    at = 0;
  };
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    loop(part, objects, start);
    fastest = Math.min(fastest, performance.now() - began);
  }
  return Math.round((fastest / CALLS) * 1e6);
}

const rows = Object.entries(PARTS).map(([part, work]) => ({ part, ns: nanoseconds(work) }));
if (!(seen > 0)) throw new Error('nothing was encoded');
console.table(rows);
