// The doors of the package in examples: programs import them by name, and tests run and check the sources behind them, so that a
// stale build can neither hide nor cause a failure.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './markdown.js';

/** The doors of the package, as its users name them, and the sources they are built from. */
export const DOORS: Readonly<Record<string, string>> = {
  keelson: path.join(ROOT, 'src/index.ts'),
  'keelson/journal': path.join(ROOT, 'src/journal/index.ts'),
  'keelson/keyv': path.join(ROOT, 'src/keyv/index.ts'),
  'keelson/langgraph': path.join(ROOT, 'src/langgraph/index.ts'),
  'keelson/level': path.join(ROOT, 'src/level/index.ts'),
  'keelson/replica': path.join(ROOT, 'src/replica/index.ts'),
  'keelson/session': path.join(ROOT, 'src/session/index.ts'),
  'keelson/testing': path.join(ROOT, 'src/testing/index.ts'),
  'keelson/unstorage': path.join(ROOT, 'src/unstorage/index.ts'),
  // No door: tests of docstrings open stores of their own on a storage.
  'keelson/testing/in-memory': path.join(ROOT, 'src/testing/in-memory.ts'),
};

/** The text of an example that imports the sources. */
export function withSources(text: string): string {
  return text.replace(/ from '(keelson[^']*)'/g, (_, door: string) => ` from '${DOORS[door] ?? door}'`);
}

/** Returns what the compiler says about the files of a folder, under the strict settings of the project. */
export async function typeErrors(folder: string, compilerOptions: object = {}): Promise<string> {
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  const config = {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
      paths: Object.fromEntries(Object.entries(DOORS).map(([door, file]) => [door, [file]])),
      ...compilerOptions,
    },
    include: ['*.ts'],
  };
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
  const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  return promisify(execFile)(process.execPath, [compiler, '--project', folder]).then(
    ({ stdout }) => stdout,
    ({ stdout, message }) => stdout || message,
  );
}
