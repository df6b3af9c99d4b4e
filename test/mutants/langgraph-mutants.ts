// Mutants of the checkpoint saver for LangGraph.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const SAVER = 'src/langgraph/keelson-saver.ts';
const STORED = 'src/langgraph/stored.ts';

const TESTS = ['test/langgraph/saver.test.ts'];

const inOneFile = singleMutantsOf('langgraph');
const mutantIn = (file: string, name: string, find: string, replace: string): Mutant =>
  inOneFile(file, name, TESTS, find, replace);

export const langgraphMutants: readonly Mutant[] = [
  mutantIn(
    STORED,
    'a checkpoint takes a value of its parent whose version is another',
    'else if (ofParent?.[1] === version)',
    'else if (ofParent !== undefined)',
  ),
  mutantIn(
    STORED,
    'a copy of a first checkpoint has no values',
    'parentId !== null || reads.values.count({ prefix: [threadId, namespace, channel, version] }) > 0',
    'parentId !== null',
  ),
  mutantIn(
    STORED,
    'a copy has no values that its parent lacks',
    'parentId !== null || reads.values.count(',
    'reads.values.count(',
  ),
  mutantIn(
    STORED,
    'a walk over ancestors goes round in a circle once',
    'seen.add(parentId);',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: code in a string
    'seen.add(`${seen.size}`);',
  ),
  mutantIn(
    STORED,
    'the history of a channel goes on behind its value',
    'if (open.delete(place[0])) histories',
    'if (open.has(place[0])) histories',
  ),
  mutantIn(
    STORED,
    'writes are in the order of their keys',
    'found.push([writesSortKey(taskPath, taskId, index)',
    "found.push([writesSortKey('', taskId, index)",
  ),
  mutantIn(
    STORED,
    'a list over threads is in the order of threads',
    '(one < other ? 1 : one > other ? -1 : 0)',
    '(one === other ? 0 : 0)',
  ),
  mutantIn(
    SAVER,
    'a channel with the name of a property has no index',
    'Object.hasOwn(WRITES_IDX_MAP, channel) ? WRITES_IDX_MAP[channel]! : at',
    'WRITES_IDX_MAP[channel] ?? at',
  ),
  mutantIn(
    SAVER,
    'a write of a task replaces the one before',
    'if (index >= 0 && tables.writes.has(writeKey)) continue;',
    '',
  ),
  mutantIn(
    SAVER,
    'an error of a task stays as it was',
    'if (index >= 0 && tables.writes.has(writeKey)) continue;',
    'if (tables.writes.has(writeKey)) continue;',
  ),
  mutantIn(
    SAVER,
    'a write resolves before it is durable',
    'await tables.writes.batch(operations);',
    "await tables.writes.batch(operations, { durability: 'memory' });",
  ),
  mutantIn(
    SAVER,
    'writes that are there already are not awaited',
    'await tables.writes.batch(operations);',
    'if (operations.length > 0) await tables.writes.batch(operations);',
  ),
  mutantIn(
    SAVER,
    'a list shows what was written since',
    'const reads = tablesIn(snapshot, tablesOf(store, this.#namespace));',
    'const reads = tablesOf(store, this.#namespace); void tablesIn;',
  ),
  mutantIn(
    SAVER,
    'a list is limited before it is filtered',
    '        if (!hasAll(metadata, filter)) continue;\n        count++;\n',
    '        count++;\n        if (!hasAll(metadata, filter)) continue;\n',
  ),
  mutantIn(
    SAVER,
    'a nested filter matches nothing',
    'isDeepStrictEqual(found[name], value)',
    '(isDeepStrictEqual(0, 0) && found[name] === value)',
  ),
  mutantIn(
    SAVER,
    'a thread leaves its values behind',
    "      { type: 'clear', namespace: values, prefix },\n",
    '',
  ),
  mutantIn(
    SAVER,
    'values without a version are lost',
    'Object.hasOwn(newVersions, channel) || versionOf(checkpoint, channel) === null',
    'Object.hasOwn(newVersions, channel)',
  ),
  mutantIn(
    SAVER,
    'a namespace is taken for a store',
    'if (this.#source.opened !== null && !hasNamespaces(store)) throw',
    'if (this.#source.opened !== null && !hasNamespaces(store) && false) throw',
  ),
];
