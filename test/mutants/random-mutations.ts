// Random mutants: which small edits of a source are drawn, and in which order. Pure.
//
// The operators are those of StrykerJS's defaults, without its empty strings (most of our strings are messages) and with
// off-by-one edits of numbers. Types are never edited. An edit may make code that does not compile: the compiler tells.

import { Random } from '../../src/testing/random.js';
import type { Source } from './sources.js';
import { childrenOf, nodeIn, nodeOrNull, parse, type SyntaxNode } from './syntax.js';

/** One edit of one source: the text from `start` to `end` becomes `replacement`. */
export interface Mutation {
  readonly file: string;
  /** What kind of edit it is, in two or three words. */
  readonly operator: string;
  /** The function, method or constant that the edit is in: `Class.method`, or '' for the module itself. */
  readonly within: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** A node of the syntax tree, with every edit of it. */
interface Site {
  readonly mutations: Mutation[];
}

type Edit = Pick<Mutation, 'operator' | 'start' | 'end' | 'replacement'>;

/**
 * Draws mutations without end: a site uniformly among all that have an edit left, and one of its edits uniformly. No edit
 * comes twice. Equal seeds and sources give equal draws.
 */
export function* drawMutations(
  sources: readonly Source[],
  seed: number,
): Generator<Mutation, void, undefined> {
  const random = new Random(seed);
  const sites = sources.flatMap(sitesOf);
  while (sites.length > 0) {
    const at = random.below(sites.length);
    const { mutations } = sites[at]!;
    yield takeOut(mutations, random.below(mutations.length));
    if (mutations.length === 0) takeOut(sites, at);
  }
}

/** Every edit of a source. */
export function mutationsOf(source: Source): Mutation[] {
  return sitesOf(source).flatMap(({ mutations }) => mutations);
}

/** The source after an edit. */
export function mutate(text: string, { start, end, replacement }: Mutation): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** An edit as a reader sees it: whole lines, without the white space around them. */
export interface LineEdit {
  /** From 1. */
  readonly line: number;
  readonly original: string;
  readonly replacement: string;
}

export function lineEditOf(text: string, mutation: Mutation): LineEdit {
  const from = text.lastIndexOf('\n', mutation.start - 1) + 1;
  const newline = text.indexOf('\n', mutation.end);
  const to = newline === -1 ? text.length : newline;
  return {
    line: text.slice(0, mutation.start).split('\n').length,
    original: text.slice(from, to).trim(),
    replacement: (
      text.slice(from, mutation.start) +
      mutation.replacement +
      text.slice(mutation.end, to)
    ).trim(),
  };
}

function takeOut<T>(items: T[], at: number): T {
  const [item] = items.splice(at, 1);
  return item!;
}

function sitesOf({ file, text }: Source): Site[] {
  const sites: Site[] = [];
  const visit = (node: SyntaxNode, parent: SyntaxNode | null, names: readonly string[]): void => {
    const within = names.join('.');
    const edits = editsOf(text, node, parent);
    if (edits.length > 0) sites.push({ mutations: edits.map((edit) => ({ file, within, ...edit })) });
    const name = nameOf(node, names.length === 0);
    const below = name === null ? names : [...names, name];
    for (const child of childrenOf(node)) visit(child, node, below);
  };
  visit(parse(text), null, []);
  return sites;
}

const FUNCTIONS = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'];

function nameOf(node: SyntaxNode, isOutside: boolean): string | null {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return textOf(nodeOrNull(node, 'id'));
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return textOf(nodeIn(node, 'key'));
    case 'VariableDeclarator': {
      const isFunction = FUNCTIONS.includes(nodeOrNull(node, 'init')?.type ?? '');
      return isOutside || isFunction ? textOf(nodeIn(node, 'id')) : null;
    }
    default:
      return null;
  }
}

function textOf(name: SyntaxNode | null): string | null {
  return typeof name?.['name'] === 'string' ? name['name'] : null;
}

/** What becomes of each operator between two operands. */
const BINARY: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '&': ['|'],
  '|': ['&'],
  '^': ['&'],
  '<<': ['>>'],
  '>>': ['<<'],
  '>>>': ['<<', '>>'],
  '&&': ['||'],
  '||': ['&&'],
  '??': ['&&'],
};

