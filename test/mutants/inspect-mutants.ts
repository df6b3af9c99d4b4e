// Mutants of `keelson inspect`: who is answered, pages by rank, history, live events, and what is left behind.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const SERVER = ['test/cli/inspect.test.ts'];
const PAGE = ['test/cli/inspect-page.test.ts'];

const GUARD = 'src/cli/inspect/guard.ts';
const HANDLER = 'src/cli/inspect/server.ts';
const API = 'src/cli/inspect/api.ts';
const HISTORY = 'src/cli/inspect/history.ts';
const LIVE = 'src/cli/inspect/live.ts';

const mutantIn = singleMutantsOf('inspect');

export const inspectMutants: readonly Mutant[] = [
  mutantIn(
    GUARD,
    'a Host of somebody else is answered',
    SERVER,
    'if (host !== `127',
    'if (port === 0 && host !== `127',
  ),
  mutantIn(
    GUARD,
    'a Host with another port is answered',
    SERVER,
    'host !== `localhost:',
    "host?.split(':')[0] !== 'localhost' && host !== `localhost:",
  ),
  mutantIn(GUARD, 'any method is answered', SERVER, "if (method !== 'GET')", 'if (method === undefined)'),
  mutantIn(
    GUARD,
    'the beginning of the token is enough',
    SERVER,
    '!isSame(first, token)',
    '!token.startsWith(first)',
  ),
  mutantIn(
    GUARD,
    'any token of its length will do',
    SERVER,
    'bytes.length === expected.length && timingSafeEqual(bytes, expected)',
    'bytes.length === expected.length',
  ),
  mutantIn(
    HANDLER,
    'other machines are answered',
    SERVER,
    "server.listen(port, '127.0.0.1');",
    'server.listen(port);',
  ),
  mutantIn(
    HANDLER,
    'answers may be kept and framed',
    SERVER,
    "{ ...SAFE_HEADERS, 'content-type': type, ...headers }",
    "{ 'content-type': type, ...headers }",
  ),
  mutantIn(
    HANDLER,
    'a page that was left goes on',
    SERVER,
    "response.once('close', () => gone.abort());",
    "response.once('never', () => gone.abort());",
  ),
  mutantIn(
    HANDLER,
    'any number of pages is served',
    SERVER,
    'this.#pages === PAGES_MAX',
    'this.#pages === -1',
  ),
  mutantIn(
    HANDLER,
    'what the owner has written is not shown',
    SERVER,
    '      await this.#store.refresh();\n',
    '',
  ),
  mutantIn(
    HANDLER,
    'a wrong question is a fault of the server',
    SERVER,
    '=== EXIT.misuse ? 400',
    '=== EXIT.misuse ? 500',
  ),
  mutantIn(
    'src/cli/any-store.ts',
    'the feed does not know a namespace that is new',
    SERVER,
    'await this.db.refresh();\n    this.#askForNames();',
    'await this.db.refresh();',
  ),
  mutantIn(
    'src/cli/commands/inspect.ts',
    'Ctrl-C kills',
    SERVER,
    "once(process, 'SIGINT')",
    "once(process, 'SIGUSR2')",
  ),
  mutantIn(
    API,
    'a page may be of any length',
    SERVER,
    "Math.min(countOf(query, 'limit', 100), PAGE_KEYS_MAX)",
    "countOf(query, 'limit', 100)",
  ),
  mutantIn(
    API,
    'the keys of a prefix are all keys',
    SERVER,
    'total: space.count(range)',
    'total: space.size',
  ),
  mutantIn(
    API,
    'a rank is that among all keys',
    SERVER,
    'space.count({ ...range, lt: from })',
    'space.count({ lt: from })',
  ),
  mutantIn(API, 'half a byte is a byte', SERVER, '/^(?:[\\da-f]{2})+$/i', '/^[\\da-f]+$/i'),
  mutantIn(
    API,
    'a value that cannot be decoded ends the list',
    SERVER,
    '    return { preview: `',
    '    throw new Error(code + what);\n    return { preview: `',
  ),
  mutantIn(
    'src/cli/inspect/shown.ts',
    'a value of any length is sent',
    SERVER,
    'return json.length <= charactersMax',
    'return json.length >= 0',
  ),
  mutantIn(
    HISTORY,
    'a history is always read from its start',
    SERVER,
    "readFrom(countOf(query, 'since', 0), open, note)",
    "readFrom(countOf(query, 'since', 0) * 0, open, note)",
  ),
  mutantIn(
    HISTORY,
    'a history without its beginning is none',
    SERVER,
    'oldest === undefined || oldest <= since) throw error;',
    'oldest !== since) throw error;',
  ),
  mutantIn(
    HISTORY,
    'the history of a key is that of all keys',
    SERVER,
    'const range = { gte: key, lte: key };',
    'const range = { gte: key };',
  ),
  mutantIn(
    LIVE,
    'all of many changes are sent',
    SERVER,
    'this.#newest.slice(-CHANGES_MAX).map',
    'this.#newest.map',
  ),
  mutantIn(
    LIVE,
    'changes that are not shown are not counted',
    SERVER,
    'this.#count += changes.length;',
    'this.#count = this.#newest.length + 1;',
  ),
  mutantIn(
    'src/cli/inspect/journal-facts.ts',
    'bars stand for more and more commits',
    SERVER,
    'this.#commitsOfABar *= 2;',
    '',
  ),
  mutantIn(
    'src/cli/inspect/page/page.js',
    'the arrow down goes up',
    PAGE,
    'ArrowDown: () => moveRow(1)',
    'ArrowDown: () => moveRow(-1)',
  ),
  mutantIn(
    'src/cli/inspect/page/changes.js',
    'a paused log goes on',
    PAGE,
    'if (isPaused || waiting.length === 0) return;',
    'if (waiting.length === 0) return;',
  ),
  mutantIn(
    'src/cli/inspect/page/entry.js',
    'the history of a key stays as it was',
    PAGE,
    '    void history.update();\n',
    '',
  ),
];
