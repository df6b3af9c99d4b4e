// The entry that is looked at: its value as a tree, bytes as hexadecimal digits, and its history.

import { ask, byId, bytesText, counted, el, grouped, latest, spaceText, timeText } from './dom.js';

const OPEN_DEPTH = 2;
const OPEN_CHILDREN_MAX = 50;
const CHILDREN_AT_ONCE = 200;
const BYTES_AT_ONCE = 1024;
const VERSIONS_MAX = 100;

/** The answer that is shown, so that it is not drawn again. */
let shown = '';
/** The history of the key that is shown. */
let history = null;
let isHistoryOpen = false;

/** Shows the entry of a place, or that none is chosen. */
export const showEntry = latest(async (signal, { space, key }) => {
  const host = byId('entry');
  if (key === undefined) {
    shown = '';
    host.replaceChildren(el('p', { className: 'empty' }, 'Choose a key to see its value and history.'));
    return;
  }
  let answer;
  try {
    answer = await ask('entry', { space, key }, signal);
  } catch (error) {
    if (signal.aborted) return;
    answer = { error: error.message };
  }
  const now = JSON.stringify([space, answer]);
  if (now === shown) return;
  shown = now;
  if (answer.error !== undefined) host.replaceChildren(el('p', { className: 'empty' }, answer.error));
  else {
    if (history?.place !== JSON.stringify([space, key])) history = new KeyHistory(space, key);
    host.replaceChildren(headOf(space, answer), bodyOf(answer), history.node);
    void history.update();
  }
});

function headOf(space, { shown: name, isThere, version, expiresAt, value }) {
  const facts = [
    [spaceText(space), 'namespace'],
    ...(isThere ? [[`LSN ${grouped(version)}`, 'written at']] : []),
    ...(expiresAt === undefined ? [] : [[timeText(expiresAt), 'expires']]),
  ];
  const copy = el('button', { type: 'button', disabled: value?.json === undefined }, 'Copy value');
  copy.onclick = async () => {
    await navigator.clipboard.writeText(value.json);
    copy.textContent = 'Copied';
  };
  return el(
    'div',
    { className: 'entry-head' },
    el('h2', { className: 'mono' }, name),
    copy,
    el(
      'dl',
      { className: 'facts' },
      ...facts.map(([fact, label]) => el('div', {}, el('dt', {}, label), el('dd', {}, fact))),
    ),
  );
}

function bodyOf({ isThere, value }) {
  if (!isThere) return el('p', { className: 'empty' }, 'This key is not there now.');
  return el('div', { className: 'value mono' }, valueNode(value));
}

/** Returns a value as it was answered: whole, or its beginning. */
function valueNode(value) {
  if (value.json !== undefined) return treeOf(JSON.parse(value.json), 0);
  return el(
    'div',
    {},
    el('p', { className: 'note' }, `The value has ${grouped(value.characters)} characters. Its beginning:`),
    el('pre', {}, value.beginning),
  );
}

const scalar = (kind, text) => el('span', { className: `v-${kind}` }, text);

const TAGS = {
  $bytes: (text) => bytesNode(text, 'bytes'),
  $buffer: (text) => bytesNode(text, 'Buffer'),
  $bigint: (text) => scalar('number', `${text}n`),
  $date: (text) => scalar('date', text ?? 'Invalid Date'),
  $number: (text) => scalar('number', text),
  $undefined: () => scalar('null', 'undefined'),
  $map: (pairs, depth) =>
    group(
      'Map',
      pairs.map(([key, value]) => [treeOf(key, depth + 1), ' ⇒ ', value]),
      '{}',
      depth,
    ),
  $set: (items, depth) =>
    group(
      'Set',
      items.map((value) => [null, '', value]),
      '{}',
      depth,
    ),
  $object: (object, depth) => objectNode(object, depth),
};

/** Returns the tree of a value in tagged JSON. */
function treeOf(value, depth) {
  if (value === null) return scalar('null', 'null');
  if (typeof value === 'string') return scalar('string', JSON.stringify(value));
  if (typeof value === 'number') return scalar('number', String(value));
  if (typeof value === 'boolean') return scalar('boolean', String(value));
  if (Array.isArray(value))
    return group(
      '',
      value.map((item) => [null, '', item]),
      '[]',
      depth,
    );
  const [name, ...others] = Object.keys(value);
  const isTag = others.length === 0 && name !== undefined && Object.hasOwn(TAGS, name);
  return isTag ? TAGS[name](value[name], depth) : objectNode(value, depth);
}

function objectNode(object, depth) {
  const names = Object.keys(object);
  return group(
    '',
    names.map((name) => [scalar('name', nameText(name)), ': ', object[name]]),
    '{}',
    depth,
  );
}

const nameText = (name) => (/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? name : JSON.stringify(name));

