// The production code that random mutants are drawn of.

import fs from 'node:fs';
import path from 'node:path';

const MUTATED = /^src\/(journal|kv|storage)\/.*\.ts$/;

export interface Source {
  /** From the root of the project, with '/'. */
  readonly file: string;
  readonly text: string;
}

export function readSources(): Source[] {
  return filesBelow('src', MUTATED).map((file) => ({ file, text: fs.readFileSync(file, 'utf8') }));
}

/** Every file below a folder whose name passes, from the root of the project, with '/'. */
export function filesBelow(folder: string, pattern: RegExp): string[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.split(path.sep).join('/')}`)
    .filter((file) => pattern.test(file))
    .toSorted();
}
