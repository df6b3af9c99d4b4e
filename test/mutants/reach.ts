// Which tests come to which piece of code: sources that note every block they enter, and the way back from a place in a
// source to its block. A test that never enters the block of a fault cannot see the fault. Pure.

import { childrenOf, nodeIn, parse, type SyntaxNode } from './syntax.js';

/** A piece of a source that runs as a whole, or up to a jump out of it: the module, a block, or the value of an arrow. */
export interface Block {
  readonly start: number;
  readonly end: number;
}

/** The blocks of a source in the order of the text: the module, then every block that stands in it. */
export function blocksOf(text: string): Block[] {
  const program = parse(text);
  return [{ start: 0, end: text.length }, ...innerBlocks(program)];
}

/** The number of the innermost block around a place: the last that begins before it and ends after it. */
export function blockAround(blocks: readonly Block[], { start, end }: Block): number {
  return blocks.findLastIndex((block) => block.start <= start && end <= block.end);
}

/**
 * The source, which notes each block when it is first entered in a process: a line `file:number` in a log. All that is
 * added stands in lines that are there.
 */
export function instrumented(file: string, text: string, log: string): string {
  const program = parse(text);
  const [first] = program['body'] as SyntaxNode[];
  if (first === undefined) return text;
  const additions: [at: number, added: string][] = [[first.start, noteTaker(file, log)]];
  for (const [index, { start, end, isValue }] of innerBlocks(program).entries()) {
    const entered = `$seen[${index + 1}] || $see(${index + 1})`;
    if (isValue) additions.push([start, `(${entered}, `], [end, ')']);
    else additions.push([start + 1, ` ${entered};`]);
  }
  // From the end, so that places stay; of two at one place the inner one first.
  let result = text;
  for (const [at, added] of additions.toReversed().toSorted(([one], [other]) => other - one)) {
    result = result.slice(0, at) + added + result.slice(at);
  }
  return result;
}

function noteTaker(file: string, log: string): string {
  const [name, path] = [JSON.stringify(file), JSON.stringify(log)];
  // A process that may not write the log any more has been noted as far as it could.
  const write = `try { process.getBuiltinModule('fs').appendFileSync(${path}, ${name} + ':' + n + '\\n'); } catch {}`;
  return `const $seen = []; const $see = (n) => { $seen[n] = true; ${write} }; $see(0); `;
}

function innerBlocks(node: SyntaxNode): (Block & { readonly isValue: boolean })[] {
  const below = childrenOf(node).flatMap(innerBlocks);
  if (node.type === 'BlockStatement') {
    return [{ start: node.start, end: node.end, isValue: false }, ...below];
  }
  if (node.type !== 'ArrowFunctionExpression' || node['expression'] !== true) return below;
  const { start, end } = nodeIn(node, 'body');
  return [...below, { start, end, isValue: true }].toSorted(
    (one, other) => one.start - other.start || other.end - one.end,
  );
}
