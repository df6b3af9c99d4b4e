// What a store keeps of its caller's strings, in a process of its own whose garbage can be collected: on what is in dist/.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';

// Field report: 60 keys of 40 characters that had been cut out of larger strings held 230 MiB.
test('nothing that a store keeps holds the string that it was a part of', () => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-kept-'));
  try {
    const script = path.join(import.meta.dirname, 'kept-strings.js');
    const printed = execFileSync(process.execPath, ['--expose-gc', script, path.join(base, 'store')], {
      encoding: 'utf8',
    });
    const { 'held by the program': control, ...held } = JSON.parse(printed) as Record<string, number>;
    // Twenty parts of 4 MB each: if the program that holds them held less, nothing would be measured here.
    expect(control).toBeGreaterThan(60);
    expect(Object.keys(held)).toHaveLength(17);
    expect(Object.entries(held).filter(([, mib]) => mib > 8)).toEqual([]);
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
});
