// The names that examples of docstrings use and do not declare, each with the code that makes them. The code of a name may use
// other names. A key that is no identifier stands for text in the example, and its code comes first.

/** Names of values and types. */
export const SCOPE: Readonly<Record<string, string>> = {
  // Types of the program.
  User: 'interface User { name?: string; logins?: number; email?: string; age?: number }',
  Person: 'interface Person { name: string; age: number; email: string; tags: string[] }',
  Job: 'interface Job { title: string }',
  Login: 'interface Login { from: string }',
  Orders: `class Orders {
    readonly #db: Store<string, unknown>;
    constructor(db: Store<string, unknown>) { this.#db = db; }
    async place(id: string) { await this.#db.put(id, true); }
    has(id: string) { return this.#db.has(id); }
  }`,

  // Stores, in memory: nothing of them waits for a disk, and the test closes them.
  memory: 'const memory = inMemory();',
  db: `const db: Store<string, any> = closeAtEnd(await memory.open<any>('/data'));
  await db.batch(['ann', 'config', 'score:00420:ada', 'room:7:1', 'orders'].map((key) => ({ type: 'put', key, value: 90 })));`,
  users: `const users = db.namespace('users', {
    valueEncoding: msgpack<User>(),
    indexes: (index) => ({ byEmail: index.unique((user) => user.email) }),
  });
  await users.put('ada', { name: 'Ada', logins: 1 });`,
  people: `const people = db.namespace('people', {
    valueEncoding: msgpack<Person>(),
    indexes: (index) => ({
      byEmail: index.unique((person) => person.email),
      byAge: index((person) => [person.age, person.name]),
      byTag: index.many((person) => person.tags),
    }),
  });
  await people.put('ada', { name: 'Ada', age: 36, email: 'ada@example.com', tags: ['admin'] });`,
  index: `let index!: IndexFactory<string, Person>;
  db.namespace('indexed', { valueEncoding: msgpack<Person>(), indexes: (factory) => { index = factory; return {}; } });`,
  options: 'const options = { valueEncoding: msgpack<User>() };',
  jobs: "const jobs = db.namespace<Job>('jobs');",
  job: "const job: Job = { title: 'sort' };",
  payments: "const payments = db.namespace('payments');",
  snapshot: 'const snapshot = db.snapshot();',
  state:
    "const { value: state } = await db.watchRange({ prefix: 'room:7:' }).next() as { value: RangeState<string, any> };",
  ann: "const ann = db.getEntry('ann')!;",
  transfer: "const transfer = (tx: Transaction<string, any>) => { tx.put('ann', 80); };",
  rows: "const rows: [string, number][] = [['apples', 3], ['pears', 4]];",
  lastSeen: 'const lastSeen = 0;',
  cursor: 'const cursor = { lsn: 0, id: db.id };',
  since: 'const since = 0;',
  search: 'const search = { apply: async (..._: unknown[]) => {} };',
  listener: 'const listener = () => {};',
  dates: 'const dates = dateEncoding;',
  dateEncoding: `const dateEncoding: CustomValueEncoding<Date> = {
    name: 'date',
    encode: (date) => Buffer.from(date.toISOString()),
    decode: (bytes) => new Date(Buffer.from(bytes).toString()),
  };`,

  // What programs do with what they read.
  apply: 'const apply = (..._: unknown[]) => {};',
  show: 'const show = (..._: unknown[]) => {};',
  send: 'const send = (..._: unknown[]) => {};',
  defaults: 'const defaults = {};',
  error: "const error: unknown = new KeelsonError('KEELSON_NO_SPACE', 'The disk is full');",
  makeRoom: 'const makeRoom = async () => {};',
  flushes: 'const flushes = { observe: (_: number) => {} };',

  // Journals and replicas.
  journal:
    "const journal = closeAtEnd(await openJournal('./journal'));\n  await journal.commit(Uint8Array.of(1));",
  debit: 'const debit = Uint8Array.of(1);',
  credit: 'const credit = Uint8Array.of(2);',
  lines: 'const lines = [Uint8Array.of(1)];',
  lastApplied: 'const lastApplied = journal.startLsn;',
  owner: "const owner = closeAtEnd(await open<User>('./owner'));",
  port: 'const port = owner.replicate();',
  parentPort:
    "const parentPort = { once: (_: 'message', took: (given: ReplicaPort) => unknown) => took(port) };",
  replica: 'const replica = closeAtEnd(await openReplica<User>(port));',
  lsn: 'const lsn = replica.lsn;',
  worker:
    'const worker = { postMessage: (port: ReplicaPort, _: ReplicaPort[]) => (port as { close?(): void }).close?.() };',

  // Other packages.
  Keyv: "import { Keyv } from 'keyv';",
  createStorage: "import { createStorage } from 'unstorage';",
  express: "import express from 'express';",
  app: 'const app = express();',
  session: "import session from 'express-session';",
  secret: "const secret = 'secret';",
  subscribe: "import { subscribe } from 'node:diagnostics_channel';",
  assert: "import assert from 'node:assert/strict';",
  emptyCheckpoint: "import { emptyCheckpoint } from '@langchain/langgraph-checkpoint';",
  saver: 'const saver = new KeelsonSaver(db);',
  builder:
    'const builder = { compile: (_: { checkpointer: KeelsonSaver }) => ({ invoke: async (..._: unknown[]) => {} }) };',
  input: 'const input = {};',
  checkpoint: 'const checkpoint = emptyCheckpoint();',
  metadata: "const metadata = { source: 'input', step: -1, parents: {} } as const;",
  newVersions: 'const newVersions = {};',
  config: "const config = { configurable: { thread_id: 'ada', checkpoint_ns: '', checkpoint_id: '1' } };",
  message: "const message = 'hello';",
  taskId: "const taskId = 'task';",

  // Simulated disks.
  disk: "const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });",
  OwnStore: 'type OwnStore = Store<string, unknown>;',
  openOn: "import { openOn } from 'keelson/testing/in-memory';",
  openOwnStore:
    "const openOwnStore = (storage: Parameters<typeof openOn>[0]): Promise<OwnStore> => openOn(storage)('/data');",

  // Directories with a store.
  "verify('./data'": "await (await open('./data')).close();",
  'readOnly: true': "await (await open<number>('./data')).close();",
  './damaged': "await (await open('./damaged')).close();",
};

/** Other code for a name, in an example that has a text, or that stands in a file or folder. */
export const VARIANTS: readonly (readonly [text: string, name: string, code: string])[] = [
  ['level/', 'db', "const db = closeAtEnd(new KeelsonLevel<string, string>('./level'));\n  await db.open();"],
  ['db.replicate()', 'db', "const db = closeAtEnd(await open('./replicated'));"],
  [
    'openReplica(port, { keyEncoding',
    'owner',
    "const owner = closeAtEnd(await open('./owner', { keyEncoding: 'tuple' }));",
  ],
  [
    'openReplica<Date>',
    'owner',
    "const owner = closeAtEnd(await open('./owner', { valueEncoding: dates }));",
  ],
  [
    'disk.damage(',
    'disk',
    "const { disk, open: openIn } = inMemory();\n  await (await openIn('/data')).close();",
  ],
];
