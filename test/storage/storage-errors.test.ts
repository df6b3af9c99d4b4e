// From errors of the operating system to ours.

import os from 'node:os';
import { expect, test } from 'vitest';
import { storageError } from '../../src/storage/storage-errors.js';

// A quota on btrfs: the simulated disk had said EDQUOT, and Node never does, for libuv has no name for it. What should have
// been KEELSON_NO_SPACE was an I/O error of an unknown kind.
test.each(['UNKNOWN', 'Unknown system error -122'])(
  'a quota that is used up is no room, also as %s',
  (code) => {
    const cause = Object.assign(new Error(code), { code, errno: -os.constants.errno.EDQUOT });
    expect(storageError(cause, 'write', '/file')).toMatchObject({
      code: 'KEELSON_NO_SPACE',
      facts: { errno: 'EDQUOT', syscall: 'write', path: '/file' },
      cause,
    });
  },
);

test('an errno that nobody knows is an I/O error under the name that Node gives it', () => {
  const cause = Object.assign(new Error(), { code: 'Unknown system error -4000', errno: -4000 });
  expect(storageError(cause, 'read', '/file')).toMatchObject({
    code: 'KEELSON_IO',
    facts: { errno: cause.code },
  });
  expect(storageError(null, 'read', '/file')).toMatchObject({
    code: 'KEELSON_IO',
    facts: { errno: 'UNKNOWN' },
  });
});
