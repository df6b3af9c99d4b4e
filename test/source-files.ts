// The source files and their imports, read as syntax trees: for the tests of the architecture and of its page.

import fs from 'node:fs';
import path from 'node:path';
import { parseAst } from 'vitest/node';

const ROOT = path.resolve(import.meta.dirname, '..');

/** A source file: its path from the root of the project, with '/', and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

export interface SyntaxNode {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Every TypeScript file in src/. */
export function readSources(): Source[] {
  const names = fs.readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name.split(path.sep).join('/')}`)
    .map((file) => ({ path: file, text: fs.readFileSync(path.join(ROOT, file), 'utf8') }));
}

export function parse({ text }: Source): SyntaxNode {
  return parseAst(text, { lang: 'ts', sourceType: 'module' }) as unknown as SyntaxNode;
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';
}

/** The node and all nodes below it, without those below a node for which `enters` is false. */
export function* nodesBelow(
  node: SyntaxNode,
  enters: (node: SyntaxNode) => boolean,
): Generator<SyntaxNode, void, undefined> {
  yield node;
  if (!enters(node)) return;
  for (const child of Object.values(node).flat()) if (isNode(child)) yield* nodesBelow(child, enters);
}

/** Every module that a source names: imported, re-exported, imported on demand, or imported for a type. */
export function importsOf(source: Source): string[] {
  return [...nodesBelow(parse(source), () => true)].flatMap(({ source: from }) =>
    isNode(from) && typeof from['value'] === 'string' ? [from['value']] : [],
  );
}

/** The source file that an import leads to; null for a package. */
export function targetOf(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}
