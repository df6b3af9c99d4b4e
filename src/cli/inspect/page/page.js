// The page: shows the view that the address names, and keeps it as the store is.

import { addChanges, showChanges, startChanges, tickChanges } from './changes.js';
import { byId, grouped } from './dom.js';
import { showFiles, showMemory, startFiles, tickMemory } from './files.js';
import { moveRow, showKeys, showSpaces, startKeys, turn } from './keys.js';
import { go, place, VIEWS } from './route.js';

/** The newest state of the store, and the LSN that the views show. */
let state = null;
let shownLsn = -1;
let passing;

const TROUBLE_MS = 10_000;

/** Draws the view of the present place. */
function show() {
  const { view } = place();
  for (const name of VIEWS) byId(name).hidden = name !== view;
  for (const link of document.querySelectorAll('header nav a'))
    link.ariaCurrent = link.dataset.view === view ? 'page' : null;
  if (state === null) return;
  shownLsn = state.lastLsn;
  if (view === 'keys') {
    showSpaces(state.spaces);
    showKeys();
  }
  if (view === 'changes') showChanges();
  if (view === 'memory') showMemory(state);
  if (view === 'journal') showFiles().catch(({ message }) => trouble(message));
}

/** Tells what is wrong, until it has not been so for a while. */
function trouble(line) {
  clearTimeout(passing);
  if (line !== '') passing = setTimeout(() => trouble(''), TROUBLE_MS);
  byId('trouble').hidden = line === '';
  byId('trouble').textContent = line;
}

function onState(now) {
  state = now;
  tickChanges();
  tickMemory(now);
  byId('directory').textContent = now.directory;
  byId('lsn').textContent = grouped(now.lastLsn);
  byId('durable').textContent = grouped(now.durableLsn);
  document.title = `${now.directory.split('/').at(-1)} · Keelson inspect`;
  // Charts over time move each second, what is stored only when it has changed.
  if (now.lastLsn !== shownLsn || ['changes', 'memory'].includes(place().view)) show();
}

function connection(text, isLive) {
  byId('connection').textContent = text;
  byId('connection').classList.toggle('is-live', isLive);
}

function listen() {
  const source = new EventSource('api/live');
  const on = (event, handle) => source.addEventListener(event, ({ data }) => handle(JSON.parse(data)));
  source.onopen = () => {
    connection('live', true);
    trouble('');
  };
  source.onerror = () => connection('not connected: has keelson inspect ended?', false);
  on('state', onState);
  on('changes', addChanges);
  on('trouble', ({ line }) => trouble(line));
  addEventListener('pagehide', () => source.close());
}

const KEYS = {
  '/': () => {
    go({ view: 'keys' });
    byId('keys').hidden = false;
    byId('prefix').select();
  },
  ArrowDown: () => moveRow(1),
  ArrowUp: () => moveRow(-1),
  ArrowLeft: () => turn('previous'),
  ArrowRight: () => turn('next'),
  Home: () => turn('first'),
  End: () => turn('last'),
};
/** Keys that only the view of keys has a use for. */
const OF_KEYS = Object.keys(KEYS).slice(1);

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches?.('input, textarea, select');
  if (event.key === 'Escape' && isTyping) return event.target.blur();
  // From the search, the arrow down leads into what was found.
  const leads = event.key === 'ArrowDown' && event.target.id === 'prefix';
  if (isTyping && !leads) return;
  const view = VIEWS[Number(event.key) - 1];
  if (view !== undefined) return go({ view });
  const isInPlace = place().view === 'keys' && !event.target.closest?.('#entry, #spaces, header, button');
  if (KEYS[event.key] === undefined || (OF_KEYS.includes(event.key) && !isInPlace)) return;
  event.preventDefault();
  KEYS[event.key]();
}

startKeys();
startChanges();
startFiles();
addEventListener('hashchange', show);
addEventListener('keydown', onKey);
show();
listen();
