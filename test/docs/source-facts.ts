// What docs/ARCHITECTURE.md tells of the sources, read from the sources: folders, their imports, and files.

import { importsOf, type Source, targetOf } from '../source-files.js';

/** The files of a layer that stand in one folder, or at the top of the layer. */
export interface Folder {
  /** `src/kv/entries`; of the files at the top of a layer `src/kv`, and of the leaves `src`. */
  readonly path: string;
  readonly files: readonly Source[];
  /** The folders that its files import, types included, without itself. */
  readonly imports: readonly string[];
}

/** The layers whose folders may import each other in one direction only. */
const LAYERS_WITH_FOLDERS = ['kv', 'journal'];

/** The folder that a source file belongs to. */
function folderOf(file: string): string {
  const [, layer, ...rest] = file.split('/') as [string, string, ...string[]];
  if (rest.length === 0) return 'src';
  const hasFolder = rest.length > 1 && LAYERS_WITH_FOLDERS.includes(layer);
  return hasFolder ? `src/${layer}/${rest[0]}` : `src/${layer}`;
}

/** All folders, each behind those that it imports. */
export function foldersOf(sources: readonly Source[]): Folder[] {
  const byPath = groupedBy(sources, ({ path }) => folderOf(path));
  const folders = [...byPath].map(([path, files]) => ({ path, files, imports: folderImports(path, files) }));
  return inOrderOfImports(folders);
}

/** Map.groupBy(), which Node.js 20 lacks. */
export function groupedBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

function folderImports(path: string, files: readonly Source[]): string[] {
  const targets = files.flatMap((file) => importsOf(file).map((specifier) => targetOf(file.path, specifier)));
  const imported = new Set(targets.flatMap((target) => (target === null ? [] : [folderOf(target)])));
  imported.delete(path);
  return [...imported].sort();
}

function inOrderOfImports(folders: readonly Folder[]): Folder[] {
  const ordered: Folder[] = [];
  const visit = (folder: Folder, way: readonly Folder[]): void => {
    if (ordered.includes(folder) || way.includes(folder)) return;
    for (const path of folder.imports) {
      const imported = folders.find((other) => other.path === path);
      // src/index.ts is a leaf by its place, and imports the store: the architecture test knows it as an entry point.
      if (imported !== undefined && folder.path !== 'src') visit(imported, [...way, folder]);
    }
    ordered.push(folder);
  };
  for (const folder of folders.toSorted((a, b) => (a.path < b.path ? -1 : 1))) visit(folder, []);
  return ordered;
}

/** The first sentence of the comment that a file starts with, and whether the comment calls the file pure. */
export function summaryOf({ path, text }: Source): { readonly sentence: string; readonly isPure: boolean } {
  const comment = /^(?:\/\/.*\n)+/.exec(text.replace(/^#!.*\n/, ''))?.[0];
  if (comment === undefined) throw new Error(`${path} does not start with a comment`);
  const lines = comment
    .trimEnd()
    .split('\n')
    .map((line) => line.slice(2).trim());
  return { sentence: firstSentence(lines.join(' ')), isPure: /\bpure\b/i.test(lines.join(' ')) };
}

function firstSentence(text: string): string {
  return text.split(/[.!?](?:\s|$)/)[0]!.trim();
}
