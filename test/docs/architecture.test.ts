// docs/ARCHITECTURE.md names every file there is, and every limit by the name and in the file it has.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, readText, tableRows } from './markdown.js';

const text = readText('docs/ARCHITECTURE.md');

describe('docs/ARCHITECTURE.md', () => {
  test('has a line for every source file, and for none that is gone', () => {
    const names = fs.readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const files = names.filter((name) => name.endsWith('.ts')).map((name) => `src/${name}`);
    const listed = tableRows(text, ['file', 'what it owns']).map(([file]) => file);
    expect(listed.toSorted()).toEqual(files.toSorted());
  });

  test('names limits that are in the files it says', () => {
    const limits = tableRows(text, ['limit', 'value', 'file']);
    expect(limits.length).toBeGreaterThan(20);
    const absent = limits.filter(([name, , file]) => !readText(`src/${file}`).includes(name!));
    expect(absent).toEqual([]);
  });

  test('gives limits the values that they have in these files', () => {
    // Those of options have a test of their own, and a few are told in words.
    const limits = tableRows(text, ['limit', 'value', 'file'])
      .filter(([name]) => /^[A-Z_]+$/.test(name!))
      .map(([name, value, file]) => ({ name: name!, told: numberIn(value!), file: `src/${file}` }))
      .filter(({ told }) => told !== null);
    expect(limits.length).toBeGreaterThan(40);
    const actual = limits.map(({ name, file }) => ({ name, told: constantIn(file, name), file }));
    expect(limits).toEqual(actual);
  });
});

const UNITS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** The number that a value begins with, such as `2^28 − 1 bytes`; null for one in words, or of several parts. */
function numberIn(value: string): number | null {
  const sum = /^(?!.*, and \d)(?:with )?([\d,^/]+)(?: (KiB|MiB|GiB))?(?: ([−+]) ([\d,^]+))?(?= |,|$)/.exec(
    value,
  );
  if (sum === null) return null;
  const [, first, unit, sign, second] = sum;
  const start = termOf(first!) * (UNITS[unit ?? ''] ?? 1);
  return second === undefined ? start : start + (sign === '+' ? 1 : -1) * termOf(second);
}

/** `1,024`, `2^28` or `1/12`. */
function termOf(term: string): number {
  const [base, power] = term.replaceAll(',', '').split('^').map(asNumber);
  return power === undefined ? base! : base! ** power;
}

function asNumber(text: string): number {
  const [whole, divisor = '1'] = text.split('/');
  return Number(whole) / Number(divisor);
}

/** What a constant of a file is, by the text of its declaration. */
function constantIn(file: string, name: string): number {
  const declaration = new RegExp(`^(?:export )?const ${name}(?:: [^=]+)? =\\s+([^;]+);`, 'm').exec(
    readText(file),
  );
  if (declaration === null) return constantIn(importedFrom(file, name), name);
  const numbers = declaration[1]!.replace(/(?<!\.)\b[A-Z][A-Z0-9_]+\b/g, (other) =>
    String(constantIn(file, other)),
  );
  return new Function(`return (${numbers})`)();
}

function importedFrom(file: string, name: string): string {
  const from = new RegExp(`(?:import|export) \\{[^}]*\\b${name}\\b[^}]*\\} from '([^']+)\\.js';`).exec(
    readText(file),
  );
  if (from === null) throw new Error(`${name} is not in ${file}`);
  return path.posix.join(path.posix.dirname(file), `${from[1]}.ts`);
}
