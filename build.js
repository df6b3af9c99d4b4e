// Builds dist/. Rolldown makes the JavaScript: few files, because every process that imports them pays for each. Comments
// are left out of it. The compiler makes the declarations, with the docstrings, and those that no door leads to are removed.
//
//     node build.js                 arguments are passed on to the compiler

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';
import { pruneDeclarations } from './prune-declarations.js';

const ROOT = import.meta.dirname;
const COMPILER = path.join(ROOT, 'node_modules/typescript/bin/tsc');

/** Files of src/ that tests and benchmarks import from dist/. `files` in package.json leaves them out of the package. */
const INTERNALS = [
  'kv/encoding/msgpack/plain-writer',
  'kv/encoding/scratch',
  'kv/encoding/shapes',
  'kv/store',
  'storage/index',
  'storage/native-addon',
];

/** A file here finds `native/` and the thread of images by relative paths: it must be two folders below the root. */
const CHUNKS = 'chunks';

const { bin, exports: doors } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
const doorNames = Object.values(doors).flatMap((door) => nameIn(door.default) ?? []);
const names = [...doorNames, nameIn(bin.keelson), ...INTERNALS];

fs.rmSync(path.join(ROOT, 'dist'), { recursive: true, force: true });
await bundle(names.map((name) => [name, name]));
// By itself, without the chunks: a bundle of somebody else that copies this one file has all of it.
await bundle([[`${CHUNKS}/keelson-image-thread`, 'kv/image/keelson-image-thread']]);
const parameters = ['--project', 'tsconfig.build.json', ...process.argv.slice(2)];
process.exitCode =
  spawnSync(process.execPath, [COMPILER, ...parameters], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
pruneDeclarations(
  path.join(ROOT, 'dist'),
  doorNames.map((name) => `${name}.d.ts`),
);
await writePage();

function nameIn(file) {
  return /^\.\/dist\/(.*)\.js$/.exec(file)?.[1];
}

/** Writes each entry, a file of src/, to dist/ under its name. */
async function bundle(entries) {
  const bundled = await rolldown({
    input: Object.fromEntries(entries.map(([name, source]) => [name, `src/${source}.ts`])),
    cwd: ROOT,
    platform: 'node',
    external: (id) => !/^[./]/.test(id),
    resolve: { extensionAlias: { '.js': ['.ts'] } },
    // sideEffects in package.json names the file of dist/.
    treeshake: { moduleSideEffects: (id) => id.endsWith('/src/node-version.ts') },
    onLog: (_, { message }) => {
      throw new Error(message);
    },
  });
  await bundled.write({
    dir: 'dist',
    format: 'esm',
    chunkFileNames: ({ name }) => (name === 'node-version' ? '[name].js' : `${CHUNKS}/[name].js`),
    comments: { legal: true, annotation: true, jsdoc: false },
    minify: false,
    minifyInternalExports: false,
    codeSplitting: {
      groups: [
        { name: 'node-version', test: /\/src\/node-version\.ts$/, priority: 1 },
        { name: 'journal', test: /\/src\/(journal\/|storage\/|[^/]*$)/, minShareCount: 2 },
        { name: 'store', test: /\/src\/kv\//, minShareCount: 2 },
      ],
    },
  });
  await bundled.close();
}

/** Writes the page of `keelson inspect`, and uPlot with its MIT licence, which draws the charts of the page. */
async function writePage() {
  const [from, to] = ['src', 'dist'].map((folder) => path.join(ROOT, folder, 'cli/inspect/page'));
  const bundled = await rolldown({ input: path.join(from, 'page.js'), cwd: ROOT });
  await bundled.write({ file: path.join(to, 'page.js'), format: 'esm', minify: true });
  await bundled.close();
  for (const name of ['index.html', 'page.css', 'icon.svg'])
    fs.copyFileSync(path.join(from, name), path.join(to, name));
  for (const [name, copy] of [
    ['dist/uPlot.iife.min.js', 'uplot.js'],
    ['dist/uPlot.min.css', 'uplot.css'],
    ['LICENSE', 'uplot.LICENSE'],
  ])
    fs.copyFileSync(path.join(ROOT, 'node_modules/uplot', name), path.join(to, copy));
}
