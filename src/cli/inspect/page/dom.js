// Elements, requests, and texts for people. No HTML is ever parsed: what a store holds is text.

/** Returns an element with properties, attributes (as `aria-label`, `data-x`, `role`) and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name.includes('-') || name === 'role') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Returns the element with an id. */
export const byId = (id) => document.getElementById(id);

/** An answer that is an error: `code`, `what` and `next`. */
export class Refused extends Error {
  constructor({ code, what, next }) {
    super(`${what}. ${next}.`);
    this.code = code;
  }
}

/** Asks the server. Parameters that are undefined are left out. */
export async function ask(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  const query = new URLSearchParams(given);
  const response = await fetch(`api/${path}?${query}`, { signal });
  const answer = await response.json();
  if (answer.error !== undefined) throw new Refused(answer.error);
  return answer;
}

/** Returns a function that runs one request at a time: a new call ends the one before, whose result is dropped. */
export function latest(run) {
  let running = null;
  return async (...given) => {
    running?.abort();
    const own = new AbortController();
    running = own;
    try {
      await run(own.signal, ...given);
    } catch (error) {
      if (!own.signal.aborted) throw error;
    }
  };
}

const NUMBERS = new Intl.NumberFormat('en-US');
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Returns a number with commas. */
export const grouped = (value) => NUMBERS.format(value);

/** Returns a number and its noun. */
export const counted = (count, noun, plural = `${noun}s`) =>
  `${grouped(count)} ${count === 1 ? noun : plural}`;

/** Returns a number of bytes, as in 1.5 MiB. */
export function bytesText(bytes) {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${UNITS[power]}`;
}

const DISTANCES = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const STEPS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

/** Returns a time and how far away it is. */
export function timeText(ms) {
  const distance = ms - Date.now();
  const [unit, length] = STEPS.find(([, step]) => Math.abs(distance) >= step) ?? STEPS.at(-1);
  const date = new Date(ms);
  const text = Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
  return `${text} (${DISTANCES.format(Math.round(distance / length), unit)})`;
}

/** Returns a table. A cell is a text, a number, which stands on the right, or an element. */
export function table(head, rows) {
  const isNumber = (column) => rows.some((row) => typeof row[column] === 'number');
  const cell = (tag, value, column) =>
    el(
      tag,
      { className: isNumber(column) ? 'number' : '' },
      typeof value === 'number' ? grouped(value) : (value ?? '?'),
    );
  const line = (tag, values) => el('tr', {}, ...values.map((value, column) => cell(tag, value, column)));
  return el(
    'table',
    { className: 'facts-table' },
    el('thead', {}, line('th', head)),
    el('tbody', {}, ...rows.map((row) => line('td', row))),
  );
}

/** Returns the name of a namespace for people. */
export const spaceText = (name) => (name === '' ? '(the store itself)' : name);
