// The random mutants, before any of them is made: what is drawn, and that it is an edit of code. Running them is
// `npm run mutants:random`.

import { describe, expect, it } from 'vitest';
import { drawMutations, lineEditOf, type Mutation, mutate, mutationsOf } from './random-mutations.js';
import { blockAround, blocksOf, instrumented } from './reach.js';
import { readSources } from './sources.js';
import { parse } from './syntax.js';

const SOURCES = readSources();

function draw(seed: number, count: number): Mutation[] {
  const drawn = drawMutations(SOURCES, seed);
  return Array.from({ length: count }, () => drawn.next().value as Mutation);
}

/** Every edit of a text, as the text that it makes. */
function madeOf(text: string): string[] {
  return mutationsOf({ file: 'a.ts', text }).map((mutation) => mutate(text, mutation));
}

describe('a draw of mutations', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(draw(7, 200)).toEqual(draw(7, 200));
    expect(draw(8, 200)).not.toEqual(draw(7, 200));
  });

  it('takes no edit twice, and ends when every edit was drawn', () => {
    const text = 'export const isLess = (a: number): boolean => a < 1 && true;';
    const drawn = [...drawMutations([{ file: 'a.ts', text }], 1)];
    expect(new Set(drawn.map((mutation) => mutate(text, mutation))).size).toBe(drawn.length);
    expect(drawn.length).toBe(mutationsOf({ file: 'a.ts', text }).length);
  });

  it('changes the source, to one that parses', () => {
    const texts = new Map(SOURCES.map(({ file, text }) => [file, text]));
    for (const mutation of draw(9, 300)) {
      const text = texts.get(mutation.file)!;
      const mutated = mutate(text, mutation);
      expect(mutated).not.toBe(text);
      expect(() => parse(mutated), JSON.stringify(lineEditOf(text, mutation))).not.toThrow();
    }
  });
});

describe('the edits of a source', () => {
  it.each<[text: string, made: readonly string[]]>([
    ['f(a < b)', ['f(a <= b)', 'f(a >= b)']],
    ['f(a === b)', ['f(a !== b)']],
    ['f(a - b)', ['f(a + b)']],
    ['f(a && b)', ['f(a || b)']],
    ['f(x || (a && b))', ['f(x && (a && b))', 'f(x || ((a || b)))']],
    ['f((a || b) && c)', ['f((a || b) || c)', 'f(((a && b)) && c)']],
    ['f(a ?? b)', ['f(a && b)', 'f((b))']],
    ['f(true)', ['f(false)']],
    ['f(7)', ['f(8)', 'f(6)']],
    ['f(a - 0)', ['f(a + 0)', 'f(a - 1)', 'f(a - (-1))']],
    ['f(0n)', ['f(1n)', 'f((-1n))']],
    ['f(!a)', ['f((a))']],
    ['f(a.b.filter(c))', ['f(a.b)']],
    ['f((a ?? [])?.toSorted())', ['f((a ?? []))', 'f((a && [])?.toSorted())', 'f((([]))?.toSorted())']],
    ['f(Math.min(a, b))', ['f(Math.max(a, b))']],
    ['f([a])', ['f([])']],
  ])('%s', (text, made) => {
    expect(madeOf(`${text};`)).toEqual([';', ...made.map((one) => `${one};`)]);
  });

  it.each<[text: string, made: readonly string[]]>([
    ['if (a) throw b;', ['if (true) throw b;', 'if (false) throw b;', 'if (!(a)) throw b;', 'if (a) ;']],
    ['while (a) b;', ['while (false) b;']],
    ['a += b;', [';', 'a -= b;']],
    ['for (;;) { break; }', ['for (;;) { ; }']],
    ['function f() { return; }', ['function f() {}', 'function f() { ; }']],
  ])('%s', (text, made) => {
    expect(madeOf(text)).toEqual(made);
  });

  it('are none in types, imports, keys and texts', () => {
    const text = [
      "import { a } from 'b';",
      'type Bit = 0 | 1;',
      'interface Pair { readonly both: [true, false] }',
      "declare const c: -1; export const d = { 1: 'e' as 'e' };",
      "f.g = 'h' + c + 'i';",
    ].join('\n');
    expect(madeOf(text)).toEqual([text.replace(/^f\.g.*$/m, ';')]);
  });

  it('are told with the function they are in, as whole lines', () => {
    const text =
      'class Log {\n  cut(at: number): void {\n    const isEarly = at < 3;\n    use(isEarly);\n  }\n}\n';
    const mutation = mutationsOf({ file: 'a.ts', text }).find(({ operator }) => operator === 'comparison')!;
    expect(mutation.within).toBe('Log.cut');
    expect(lineEditOf(text, mutation)).toEqual({
      line: 3,
      original: 'const isEarly = at < 3;',
      replacement: 'const isEarly = at <= 3;',
    });
  });
});

describe('a source that notes its blocks', () => {
  it('parses, with every line where it was', () => {
    for (const { file, text } of SOURCES) {
      const noting = instrumented(file, text, '/nowhere/log');
      expect(() => parse(noting), file).not.toThrow();
      expect(noting.split('\n').length).toBe(text.split('\n').length);
    }
  });

  it('notes a block once, and only one that was entered', () => {
    const text =
      'export const pick = (a) => a.map((one) => ({ one })); export function never() { if (1) { } }';
    const notes: string[] = [];
    const process = {
      getBuiltinModule: () => ({ appendFileSync: (_: string, note: string) => notes.push(note) }),
    };
    const body = instrumented('a.ts', text, 'log').replaceAll('export ', '');
    const pick = new Function('process', `${body}; return pick;`)(process) as (a: number[]) => unknown;
    expect(notes).toEqual(['a.ts:0\n']);
    expect(pick([1, 2])).toEqual([{ one: 1 }, { one: 2 }]);
    expect(notes).toEqual(['a.ts:0\n', 'a.ts:1\n', 'a.ts:2\n']);
  });

  it('numbers its blocks as they are found around a place', () => {
    const text = 'const a = 1; function f() { if (a) { g(a); } }';
    const blocks = blocksOf(text);
    const numberAt = (part: string) => {
      const start = text.indexOf(part);
      return blockAround(blocks, { start, end: start + part.length });
    };
    expect([numberAt('1'), numberAt('if (a)'), numberAt('g(a)'), numberAt('{ if (a) { g(a); } }')]).toEqual([
      0, 1, 2, 1,
    ]);
  });
});
