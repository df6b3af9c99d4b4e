// The files of the page, read once: a request can name these and no other file.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const NAMES = ['index.html', 'page.css', 'page.js', 'icon.svg', 'uplot.js', 'uplot.css'];

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Reads the files that the build has put into the package, by the paths of requests. */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  // A bundle moves this code, and not the files.
  const root = dirname(createRequire(import.meta.url).resolve('keelson/package.json'));
  const files = NAMES.map((name): [string, PageFile] => [
    name === 'index.html' ? '' : name,
    { type: TYPES[extname(name)]!, bytes: readFileSync(join(root, 'dist/cli/inspect/page', name)) },
  ]);
  return new Map(files);
}
