// Mutants of the command: values that are not exact, batches that are not whole, writes that nobody agreed to, and exit
// codes and messages that tell something else.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const BAD_STORES = ['test/cli/bad-stores.test.ts'];
const COMMANDS = ['test/cli/commands.test.ts'];
const LOAD = ['test/cli/load.test.ts'];
const PROCESSES = ['test/cli/processes.test.ts'];
const SHELL = ['test/cli/shell.test.ts'];
const TERMINAL = ['test/cli/terminal.test.ts'];
const TAGGED = ['test/cli/tagged-json.test.ts'];

const mutantIn = singleMutantsOf('the command');

export const cliMutants: readonly Mutant[] = [
  mutantIn(
    'src/cli/tagged-json.ts',
    'an object that looks like a tag is taken for one',
    TAGGED,
    "return names.length === 1 && names[0]!.startsWith('$') ? { $object: tagged } : tagged;",
    'return tagged;',
  ),
  mutantIn(
    'src/cli/tagged-json.ts',
    'a tag whose $ is escaped is not seen',
    LOAD,
    "return text.includes('$') || text.includes('\\\\u0024');",
    "return text.includes('$');",
  ),
  mutantIn(
    'src/cli/dump-format.ts',
    'an unknown field is ignored',
    LOAD,
    'if (!FIELDS.includes(name)) throw',
    'if (!FIELDS.includes(name) && name === key) throw',
  ),
  mutantIn(
    'src/cli/dump-format.ts',
    'an entry without a value is taken',
    LOAD,
    'if (key === undefined || value === undefined) throw',
    'if (key === undefined) throw',
  ),
  mutantIn(
    'src/cli/dump-format.ts',
    'a deadline that is no number is taken',
    LOAD,
    'if (expiresAt !== undefined && !Number.isFinite(expiresAt))',
    'if (expiresAt !== undefined && Number.isNaN(expiresAt))',
  ),
  mutantIn(
    'src/cli/dump-format.ts',
    'a dump of a later version is read',
    LOAD,
    'if (header.version !== VERSION) {',
    'if (header.version === undefined) {',
  ),
  mutantIn(
    'src/cli/text-files.ts',
    'bytes that are no UTF-8 are replaced',
    LOAD,
    "const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });",
    "const UTF8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });",
  ),
  mutantIn(
    'src/cli/text-files.ts',
    'a dump that is interrupted leaves its file',
    PROCESSES,
    'const onStop = () => {\n      remove();',
    'const onStop = () => {',
  ),
  mutantIn(
    'src/cli/load/dump-source.ts',
    'a dump that lacks lines is loaded',
    LOAD,
    'if (found !== entries) {',
    'if (found > entries) {',
  ),
  mutantIn(
    'src/cli/load/load-source.ts',
    'each entry is a batch',
    LOAD,
    'const BATCH_ENTRIES_MAX = 1000;',
    'const BATCH_ENTRIES_MAX = 1;',
  ),
  mutantIn(
    'src/cli/load/loading.ts',
    'a dump is loaded into a store with other encodings',
    LOAD,
    'if (source.isExact) assertSame',
    "if (source.noun === 'Entry') assertSame",
  ),
  mutantIn(
    'src/cli/load/lmdb-source.ts',
    'entries that lmdb leaves out are not missed',
    LOAD,
    'if (seen >= entries) return;',
    'if (seen >= 0) return;',
  ),
  mutantIn(
    'src/cli/load/lmdb-source.ts',
    'the name of a database is taken for a key',
    LOAD,
    "if (name === '' && nameOf(root, key) !== null) continue;",
    "if (name !== '' && nameOf(root, key) !== null) continue;",
  ),
  mutantIn(
    'src/cli/load/lmdb-source.ts',
    'a key that is no text is taken for one',
    LOAD,
    "if (encoding === 'bytes' || typeof key === 'string') return key;",
    'if (encoding !== null) return key;',
  ),
  mutantIn(
    'src/cli/load/decoders.ts',
    'text that is none is replaced',
    LOAD,
    "new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })",
    "new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })",
  ),
  mutantIn(
    'src/cli/load/json-source.ts',
    'a dump is taken for a JSON file',
    LOAD,
    'if (text.startsWith(\'{"keelson":"dump"\'))',
    "if (text === '')",
  ),
  mutantIn(
    'src/cli/commands/put.ts',
    'a store is made without --create',
    COMMANDS,
    'const made = create && {',
    'const made = create !== undefined || {',
  ),
  mutantIn(
    'src/cli/commands/dump.ts',
    'deadlines are lost',
    COMMANDS,
    'entryLine({ namespace, key, value, expiresAt })',
    'entryLine({ namespace, key, value, expiresAt: expiresAt && undefined })',
  ),
  mutantIn(
    'src/cli/commands/get.ts',
    'a key that is not there is no answer',
    COMMANDS,
    'process.exitCode = EXIT.no;',
    'process.exitCode = EXIT.done;',
  ),
  mutantIn(
    'src/cli/commands/del.ts',
    'a key that was not there was deleted',
    COMMANDS,
    'if (!deleted) process.exitCode = EXIT.no;',
    'if (!deleted) process.exitCode = EXIT.done;',
  ),
  mutantIn(
    'src/cli/commands/verify.ts',
    'damage is no answer',
    BAD_STORES,
    'if (!found.ok) process.exitCode = EXIT.no;',
    'if (!found.ok) process.exitCode = EXIT.done;',
  ),
  mutantIn(
    'src/cli/commands/backup.ts',
    'a backup needs the store for itself',
    BAD_STORES,
    'AnyStore.using({ directory, readOnly: true }',
    'AnyStore.using({ directory, readOnly: false }',
  ),
  mutantIn(
    'src/cli/command-errors.ts',
    'a live owner is a failure like others',
    BAD_STORES,
    "const exitCode = code === 'KEELSON_LOCKED' ? EXIT.locked : EXIT.failed;",
    'const exitCode = EXIT.failed;',
  ),
  mutantIn(
    'src/cli/command-errors.ts',
    'the code of the system stands in a line twice',
    LOAD,
    'const what = whatHappened(error).replace(',
    'const what = whatHappened(error).padEnd(0, ',
  ),
  mutantIn(
    'src/cli/load/loading.ts',
    'the copy of a dump draws the ids of its entries again',
    LOAD,
    'store.drawUpTo(source.highestId ?? 0);',
    '',
  ),
  mutantIn(
    'src/cli/commands/get.ts',
    'a key that is asked for in the wrong place gets no hint',
    COMMANDS,
    'store.hintAtNamespaces(namespace);',
    '',
  ),
  mutantIn(
    'src/cli/text-files.ts',
    'a file that is no dump is to be made again',
    LOAD,
    "line === 1 ? OTHER_KINDS : 'Make the dump again'",
    "'Make the dump again'",
  ),
  mutantIn(
    'src/cli/command-errors.ts',
    'a backup without history is told to give a later --since',
    BAD_STORES,
    "command === 'backup' ? { ...NEXT_STEPS, ...BACKUP_STEPS } : NEXT_STEPS",
    'NEXT_STEPS',
  ),
  mutantIn(
    'src/cli/command-errors.ts',
    'verify is told to wait',
    BAD_STORES,
    'if (EXAMINING.includes(command)) return COPY_FIRST;',
    'if (EXAMINING.length === 0) return COPY_FIRST;',
  ),
  mutantIn(
    'src/cli/main.ts',
    'a pipe that closes is an error',
    PROCESSES,
    "if (error.code !== 'EPIPE') throw error;",
    "if (error.code !== 'ENOSPC') throw error;",
  ),
  mutantIn(
    'src/cli/shell/shell-store.ts',
    'the shell writes without being told',
    SHELL,
    'await agree();',
    'void agree;',
  ),
  mutantIn(
    'src/cli/shell/shell-store.ts',
    'each write opens the store',
    SHELL,
    'this.#writing ??= this.#openWriting();',
    'this.#writing = this.#openWriting();',
  ),
  mutantIn(
    'src/cli/shell/shell-store.ts',
    'the first batch names namespaces of the store that only reads',
    SHELL,
    '{ ...operation, namespace: writing.in(namespace.name) }',
    '{ ...operation, namespace }',
  ),
  mutantIn(
    'src/cli/shell/shell-store.ts',
    'what held db before the first write does not show it',
    SHELL,
    'await this.refresh();',
    'this.enter(this.#context);',
  ),
  mutantIn(
    'src/cli/shell/shell-code.ts',
    'a promise is not awaited',
    TERMINAL,
    'if (/^\\s*(?:async\\s+)?(?:function|class)\\b/.test(code)) return code;',
    "if (code !== '') return code;",
  ),
  mutantIn(
    'src/cli/shell/piped-shell.ts',
    'a statement that ends too early is run',
    SHELL,
    'if (!(error instanceof Recoverable)) throw',
    'if (error !== null) throw',
  ),
];
