// The syntax trees of sources, as the parser of Vitest gives them. Pure.

import { parseAst } from 'vitest/node';

export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Throws a SyntaxError for a text that is no TypeScript module. */
export function parse(text: string): SyntaxNode {
  return parseAst(text, { lang: 'ts', sourceType: 'module' }) as unknown as SyntaxNode;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';
}

/** The node in a field of another. */
export function nodeIn(node: SyntaxNode, field: string): SyntaxNode {
  const child = node[field];
  if (!isNode(child)) throw new TypeError(`a ${node.type} has no node as its ${field}`);
  return child;
}

/** The node in a field of another, or null when the field has none. */
export function nodeOrNull(node: SyntaxNode, field: string): SyntaxNode | null {
  const child = node[field];
  return isNode(child) ? child : null;
}

/** The only nodes of TypeScript that hold an expression, each in the field `expression`. */
const WRAPPERS = ['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression'];

/** The children of a node that exist at run time, in the order of the text. */
export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  if (WRAPPERS.includes(node.type)) return [nodeIn(node, 'expression')];
  if (node.type === 'ImportDeclaration' || node.type === 'ExportAllDeclaration') return [];
  return Object.values(node)
    .flat()
    .filter(isNode)
    .filter(({ type }) => !type.startsWith('TS') || WRAPPERS.includes(type))
    .toSorted((one, other) => one.start - other.start);
}
