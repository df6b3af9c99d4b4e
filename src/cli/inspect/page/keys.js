// The namespaces, and the keys of one by pages. A page begins at a rank, so the millionth key is as near as the first.

import { ask, byId, counted, el, grouped, latest, spaceText } from './dom.js';
import { showEntry } from './entry.js';
import { go, hrefOf, place } from './route.js';

const PAGE_KEYS = 100;
const TYPING_MS = 120;
const HINTS = { utf8: 'start of a key', tuple: '"user", 7', bytes: '00 ff' };

let total = 0;
let spaces = [];
/** The page that is shown, and the versions of its entries, so that what has changed can be marked. */
let shownPage = '';
let versions = new Map();

/** Shows the keys of the present place, and its entry. */
export function showKeys() {
  const { space, prefix, key } = place();
  const { keyEncoding } = spaces.find(({ name }) => name === space) ?? {};
  byId('prefix').placeholder = HINTS[keyEncoding] ?? '';
  if (document.activeElement !== byId('prefix')) byId('prefix').value = prefix;
  void showPage();
  void showEntry({ space, key });
}

/** Shows the namespaces with their entries. */
export function showSpaces(now) {
  spaces = now;
  const { space } = place();
  const link = ({ name, entries, keyEncoding, valueEncoding }) =>
    el(
      'a',
      {
        href: hrefOf({ view: 'keys', space: name, prefix: '', at: 0, key: undefined }),
        title: `${keyEncoding} keys, ${valueEncoding} values`,
        'aria-current': name === space ? 'true' : undefined,
      },
      el('span', { className: name === '' ? 'own' : 'mono' }, spaceText(name)),
      el('span', { className: 'number' }, grouped(entries)),
    );
  const host = byId('spaces');
  const focused = [...host.children].indexOf(document.activeElement);
  host.replaceChildren(...spaces.map(link));
  host.children[focused]?.focus();
}

const showPage = latest(async (signal) => {
  const { space, prefix, at } = place();
  let answer;
  try {
    answer = await ask('keys', { space, prefix, at, limit: PAGE_KEYS }, signal);
  } catch (error) {
    if (signal.aborted) return;
    note(error.message, true);
    return;
  }
  // Keys have gone since: the last page is what is left.
  if (answer.entries.length === 0 && answer.total > 0) return go({ at: lastPage(answer.total) }, true);
  total = answer.total;
  note(prefix === '' ? counted(total, 'key') : `${counted(total, 'key')} with this prefix`, false);
  showRows(answer, JSON.stringify([space, prefix, at]));
  showBar(answer);
});

function note(text, isWrong) {
  byId('search-note').textContent = text;
  byId('search-note').classList.toggle('wrong', isWrong);
}

function showRows({ entries, at }, page) {
  const { key: chosen } = place();
  const isSamePage = page === shownPage;
  const host = byId('rows');
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const row = ({ key, shown, preview, version }, index) =>
    el(
      'a',
      {
        className: isSamePage && versions.get(key) !== version ? 'row changed' : 'row',
        href: hrefOf({ key }),
        'data-key': key,
        'aria-current': key === chosen ? 'true' : undefined,
      },
      el('span', { className: 'at' }, grouped(at + index)),
      el('span', { className: 'key', title: shown }, shown),
      el('span', { className: 'preview' }, preview ?? '…'),
    );
  const scrollTop = isSamePage ? host.scrollTop : 0;
  host.replaceChildren(...entries.map(row));
  if (entries.length === 0) host.append(el('p', { className: 'empty' }, 'No keys here.'));
  host.scrollTop = scrollTop;
  if (focused !== undefined) [...host.children].find(({ dataset }) => dataset.key === focused)?.focus();
  shownPage = page;
  versions = new Map(entries.map(({ key, version }) => [key, version]));
}

function showBar({ entries, at }) {
  const rank = byId('rank');
  rank.max = String(Math.max(0, total - 1));
  rank.step = String(total > 100 * PAGE_KEYS ? 1 : PAGE_KEYS);
  rank.value = String(at);
  rank.disabled = total <= PAGE_KEYS;
  const last = at + entries.length;
  byId('place').textContent =
    entries.length === 0 ? '' : `${grouped(at)}–${grouped(last - 1)} of ${grouped(total)}`;
  for (const button of byId('pages').querySelectorAll('button'))
    button.disabled = ['first', 'previous'].includes(button.dataset.go) ? at === 0 : last >= total;
}

const lastPage = (count) => Math.max(0, Math.floor((count - 1) / PAGE_KEYS) * PAGE_KEYS);

/** Turns the page: `first`, `previous`, `next` or `last`. */
export function turn(to) {
  const { at } = place();
  const places = { first: 0, previous: at - PAGE_KEYS, next: at + PAGE_KEYS, last: lastPage(total) };
  if (places[to] < total) go({ at: Math.max(0, places[to]) });
}

/** Moves among the rows by arrow keys. Returns false when there is none. */
export function moveRow(step) {
  const rows = [...byId('rows').querySelectorAll('a')];
  const current = rows.findIndex((row) => row === document.activeElement || row.ariaCurrent === 'true');
  const row = rows[Math.min(rows.length - 1, Math.max(0, current + step))];
  if (row === undefined) return false;
  row.focus();
  go({ key: row.dataset.key }, current !== -1);
  return true;
}

/** Listens to the controls of the keys. */
export function startKeys() {
  let typing;
  byId('prefix').addEventListener('input', () => {
    clearTimeout(typing);
    // Back leaves the search as a whole.
    const search = () => go({ prefix: byId('prefix').value, at: 0, key: undefined }, place().prefix !== '');
    typing = setTimeout(search, TYPING_MS);
  });
  byId('rank').addEventListener('input', () => {
    clearTimeout(typing);
    const at = Number(byId('rank').value);
    byId('place').textContent = `from ${grouped(at)} of ${grouped(total)}`;
    typing = setTimeout(() => go({ at }, true), TYPING_MS);
  });
  byId('pages').addEventListener('click', ({ target }) => {
    const to = target.closest('button')?.dataset.go;
    if (to !== undefined) turn(to);
  });
  byId('search').addEventListener('submit', (event) => {
    event.preventDefault();
    void goTo(byId('from').value);
  });
}

/** Goes to the page that begins at a key, or at the first one above it. */
const goTo = latest(async (signal, from) => {
  const { space, prefix } = place();
  if (from === '') return;
  try {
    const { at, entries } = await ask('keys', { space, prefix, from, limit: 1 }, signal);
    if (entries.length === 0) note('There is no such key, and none above it', true);
    else go({ at, key: entries[0].key });
  } catch (error) {
    if (!signal.aborted) note(error.message, true);
  }
});
