// Mutants of the lock: who is taken for dead, what an owner looks at before it touches a name, and what goes through the
// directory that is held.

import type { Mutant } from './mutants.js';

const DIRECTORY_LOCK = 'test/journal/directory-lock.test.ts';
const LOCK_CRASHES = 'test/simulation/lock-crashes.test.ts';
const LIFE = 'test/journal/lock-life.test.ts';
const MOVED = 'test/processes/moved-directories.test.ts';
const HELD_ALONE = 'test/storage/held-directory.test.ts';
const HELD = 'test/storage/fs-storage.test.ts';
const PROCESSES = 'test/processes/lock.test.ts';

export const lockMutants: readonly Mutant[] = [
  {
    name: 'the directory has no lock',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: `  const held = await storage.holdDirectory(directory);
  try {
    const flock = await lockExclusively(held);`,
        replace: `  const held = await storage.holdDirectory(directory);
  try {
    const nobody = async () => null;
    const files = { file: await storage.openFile('/dev/null', true), identity: null };
    void [lockExclusively, judgeOwner, tryLock, removeLeftovers, nobody];
    const flock = true;
    if (flock) return Object.assign(new OwnedLock(held, 1, files, null, ''), { storage: held.storage });`,
      },
    ],
    tests: [DIRECTORY_LOCK],
  },
  {
    name: 'labels count although the owner had a socket or a lock',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: 'if (owner.live === null && !owner.flock) {',
        replace: '{',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner that only the labels tell of counts as dead when they cannot tell',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: `if (labelled === 'dead') return;`,
        replace: `if (labelled !== 'live') return;`,
      },
    ],
    tests: [DIRECTORY_LOCK],
  },
  {
    name: 'an owner whose socket cannot be asked counts as dead',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: `if (liveness === 'dead') return;`,
        replace: `if (liveness !== 'live') return;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner that had no flock counts as dead because nobody has one',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: 'if (owner.flock && isUnlocked) return;',
        replace: 'if (isUnlocked) return;',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'the flock of the directory proves nothing',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: 'if (owner.flock && isUnlocked) return;',
        replace: '',
      },
    ],
    tests: ['test/native/lock.test.ts'],
  },
  {
    name: 'a socket that no lock names is passed over',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: 'if (await outlast(held, strangers)) return',
        replace: 'if (strangers.length < 0 && (await outlast(held, strangers))) return',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'a contender in passing counts as an owner',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: 'const STRANGER_PROBES_MAX = 20;',
        replace: 'const STRANGER_PROBES_MAX = 1;',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'whoever only looks at the lock keeps others from it',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'const FLOCK_TRIES_MAX = 100;',
        replace: 'const FLOCK_TRIES_MAX = 1;',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'whoever has made a lock does not look again for a higher one',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (highestLock(names) !== this.number) return false;',
        replace: '',
      },
    ],
    tests: [DIRECTORY_LOCK],
  },
  {
    name: 'whoever has made a lock does not look whether its socket is still there',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (identity === null || identity !== liveIdentity) return false;',
        replace: '',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'all older locks are cleared away, and none is left for a late racer to find',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: '(old > 0 && old < number - OLDER_LOCKS_KEPT) ||',
        replace: '(old > 0 && old !== number) ||',
      },
    ],
    tests: [DIRECTORY_LOCK],
  },
  {
    name: 'sockets are cleared away unasked',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: `(isSocket(name) && name !== live && (await held.probe(name)) === 'dead');`,
        replace: 'isSocket(name);',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'sockets of the dead are never cleared away',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: `(isSocket(name) && name !== live && (await held.probe(name)) === 'dead');`,
        replace: `(isSocket(name) && name === live && (await held.probe(name)) === 'dead');`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'the name of the only proof is not durable before the lock names it',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (announcement !== null) await storage.flushDirectory(directory);',
        replace: '',
      },
    ],
    tests: [LOCK_CRASHES],
  },
  {
    name: 'the name of the only proof is not durable where the owner has another proof',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (announcement !== null) await storage.flushDirectory(directory);',
        replace: 'if (announcement !== null && !flock) await storage.flushDirectory(directory);',
      },
    ],
    tests: [LOCK_CRASHES],
  },
  {
    name: 'sockets of the dead go before the lock of the next owner is durable',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (names.some((name) => isSocket(name) && name !== this.live)) await storage.flushDirectory(directory);',
        replace: '',
      },
    ],
    tests: [LOCK_CRASHES],
  },
  {
    name: 'a socket goes before its lock says durably that it is free',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'await this.#file.flush();',
        replace: '',
      },
    ],
    tests: [LOCK_CRASHES],
  },
  {
    name: 'a lock gets its name before its contents are durable',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'await file.flush();',
        replace: '',
      },
    ],
    tests: [LOCK_CRASHES],
  },
  {
    name: 'a socket goes although its lock could not be marked',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'await this.#announcement?.close(true);',
        replace: '',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look whether its lock file is there',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (identity === null) return `its lock',
        replace: 'if (identity !== null && identity === null) return `its lock',
      },
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (identity !== this.#identity) return',
        replace: 'if (identity !== null && identity !== this.#identity) return',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look whether its lock file is its own',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (identity !== this.#identity) return',
        replace: 'if (identity === null && identity !== this.#identity) return',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'an owner does not look for a newer lock',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'return storage.identityOf(this.#nextPath) === null ? null :',
        replace: 'return storage.identityOf(this.#nextPath) !== undefined ? null :',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'a lock that was lost comes back',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: `if (this.#lost !== null) throw this.#lost;
    const why = this.#whyLost();`,
        replace: 'const why = this.#whyLost();',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'the journal is not told that the lock is lost',
    edits: [
      {
        file: 'src/journal/journal.ts',
        find: 'lock.onLost((error) => this.#pipeline.poison(error));',
        replace: '',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'a lock that was lost takes the name of another owner away',
    edits: [
      {
        file: 'src/journal/directory/directory-lock.ts',
        find: 'if (storage.identityOf(this.#path) === this.#identity) await storage.remove(this.#path);',
        replace: 'await storage.remove(this.#path);',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls rename',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
        replace: `const NAME_OPERATIONS = ['makeDirectory', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls link',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
        replace: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'remove', 'createFile', 'createLogFile'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls remove',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
        replace: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'createFile', 'createLogFile'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls createFile',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
        replace: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createLogFile'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls createLogFile',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
        replace: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls makeDirectory',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
        replace: `const NAME_OPERATIONS = ['rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls renameSync',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'removeSync', 'createLogFileSync'] as const;`,
        replace: `const BLOCKING_NAME_OPERATIONS = ['linkSync', 'removeSync', 'createLogFileSync'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls linkSync',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'removeSync', 'createLogFileSync'] as const;`,
        replace: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'removeSync', 'createLogFileSync'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls removeSync',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'removeSync', 'createLogFileSync'] as const;`,
        replace: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'createLogFileSync'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an owner does not look before it calls createLogFileSync',
    edits: [
      {
        file: 'src/journal/directory/owned-names.ts',
        find: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'removeSync', 'createLogFileSync'] as const;`,
        replace: `const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'removeSync'] as const;`,
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'a journal is opened on the path, not in the directory that is locked',
    edits: [
      {
        file: 'src/journal/open-journal.ts',
        find: `  const { storage } = lock;
`,
        replace: `  const storage = Object.assign(Object.create(lock.storage), pathStorage()) as Storage;
`,
      },
      {
        file: 'src/journal/open-journal.ts',
        find: 'export interface ReadOnlyJournal {',
        replace: `const pathStorage = () => openStorage('fs');

export interface ReadOnlyJournal {`,
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'a segment replaces what has its name',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: 'replaces: false',
        replace: 'replaces: true',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'a segment whose name is taken poisons nobody',
    edits: [
      {
        file: 'src/journal/segments/segment-files.ts',
        find: "throw isKeelsonError(error, 'KEELSON_EXISTS') ? nameTaken(path, error) : error;",
        replace: 'void nameTaken;\n    throw error;',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'a segment whose temporary name stays is used all the same',
    edits: [
      {
        file: 'src/storage/publish-file.ts',
        find: `    yield* discard(storage, to);
    throw error;
`,
        replace: '',
      },
    ],
    tests: ['test/journal/journal-failures.test.ts'],
  },
  {
    name: 'a name in a held directory is looked up by its path',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: 'if (this.#through !== null) return this.#through + shown.slice(this.path.length);',
        replace: 'if (this.#through !== null) return shown;',
      },
    ],
    tests: [HELD],
  },
  {
    name: 'a log file of the io_uring engine is opened by its path',
    edits: [
      {
        file: 'src/storage/io-uring-storage.ts',
        find: 'addon.openFile(locate(file.path))',
        replace: 'addon.openFile(file.path.slice(locate.length * 0))',
      },
    ],
    tests: ['test/storage/io-uring-storage.test.ts'],
  },
  {
    name: 'without /proc the directory is not compared',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: 'if (identityAt(this.path, this.path) === this.#identity) return shown;',
        replace: 'return shown;',
      },
    ],
    tests: [HELD_ALONE],
  },
  {
    name: 'a directory is locked shared',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: 'this.#flock(FLOCK.exclusive)',
        replace: 'this.#flock(FLOCK.shared)',
      },
    ],
    tests: [HELD],
  },
  {
    name: 'whoever looks at the lock locks others who look out',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: 'const result = this.#flock(FLOCK.shared);',
        replace: 'const result = this.#flock(FLOCK.exclusive);',
      },
      {
        file: 'src/storage/held-directory.ts',
        find: `if (result === 'free') this.#flock(FLOCK.unlock);`,
        replace: '',
      },
    ],
    tests: [HELD],
  },
  {
    name: 'whoever has looked at the lock keeps it',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: `if (result === 'free') this.#flock(FLOCK.unlock);`,
        replace: '',
      },
    ],
    tests: [HELD],
  },
  {
    name: 'the primary of a cluster listens for its workers',
    edits: [
      {
        file: 'src/storage/liveness-socket.ts',
        find: 'exclusive: true',
        replace: 'exclusive: false',
      },
    ],
    tests: [PROCESSES],
    filter: 'cluster',
  },
  {
    name: 'the socket keeps the process alive',
    edits: [
      {
        file: 'src/storage/liveness-socket.ts',
        find: `  server.unref();
`,
        replace: '',
      },
    ],
    tests: [PROCESSES],
    filter: 'exits',
  },
  {
    name: 'an error other than a refused connection proves death',
    edits: [
      {
        file: 'src/storage/liveness-socket.ts',
        find: `code === 'ECONNREFUSED' ? 'dead' : 'unknown'`,
        replace: `code === 'ECONNREFUSED' || code === 'ENOENT' ? 'dead' : 'unknown'`,
      },
    ],
    tests: [HELD],
  },
  {
    name: 'a backup does not look whether it is where it was asked for',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: `    assertThere();
`,
        replace: '',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'a backup is written by its path',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: 'return await writeInto(held, plan,',
        replace: 'return await writeInto({ ...held, storage } as HeldDirectory, plan,',
      },
    ],
    tests: [MOVED],
  },
  {
    name: 'an open does not wait for the lock',
    edits: [
      {
        file: 'src/journal/open-journal.ts',
        find: 'lockDirectory(storage, directory, options.waitForLockMs)',
        replace: 'lockDirectory(storage, directory)',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'an open of a store does not wait for the lock',
    edits: [
      {
        file: 'src/kv/open-store.ts',
        find: 'lockDirectory(storage, directory, waitForLockMs)',
        replace: 'lockDirectory(storage, directory)',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'a second open in this process is not told so',
    edits: [
      {
        file: 'src/journal/directory/lock-judgement.ts',
        find: 'if (isThisProcess(storage, owner)) {',
        replace: 'if (storage === null) {',
      },
    ],
    tests: [LIFE],
  },
  {
    name: 'a socket whose path is too long is made all the same',
    edits: [
      {
        file: 'src/storage/liveness-socket.ts',
        find: "const PATH_BYTES_MAX = process.platform === 'darwin' ? 103 : 107;",
        replace: 'const PATH_BYTES_MAX = 4096;',
      },
    ],
    tests: [HELD_ALONE],
  },
  {
    name: 'a held directory that was closed goes on to be used by its number',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: 'if (this.#closing !== null) {',
        replace: 'if (this.#closing === undefined) {',
      },
    ],
    tests: [HELD_ALONE],
  },
  {
    name: 'a held directory is closed while a name in it is looked up',
    edits: [
      {
        file: 'src/storage/held-directory.ts',
        find: 'if (this.#underWayCount > 0) {',
        replace: 'if (this.#underWayCount < 0) {',
      },
    ],
    tests: [HELD_ALONE],
  },
];