/** Returns what has children. They are made when it is opened, and not all at once when they are many. */
function group(kind, children, [open, close], depth) {
  const name = kind === '' ? '' : `${kind} `;
  if (children.length === 0) return el('span', {}, `${name}${open}${close}`);
  const isOpen = depth < OPEN_DEPTH && children.length <= OPEN_CHILDREN_MAX;
  const list = el('ul');
  const more = el('button', { type: 'button', className: 'more' });
  let made = 0;
  const make = () => {
    const next = children.slice(made, made + CHILDREN_AT_ONCE);
    made += next.length;
    list.append(...next.map((child) => childNode(child, depth + 1)));
    more.textContent = `${grouped(children.length - made)} more`;
    more.hidden = made === children.length;
  };
  more.onclick = make;
  const count = counted(
    children.length,
    open === '[' || kind === 'Set' ? 'item' : kind === 'Map' ? 'pair' : 'field',
  );
  const node = el(
    'details',
    { open: isOpen },
    el('summary', {}, `${name}${open} `, el('span', { className: 'v-count' }, count), ` ${close}`),
    list,
    more,
  );
  if (isOpen) make();
  else node.addEventListener('toggle', make, { once: true });
  return node;
}

/** Returns a child with its label, which stands in the line that opens it. */
function childNode([label, between, value], depth) {
  const node = treeOf(value, depth);
  if (node.tagName !== 'DETAILS') return el('li', {}, label, between, node);
  node.firstChild.prepend(...[label, between].filter((part) => part !== null));
  return el('li', {}, node);
}

function bytesNode(base64, kind) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const pre = el('pre', { className: 'v-bytes' });
  const more = el('button', { type: 'button', className: 'more' });
  let made = 0;
  const make = () => {
    pre.append(hexLines(bytes, made, made + BYTES_AT_ONCE));
    made += BYTES_AT_ONCE;
    more.textContent = `${bytesText(bytes.length - made)} more`;
    more.hidden = made >= bytes.length;
  };
  more.onclick = make;
  make();
  return el(
    'div',
    {},
    el('span', { className: 'v-count' }, `${counted(bytes.length, 'byte')} (${kind})`),
    pre,
    more,
  );
}

/** Returns bytes as lines: place, hexadecimal digits, and what can be read of them. */
function hexLines(bytes, start, end) {
  const width = byId('entry').clientWidth > 640 ? 16 : 8;
  let text = '';
  for (let at = start; at < Math.min(end, bytes.length); at += width) {
    const line = [...bytes.subarray(at, at + width)];
    const digits = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const read = line.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    text += `${at.toString(16).padStart(6, '0')}  ${digits.padEnd(3 * width - 1)}  ${read}\n`;
  }
  return text;
}

/** The history of a key. It is read when it is opened, because it can be long, and later only from where it ended. */
class KeyHistory {
  node;
  place;
  #question;
  #note = el('p', { className: 'note' }, 'Reading the journal …');
  #list = el('div', { className: 'history' });
  #sinceLsn;
  #untilLsn;
  #count = 0;
  #update = latest((signal) => this.#read(signal));

  constructor(space, key) {
    this.#question = { space, key };
    this.place = JSON.stringify([space, key]);
    this.node = el(
      'details',
      { className: 'history-of', open: isHistoryOpen },
      el('summary', {}, 'History'),
      this.#note,
      this.#list,
    );
    this.node.addEventListener('toggle', () => {
      isHistoryOpen = this.node.open;
      void this.update();
    });
  }

  /** Shows what has come since, if the history is open and not being read. */
  async update() {
    if (!isHistoryOpen || (this.#untilLsn === undefined && this.#isReading)) return;
    await this.#update();
  }

  #isReading = false;

  async #read(signal) {
    this.#isReading = true;
    try {
      const answer = await ask('history', { ...this.#question, since: this.#untilLsn }, signal);
      this.#sinceLsn ??= answer.sinceLsn;
      this.#untilLsn = answer.untilLsn;
      this.#count += answer.count;
      this.#list.prepend(...answer.versions.map(versionNode));
      while (this.#list.children.length > VERSIONS_MAX) this.#list.lastChild.remove();
      this.#tell();
    } catch (error) {
      if (!signal.aborted) this.#note.textContent = error.message;
    } finally {
      this.#isReading = false;
    }
  }

  #tell() {
    const [count, shownCount] = [this.#count, this.#list.children.length];
    const since =
      this.#sinceLsn === 0
        ? 'since the store was made'
        : `since LSN ${grouped(this.#sinceLsn)}, where the journal that is kept begins`;
    const newest = count > shownCount ? `; the newest ${shownCount} of them` : '';
    this.#note.textContent = `${counted(count, 'durable change')} ${since}${newest}. The last write to a store is told when the next one proves it durable.`;
  }
}

function versionNode({ lsn, type, preview, expiresAt, value }) {
  const line = [
    el('span', { className: 'lsn' }, grouped(lsn)),
    el('span', { className: `badge ${type}` }, type),
    el('span', { className: 'preview' }, preview),
    expiresAt === undefined ? null : el('span', { className: 'note' }, `expires ${timeText(expiresAt)}`),
  ];
  if (value === undefined) return el('div', { className: 'version mono' }, ...line);
  const node = el('details', { className: 'version mono' }, el('summary', {}, ...line));
  node.addEventListener('toggle', () => node.append(el('div', { className: 'value' }, valueNode(value))), {
    once: true,
  });
  return node;
}
