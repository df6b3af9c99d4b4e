// Mutants of the engines: what a completed write means, and what becomes of one that failed, was short or interrupted.

import type { Mutant } from './mutants.js';

const FS_LOG_FILE = 'test/storage/fs-log-file.test.ts';
const IO_URING = 'test/storage/io-uring-storage.test.ts';
const PERMISSIONS = 'test/kv/permissions.test.ts';
const TRANSFER = 'test/storage/transfer.test.ts';

export const storageMutants: readonly Mutant[] = [
  {
    name: 'node:fs: a durable write is not flushed',
    edits: [
      {
        file: 'src/storage/fs-log-file.ts',
        find: 'if (error === null) this.#startFlush(submission);',
        replace: 'if (error === null) this.#callReturned(submission, null);',
      },
    ],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: a blocking durable write is not flushed',
    edits: [
      {
        file: 'src/storage/fs-log-file.ts',
        find: `      throw error;
    }
    this.#flushBlocking();`,
        replace: `      throw error;
    }`,
      },
    ],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: a failed flush of a durable write is forgotten',
    edits: [{ file: 'src/storage/fs-log-file.ts', find: 'this.failure ??= error;', replace: '' }],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: a failed flush of a plain file is forgotten',
    edits: [{ file: 'src/storage/fs-file.ts', find: 'this.failure ??= error as KeelsonError;', replace: '' }],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: a failed flush is tried again',
    edits: [
      {
        file: 'src/storage/fs-log-file.ts',
        find: `fs.fdatasync(this.fd, (error) => {
      if (submission.settled)`,
        replace: `const flush = (done: (error: NodeJS.ErrnoException | null) => void) =>
      fs.fdatasync(this.fd, (failed) => (failed ? fs.fdatasync(this.fd, done) : done(null)));
    flush((error) => {
      if (submission.settled)`,
      },
    ],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: a blocking flush asks the descriptor that a pool call may have asked already',
    edits: [
      {
        file: 'src/storage/fs-log-file.ts',
        find: 'fs.fdatasyncSync(this.#blockingFd)',
        replace: 'fs.fdatasyncSync(this.fd)',
      },
    ],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: the memory of a write that the pool has not reported back is called free',
    edits: [
      {
        file: 'src/storage/fs-log-file.ts',
        find: 'submission.done(this.failure, submission.memoryIsFree);',
        replace: 'submission.done(this.failure, true);',
      },
    ],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'node:fs: the flush of a directory flushes nothing',
    edits: [
      {
        file: 'src/storage/fs-storage.ts',
        find: "const DIRECTORIES_CAN_BE_FLUSHED = process.platform !== 'win32';",
        replace: 'const DIRECTORIES_CAN_BE_FLUSHED = false;',
      },
    ],
    tests: ['test/storage/fs-storage.test.ts'],
  },
  {
    name: 'node:fs: a file is closed while calls on it are under way',
    edits: [
      {
        file: 'src/storage/fs-file.ts',
        find: 'if (this.underWayCount > 0) {',
        replace: 'if (this.underWayCount < 0) {',
      },
    ],
    tests: [FS_LOG_FILE],
  },
  {
    name: 'a short write is not continued',
    edits: [
      {
        file: 'src/storage/transfer.ts',
        find: 'this.ended = this.movedBytes === this.#totalBytes;',
        replace: 'this.ended = true;',
      },
    ],
    tests: [TRANSFER],
  },
  {
    name: 'an interrupted call is a failure',
    edits: [
      {
        file: 'src/storage/transfer.ts',
        find: "= ['EINTR', 'EAGAIN'];",
        replace: "= ['EAGAIN'];",
      },
    ],
    tests: [TRANSFER],
  },
  {
    name: 'an interrupted call is repeated more often than the limit says',
    edits: [
      {
        file: 'src/storage/transfer.ts',
        find: 'if (this.#fruitlessCount > TRANSFER_RETRY_COUNT_MAX) throw error;',
        replace: 'if (this.#fruitlessCount > 2 * TRANSFER_RETRY_COUNT_MAX) throw error;',
      },
    ],
    tests: [TRANSFER],
  },
  {
    name: 'a quota that is used up is an error that nobody knows',
    edits: [
      {
        file: 'src/storage/storage-errors.ts',
        find: "cause?.errno === -os.constants.errno.EDQUOT ? 'EDQUOT' : (cause?.code ?? 'UNKNOWN')",
        replace: "(void os.constants.errno.EDQUOT, cause?.code ?? 'UNKNOWN')",
      },
    ],
    tests: ['test/storage/storage-errors.test.ts'],
  },
  {
    name: 'io_uring: a write that the kernel refused counts as completed',
    edits: [
      {
        file: 'src/storage/io-uring-log-file.ts',
        find: "const error = result < 0 ? storageError(errnoError(result, 'write'), 'write', path) : null;",
        replace: 'void result;\n      const error = null;',
      },
    ],
    tests: [IO_URING],
  },
  {
    name: 'io_uring: a write counts as completed when the kernel has taken it',
    edits: [
      {
        file: 'src/storage/io-uring-log-file.ts',
        find: 'this.#finish(done, error, true);',
        replace: 'void error;',
      },
      {
        file: 'src/storage/io-uring-log-file.ts',
        find: 'if (slot >= 0) this.#slot = slot;',
        replace: 'if (slot >= 0) queueMicrotask(() => this.#finish(done, null, true));',
      },
    ],
    tests: [IO_URING],
  },
  {
    name: 'io_uring: a file is closed while its write is in flight',
    edits: [
      {
        file: 'src/storage/io-uring-log-file.ts',
        find: `    if (this.#isUnderWay) {
      await new Promise`,
        replace: `    if (this.#isUnderWay && this.#slot === null) {
      await new Promise`,
      },
    ],
    tests: [IO_URING],
  },
  {
    name: 'the umask decides who may use a file that is made',
    edits: [
      {
        file: 'src/storage/permissions.ts',
        find: 'fs.fchmod(fd, modeFor(access, hasGroup), () => done());',
        replace: 'done();',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'the umask decides who may use a file that is made while somebody blocks',
    edits: [
      {
        file: 'src/storage/permissions.ts',
        find: 'isDone(() => fs.fchmodSync(fd, modeFor(access, hasGroup)));',
        replace: '',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'a file in a sticky directory is written by everybody',
    edits: [
      {
        file: 'src/storage/permissions.ts',
        find: 'const isShared = (directoryMode & STICKY) === 0;\n  const mode',
        replace: 'const isShared = directoryMode >= 0;\n  const mode',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'a backup has the mode that the umask says',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: '{ create: true, permissions }',
        replace: '{ create: true }',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'a backup into a wider directory is as wide',
    edits: [
      {
        file: 'src/kv/copy/new-store.ts',
        find: 'storage.holdDirectory(directory, permissions)',
        replace: 'storage.holdDirectory(directory)',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'the umask decides who can ask whether an owner lives',
    edits: [
      {
        file: 'src/storage/liveness-socket.ts',
        find: 'giveSocketAccess(bound, access);',
        replace: '',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'what root makes in a store is root’s',
    edits: [
      {
        file: 'src/storage/permissions.ts',
        find: 'uid: ownUid === 0 && uid !== -1 ? uid : ownUid',
        replace: 'uid: ownUid',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'the mode of a socket is given to what a link there leads to',
    edits: [
      { file: 'src/storage/permissions.ts', find: 'if (!fs.fstatSync(fd).isSocket()) return;', replace: '' },
      { file: 'src/storage/permissions.ts', find: 'O_PATH | fs.constants.O_NOFOLLOW', replace: 'O_PATH' },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'a copy of a sticky directory is written by everybody',
    edits: [
      {
        file: 'src/storage/permissions.ts',
        find: 'const isShared = (directoryMode & STICKY) === 0;\n  return',
        replace: 'const isShared = directoryMode >= 0;\n  return',
      },
    ],
    tests: [PERMISSIONS],
  },
  {
    name: 'a backup of a directory that nobody may write cannot be made',
    edits: [{ file: 'src/kv/copy/new-store.ts', find: 'permissions | PRIVATE', replace: 'permissions' }],
    tests: [PERMISSIONS],
  },
  {
    name: 'only an addon that a checkout has built is looked for',
    edits: [
      {
        file: 'src/storage/native-addon.ts',
        find: "if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;",
        replace: 'if (error !== null) throw error;',
      },
    ],
    tests: ['test/native/fallback.test.ts'],
    filter: 'where the package has no addon',
  },
  {
    name: 'a program that cannot be read is one for musl',
    edits: [
      {
        file: 'src/storage/native-addon.ts',
        find: "    // Node's permission model may forbid it.\n    return false;",
        replace: "    // Node's permission model may forbid it.\n    return true;",
      },
    ],
    tests: ['test/native/prebuilds.test.ts'],
    filter: 'for musl',
  },
];