const COMPARISONS = ['<', '<=', '>', '>=', '===', '!=='];

const ASSIGNMENTS: Readonly<Record<string, readonly string[]>> = {
  '+=': ['-='],
  '-=': ['+='],
  '*=': ['/='],
  '/=': ['*='],
  '%=': ['*='],
  '&=': ['|='],
  '|=': ['&='],
  '^=': ['&='],
  '<<=': ['>>='],
  '>>=': ['<<='],
  '>>>=': ['<<='],
  '&&=': ['||='],
  '||=': ['&&='],
  '??=': ['&&='],
};

/** Methods, and what is called instead. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['min', 'max'],
  ['max', 'min'],
  ['floor', 'ceil'],
  ['ceil', 'floor'],
  ['some', 'every'],
  ['every', 'some'],
  ['startsWith', 'endsWith'],
  ['endsWith', 'startsWith'],
]);

/** Methods that give something like what they are called on, which is taken instead. */
const LEFT_OUT = ['filter', 'sort', 'toSorted', 'reverse', 'toReversed', 'trim', 'slice', 'subarray'];

/** Expressions that do something as a statement of their own. */
const ACTIONS = [
  'CallExpression',
  'ChainExpression',
  'AwaitExpression',
  'YieldExpression',
  'AssignmentExpression',
  'UpdateExpression',
  'UnaryExpression',
];

function editsOf(text: string, node: SyntaxNode, parent: SyntaxNode | null): Edit[] {
  const slice = (part: SyntaxNode) => text.slice(part.start, part.end);
  const whole = (operator: string, ...replacements: readonly string[]): Edit[] =>
    replacements.map((replacement) => ({ operator, start: node.start, end: node.end, replacement }));
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression':
      return operatorEdits(text, node, parent);
    case 'AssignmentExpression': {
      if (node['operator'] === '+=' && isText(nodeIn(node, 'right'))) return [];
      return whole('assignment operator', ...between(text, node, ASSIGNMENTS));
    }
    case 'UpdateExpression': {
      const turned = node['operator'] === '++' ? '--' : '++';
      const argument = slice(nodeIn(node, 'argument'));
      return whole('update direction', node['prefix'] === true ? turned + argument : argument + turned);
    }
    case 'UnaryExpression': {
      const argument = slice(nodeIn(node, 'argument'));
      if (node['operator'] === '!') return whole('negation removed', `(${argument})`);
      return ['-', '~'].includes(node['operator'] as string) ? whole('sign removed', `(${argument})`) : [];
    }
    case 'IfStatement':
    case 'ConditionalExpression':
      return conditionEdits(text, nodeIn(node, 'test'), ['true', 'false', '!']);
    case 'WhileStatement':
    case 'DoWhileStatement':
      return conditionEdits(text, nodeIn(node, 'test'), ['false']);
    case 'ForStatement': {
      const test = nodeOrNull(node, 'test');
      return test === null ? [] : conditionEdits(text, test, ['false']);
    }
    case 'Literal':
      return literalEdits(node, parent).flatMap(([operator, replacement]) => whole(operator, replacement));
    case 'ArrayExpression':
      return (node['elements'] as unknown[]).length === 0 ? [] : whole('array emptied', '[]');
    case 'CallExpression':
      return methodEdits(text, node);
    case 'ExpressionStatement':
      return ACTIONS.includes(nodeIn(node, 'expression').type) ? whole('statement removed', ';') : [];
    case 'ThrowStatement':
    case 'ContinueStatement':
    case 'BreakStatement':
      return whole('statement removed', ';');
    case 'ReturnStatement': {
      const argument = nodeOrNull(node, 'argument');
      if (argument === null) return whole('return removed', ';');
      const values = ['null', 'undefined', 'true', 'false'].filter((value) => value !== slice(argument));
      return whole('returned value', ...values.map((value) => `return ${value};`));
    }
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression': {
      const body = nodeOrNull(node, 'body');
      if (body?.type !== 'BlockStatement' || (body['body'] as unknown[]).length === 0) return [];
      return [{ operator: 'body emptied', start: body.start, end: body.end, replacement: '{}' }];
    }
    default:
      return [];
  }
}

