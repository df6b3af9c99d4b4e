// What docs/ARCHITECTURE.md tells of the sources, read from the sources: folders and their imports, files, and limits.

import { importsOf, isNode, parse, type Source, type SyntaxNode, targetOf } from '../source-files.js';

/** The files of a layer that stand in one folder, or at the top of the layer. */
export interface Folder {
  /** `src/kv/entries`; of the files at the top of a layer `src/kv`, and of the leaves `src`. */
  readonly path: string;
  readonly files: readonly Source[];
  /** The folders that its files import, types included, without itself. */
  readonly imports: readonly string[];
}

/** A constant that bounds something. */
export interface Limit {
  readonly name: string;
  readonly file: string;
  /** As a reader wants it: `64 KiB`. */
  readonly value: string;
  /** The first sentence of its doc comment. */
  readonly meaning: string;
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

/** The limits in the sources: constants with a number and a doc comment whose names end in `_MAX` or `_MIN`. */
export function limitsOf(sources: readonly Source[]): Limit[] {
  const programs = sources.map((source) => ({ source, constants: constantsOf(source) }));
  const known = programs.flatMap(({ source, constants }) =>
    [...constants].map(([name, { init }]) => ({ name, file: source.path, init })),
  );
  return programs.flatMap(({ source, constants }) =>
    [...constants].flatMap(([name, { init, start }]) => {
      const meaning = /_(MAX|MIN)$/.test(name) ? docCommentBefore(source.text, start) : null;
      const value = meaning === null ? null : shownValue(name, init, source, known);
      return meaning === null || value === null ? [] : [{ name, file: source.path, value, meaning }];
    }),
  );
}

interface Constant {
  readonly init: SyntaxNode;
  /** Where its declaration starts in the source. */
  readonly start: number;
}

interface KnownConstant {
  readonly name: string;
  readonly file: string;
  readonly init: SyntaxNode;
}

function constantsOf(source: Source): Map<string, Constant> {
  const body = parse(source)['body'] as SyntaxNode[];
  const constants = new Map<string, Constant>();
  for (const statement of body) {
    const declaration = isNode(statement['declaration']) ? statement['declaration'] : statement;
    if (declaration.type !== 'VariableDeclaration') continue;
    for (const { id, init } of declaration['declarations'] as SyntaxNode[]) {
      const name = isNode(id) ? (id['name'] as string | undefined) : undefined;
      const isConstant = name !== undefined && /^[A-Z][A-Z0-9_]*$/.test(name) && isNode(init);
      if (isConstant) constants.set(name, { init, start: statement['start'] as number });
    }
  }
  return constants;
}

/** The first sentence of the doc comment right before a place; null when there is none. */
function docCommentBefore(text: string, at: number): string | null {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(text.slice(0, at))?.[1];
  if (comment === undefined) return null;
  return firstSentence(comment.replace(/\n\s*\* ?/g, ' ').trim());
}

function firstSentence(text: string): string {
  return text.split(/[.!?](?:\s|$)/)[0]!.trim();
}

function shownValue(
  name: string,
  init: SyntaxNode,
  { path, text }: Source,
  known: readonly KnownConstant[],
): string | null {
  const code = text.slice(init['start'] as number, init['end'] as number);
  if (init.type === 'ConditionalExpression') return `\`${code}\``;
  const value = evaluated(init, path, known);
  if (value === null) return null;
  if (!Number.isInteger(value)) return code.replace(/\s/g, '');
  return name.includes('_BYTES') ? shownBytes(value) : shownNumber(value);
}

function shownBytes(value: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let count = value;
  for (; count >= 1024 && count % 1024 === 0 && unit < units.length - 1; unit++) count /= 1024;
  return `${shownNumber(count)} ${units[unit]}`;
}

/** One less than a large power of two is shown as such. */
function shownNumber(value: number): string {
  const bits = Math.round(Math.log2(value));
  return bits >= 20 && 2 ** bits - 1 === value ? `2^${bits} − 1` : value.toLocaleString('en');
}

/** The value of an expression of numbers and constants; null for anything else. */
function evaluated(node: SyntaxNode, file: string, known: readonly KnownConstant[]): number | null {
  const value = (field: string): number | null => evaluated(node[field] as SyntaxNode, file, known);
  switch (node.type) {
    case 'Literal':
      return typeof node['value'] === 'number' ? node['value'] : null;
    case 'UnaryExpression': {
      const operand = value('argument');
      return node['operator'] === '-' && operand !== null ? -operand : null;
    }
    case 'BinaryExpression': {
      const [left, right] = [value('left'), value('right')];
      if (left === null || right === null) return null;
      return OPERATORS[node['operator'] as string]?.(left, right) ?? null;
    }
    case 'Identifier':
      return valueNamed(node['name'] as string, file, known);
    case 'MemberExpression':
      return (node['property'] as SyntaxNode)['name'] === 'MAX_SAFE_INTEGER' ? Number.MAX_SAFE_INTEGER : null;
    default:
      return null;
  }
}

const OPERATORS: Readonly<Record<string, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '**': (left, right) => left ** right,
};

/** Of the constants with one name, the one of the file itself comes first; an imported one is the only one of its name. */
function valueNamed(name: string, file: string, known: readonly KnownConstant[]): number | null {
  const named = known.filter((constant) => constant.name === name);
  const constant = named.find((one) => one.file === file) ?? (named.length === 1 ? named[0] : undefined);
  return constant === undefined ? null : evaluated(constant.init, constant.file, known);
}
