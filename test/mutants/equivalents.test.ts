// The edits that were judged equivalent are edits that are drawn still: a judgement of code that has changed is none.

import { describe, expect, it } from 'vitest';
import { EQUIVALENTS, TUNINGS } from './equivalents.js';
import { lineEditOf, mutationsOf } from './random-mutations.js';
import { readSources } from './sources.js';

const texts = new Map(readSources().map(({ file, text }) => [file, text]));

function drawnIn(file: string, within: string) {
  const text = texts.get(file) ?? '';
  const mutations = mutationsOf({ file, text }).filter((mutation) => mutation.within === within);
  return mutations.map((mutation) => lineEditOf(text, mutation));
}

describe('an edit that was judged equivalent', () => {
  it.each(EQUIVALENTS)('$file, $within: $replacement', ({ file, within, original, replacement, reason }) => {
    const edits = drawnIn(file, within).filter((edit) => edit.original === original);
    expect(edits.map((edit) => edit.replacement)).toContain(replacement);
    expect(reason).not.toBe('');
  });

  it.each(TUNINGS)('any of $file, $within', ({ file, within, reason }) => {
    expect(drawnIn(file, within)).not.toEqual([]);
    expect(reason).not.toBe('');
  });
});
