// The public symbols with their docstrings: every declaration that is left in dist/ after a build, and its members. The build
// prunes all others, so an editor can show each of these.

import fs from 'node:fs';
import path from 'node:path';
import { parseAst } from 'rolldown/parseAst';
import { ROOT } from './markdown.js';

export interface PublicSymbol {
  /** The file below dist/, without its extension. */
  readonly file: string;
  /** A name with those around it, as in `Store.put`. */
  readonly name: string;
  readonly kind: 'function' | 'method' | 'property' | 'type' | 'value';
  /** Null: there is none. */
  readonly docs: string | null;
  /** The docstring of the union or object type that the member belongs to; null for others. */
  readonly ownerDocs: string | null;
  /** The names of the parameters of a function or method. */
  readonly parameters: readonly string[];
  /** The type of a property, or what a function or method returns. */
  readonly type: string;
  readonly isOptional: boolean;
  readonly examples: readonly Example[];
}

export interface Example {
  readonly symbol: string;
  readonly file: string;
  readonly text: string;
}

/** A node of the syntax tree, as far as it is looked at here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  // biome-ignore lint/suspicious/noExplicitAny: the kinds of nodes differ.
  readonly [field: string]: any;
}

const DIST = path.join(ROOT, 'dist');

export function publicSymbols(): PublicSymbol[] {
  return fs
    .readdirSync(DIST, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts'))
    .sort()
    .flatMap((name) =>
      symbolsIn(fs.readFileSync(path.join(DIST, name), 'utf8'), name.replace(/\.d\.ts$/, '')),
    );
}

/** The symbols of a file of declarations. Names that are exported from another file are symbols of that one. */
export function symbolsIn(text: string, file: string): PublicSymbol[] {
  const found: PublicSymbol[] = [];
  let end = 0;
  for (const node of parseAst(text, { lang: 'dts' }).body as unknown as Node[]) {
    const declared: Node = node['declaration'] ?? node;
    const names: string[] = declared['id']
      ? [declared['id'].name]
      : (declared['declarations'] ?? []).map(({ id }: Node) => id['name']);
    for (const name of names) {
      const symbol = symbolOf(text, file, declared, end, node.start, name, null);
      const typeDocs = declared.type === 'TSTypeAliasDeclaration' ? symbol.docs : null;
      found.push(symbol, ...membersOf(text, file, declared, name, typeDocs));
    }
    end = node.end;
  }
  return found;
}

/** The members of an interface or class, and of the object types in a type. */
function membersOf(
  text: string,
  file: string,
  node: Node,
  owner: string,
  ownerDocs: string | null,
): PublicSymbol[] {
  const bodies =
    node.type === 'TSTypeAliasDeclaration'
      ? literalsIn(node['typeAnnotation']).map((literal) => [literal, literal['members']] as const)
      : node['body']
        ? [[node['body'] as Node, node['body'].body] as const]
        : [];
  return bodies.flatMap(([body, members]) => {
    let end = body.start + 1;
    return (members as Node[]).flatMap((member) => {
      const start = end;
      end = member.end;
      const key = member['key'];
      const isCall = member.type === 'TSCallSignatureDeclaration';
      if (!isCall && (key === undefined || key.type === 'PrivateIdentifier')) return [];
      const name = isCall ? `${owner}()` : `${owner}.${text.slice(key.start, key.end)}`;
      return symbolOf(text, file, member, start, member.start, name, ownerDocs);
    });
  });
}

function literalsIn(node: unknown): Node[] {
  if (node === null || typeof node !== 'object') return [];
  if ((node as Node).type === 'TSTypeLiteral') return [node as Node];
  return Object.values(node).flatMap(literalsIn);
}

function symbolOf(
  text: string,
  file: string,
  node: Node,
  from: number,
  to: number,
  name: string,
  ownerDocs: string | null,
): PublicSymbol {
  const docs = docstringIn(text.slice(from, to));
  const callable: Node | null = node['params'] ? node : (node['value'] ?? null);
  const type: Node | undefined = (callable ?? node)['returnType'] ?? node['typeAnnotation'];
  return {
    file,
    name,
    kind: kindOf(node),
    docs,
    ownerDocs,
    parameters: callable?.['params']?.map(parameterName) ?? [],
    type: type ? text.slice(type.start, type.end).replace(/^:\s*/, '') : '',
    isOptional: node['optional'] === true,
    examples: examplesIn(docs ?? '').map((text) => ({ symbol: name, file, text })),
  };
}

function kindOf(node: Node): PublicSymbol['kind'] {
  if (node.type === 'TSDeclareFunction') return 'function';
  if (node.type === 'VariableDeclaration') return 'value';
  if (/^(?:Class|TSInterface|TSTypeAlias|TSEnum)Declaration$/.test(node.type)) return 'type';
  const isCalled = node['kind'] === 'method' || node['kind'] === 'constructor';
  if (node.type === 'TSCallSignatureDeclaration') return 'method';
  return /Method/.test(node.type) && isCalled ? 'method' : 'property';
}

function parameterName(node: Node): string {
  return node['name'] ?? node['parameter']?.name ?? node['argument']?.name ?? '';
}

/** The last docstring in the text between two declarations, without its stars. */
function docstringIn(text: string): string | null {
  const start = text.lastIndexOf('/**');
  if (start === -1) return null;
  const [inside = ''] = text.slice(start + 3).split('*/');
  return inside.replace(/^\s*\* ?/gm, '').trim();
}

function examplesIn(docs: string): string[] {
  return docs
    .split(/^@/m)
    .filter((tag) => tag.startsWith('example\n'))
    .map((tag) => tag.slice('example\n'.length).trim());
}