function operatorEdits(text: string, node: SyntaxNode, parent: SyntaxNode | null): Edit[] {
  const operator = node['operator'] as string;
  const [left, right] = [nodeIn(node, 'left'), nodeIn(node, 'right')];
  if (operator === '+' && (isText(left) || isText(right))) return [];
  // Another operator may bind less: `a || b && c` is not what `(a || b) && c` means.
  const isOperand = parent?.type === 'BinaryExpression' || parent?.type === 'LogicalExpression';
  const kind = COMPARISONS.includes(operator) ? 'comparison' : `operator ${operator}`;
  const edits = between(text, node, BINARY).map((replacement) => ({
    operator: kind,
    start: node.start,
    end: node.end,
    replacement: isOperand ? `(${replacement})` : replacement,
  }));
  if (operator !== '??') return edits;
  const replacement = `(${text.slice(right.start, right.end)})`;
  return [...edits, { operator: 'default only', start: node.start, end: node.end, replacement }];
}

/** Two operands with another operator between them, once for each that the table has. */
function between(
  text: string,
  node: SyntaxNode,
  table: Readonly<Record<string, readonly string[]>>,
): string[] {
  const operator = node['operator'] as string;
  const [left, right] = [nodeIn(node, 'left'), nodeIn(node, 'right')];
  // Nodes end before the parentheses around them, which are in the gap.
  const gap = text.slice(left.end, right.start);
  return (table[operator] ?? []).map(
    (other) =>
      text.slice(node.start, left.end) +
      gap.replace(operator, () => other) +
      text.slice(right.start, node.end),
  );
}

/** Whether an addition with it joins strings. */
function isText(node: SyntaxNode): boolean {
  if (node.type === 'TemplateLiteral') return true;
  if (node.type === 'Literal') return typeof node['value'] === 'string';
  if (node.type !== 'BinaryExpression' || node['operator'] !== '+') return false;
  return isText(nodeIn(node, 'left')) || isText(nodeIn(node, 'right'));
}

function conditionEdits(text: string, test: SyntaxNode, values: readonly string[]): Edit[] {
  // A literal has edits of its own.
  if (test.type === 'Literal') return [];
  return values.map((value) => ({
    operator: value === '!' ? 'condition negated' : `condition ${value}`,
    start: test.start,
    end: test.end,
    replacement: value === '!' ? `!(${text.slice(test.start, test.end)})` : value,
  }));
}

function literalEdits(
  node: SyntaxNode,
  parent: SyntaxNode | null,
): [operator: string, replacement: string][] {
  const { value } = node as { readonly value?: unknown };
  if (typeof value === 'boolean') return [['boolean', String(!value)]];
  if (typeof value === 'number') {
    // A number below zero would not stand behind every operator: `a --1`.
    const below = value >= 1 ? String(value - 1) : `(${value - 1})`;
    const isKey = parent?.type === 'Property' && parent['key'] === node;
    return isKey
      ? []
      : [
          ['number + 1', String(value + 1)],
          ['number - 1', below],
        ];
  }
  if (typeof value === 'bigint') {
    return [
      ['number + 1', `${value + 1n}n`],
      ['number - 1', value > 0n ? `${value - 1n}n` : `(${value - 1n}n)`],
    ];
  }
  return [];
}

function methodEdits(text: string, node: SyntaxNode): Edit[] {
  const callee = nodeIn(node, 'callee');
  if (callee.type !== 'MemberExpression' || callee['computed'] === true) return [];
  const property = nodeIn(callee, 'property');
  const name = textOf(property);
  if (name === null || property.type !== 'Identifier') return [];
  if (LEFT_OUT.includes(name)) {
    // With the parentheses around the object, without the dot.
    const replacement = text.slice(node.start, property.start).replace(/\??\.\s*$/, '');
    return [{ operator: `${name}() left out`, start: node.start, end: node.end, replacement }];
  }
  const instead = METHODS.get(name);
  if (instead === undefined) return [];
  return [{ operator: 'method', start: property.start, end: property.end, replacement: instead }];
}
