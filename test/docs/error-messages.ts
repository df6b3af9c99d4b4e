// Every message that the sources can throw, and what it tells to do: read out of the sources, so that the table in
// docs/ERRORS.md is never older than they are.
//
// It reads as much TypeScript as stands at those places: strings, templates, `a ? b : c`, the name of a constant, and
// the call of a function in the same file that returns such things. All else is shown as a place to be filled: ⟨path⟩.

import fs from 'node:fs';
import path from 'node:path';
import { KEELSON_ERROR_CODES, type KeelsonErrorCode, NEXT_STEPS } from '../../src/errors.js';
import { OTHER_ERROR, SYSTEM_ERRORS } from '../../src/storage/storage-errors.js';
import { ROOT } from './markdown.js';

export interface ErrorMessage {
  /** A code, or the class of an error that has none. */
  readonly code: string;
  readonly what: string;
  /** Empty where the message of a misuse says all with what was expected. */
  readonly next: string;
}

/** The code of an error that keeps the code of the system's error that it tells of. */
const CODE_OF_SYSTEM = "the system error's";
const MISUSE = ['TypeError', 'RangeError'];
const ORDER: readonly string[] = [...KEELSON_ERROR_CODES, CODE_OF_SYSTEM, ...MISUSE];

/** All messages, in the order of their codes. */
export function errorMessages(): ErrorMessage[] {
  const folder = path.join(ROOT, 'src');
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isSource).sort();
  const found = files.flatMap((file) =>
    messagesIn(withoutComments(fs.readFileSync(path.join(folder, file), 'utf8'))),
  );
  const unique = new Map([...found, ...systemMessages()].map((row) => [JSON.stringify(row), row]));
  return [...unique.values()].sort((a, b) => ORDER.indexOf(a.code) - ORDER.indexOf(b.code));
}

/** The table of all messages. */
export function messageTable(): string {
  const rows = errorMessages().map(({ code, what, next }) => [code, what, next || 'pass what was expected']);
  return [['code', 'message', 'next step'], ['---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

function isSource(file: string): boolean {
  return file.endsWith('.ts');
}

function withoutComments(source: string): string {
  return source.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
}

/** storageError() makes them of a table. */
function systemMessages(): ErrorMessage[] {
  const named = Object.entries(SYSTEM_ERRORS).map(([errno, { code, meaning, next }]) => ({
    code,
    what: `⟨syscall⟩ failed with ${errno} (${meaning}): ⟨path⟩`,
    next,
  }));
  const { code, next } = OTHER_ERROR;
  return [...named, { code, what: '⟨syscall⟩ failed with ⟨errno⟩: ⟨path⟩', next }];
}

function messagesIn(source: string): ErrorMessage[] {
  return [
    ...source.matchAll(/(new KeelsonError|\brefuse|misuse|#refuse|new TypeError|new RangeError)\(/g),
  ].flatMap(({ 1: callee, index, 0: { length } }) => {
    const place = { source, at: index };
    const given = argumentsAt(source, index + length);
    if (isDeclaration(source, index, given)) return [];
    if (callee === 'new KeelsonError') return keelsonMessages(place, given);
    // A verdict on a file, which whoever throws it names before it.
    if (callee === 'refuse') {
      // A refusal that is spread may be given a step of its own.
      const end = endOfBracket(source, index + length - 1);
      const advice = /^,\s*advice: (\w+)/.exec(source.slice(end))?.[1];
      return keelsonMessages(place, given).map(({ code, what, next }) => ({
        code,
        what: `⟨path⟩: ${what}`,
        next: advice === undefined ? next : shown(place, advice),
      }));
    }
    // Of the walk over a value; others refuse what is no argument.
    if (
      callee === '#refuse' &&
      given[0] !== 'depth' &&
      given[0] !== 'depth + 1' &&
      given[0] !== 'VALUE_DEPTH_MAX'
    )
      return [];
    if (callee === '#refuse') return [misuseMessage(place, ['argument', ...given.slice(1)])];
    if (callee === 'misuse') return [misuseMessage(place, given)];
    return [plainMessage(callee!.slice('new '.length), place, given)];
  });
}

/** Of a function, a constructor or a method, whose parameters have types; or of one that hands on what it was given. */
function isDeclaration(source: string, at: number, given: readonly string[]): boolean {
  const isDeclared = /(function|class) $/.test(source.slice(0, at));
  return (
    isDeclared ||
    given.some((argument) => /^\w+\??: /.test(argument) || argument === 'next') ||
    given[0]?.includes('describeValue(value)}$') === true
  );
}

/** Where an expression stands: constants are looked for before it. */
interface Place {
  readonly source: string;
  readonly at: number;
}

function keelsonMessages(place: Place, [code, text]: readonly string[]): ErrorMessage[] {
  const literal = /^'(KEELSON_\w+)'$/.exec(code!)?.[1] as KeelsonErrorCode | undefined;
  if (literal === undefined && code !== 'error.code') return [];
  const { what, next } = partsOf(place, text!);
  // `path: why` tells of another message, which stands in the table.
  if (!/[a-z]/i.test(what.replace(/⟨.*?⟩/g, ''))) return [];
  return what.split(ALTERNATIVE).map((one) => ({
    code: literal ?? CODE_OF_SYSTEM,
    what: one,
    next: next ?? NEXT_STEPS[literal!],
  }));
}

function misuseMessage(place: Place, [argument, expected, , next]: readonly string[]): ErrorMessage {
  const what = `${shown(place, argument!)}: expected ${shown(place, expected!)}, got ⟨value⟩`;
  return { code: 'TypeError', what, next: next === undefined ? '' : shown(place, next) };
}

function plainMessage(code: string, place: Place, [text]: readonly string[]): ErrorMessage {
  const [what, ...next] = shown(place, text!).split(/\. (?=[A-Z⟨])/);
  return { code, what: what!, next: next.join('. ') };
}

/** The text of a KeelsonError: a string, or an object of `what` and `next`, here or in a constant. */
function partsOf(place: Place, text: string): { what: string; next?: string } {
  const object = text.startsWith('{') ? text : constantAt(place, text);
  if (object === null || !object.startsWith('{')) return { what: shown(place, text) };
  const fields = new Map(
    argumentsAt(`${object.slice(1, -1)})`, 0).map((field) => {
      const [, name, value] = /^(\w+)(?::\s*([\s\S]*))?$/.exec(field)!;
      return [name, value ?? name!];
    }),
  );
  return { what: shown(place, fields.get('what')!), next: shown(place, fields.get('next')!) };
}

const ALTERNATIVE = ' — or: ';

/** An expression as a reader of the message sees it. */
function shown(place: Place, expression: string): string {
  const quoted = /^(['"])(.*)\1$/s.exec(expression);
  if (quoted !== null && !quoted[2]!.includes(quoted[1]!)) return quoted[2]!;
  if (isTemplate(expression)) return template(place, expression.slice(1, -1));
  if (expression.startsWith('(') && endOfBracket(expression, 0) === expression.length)
    return shown(place, expression.slice(1, -1).trim());
  const joins = outside(expression, '+');
  if (joins.length > 0) {
    const cuts = [-1, ...joins, expression.length];
    return cuts
      .slice(1)
      .map((cut, at) => shown(place, expression.slice(cuts[at]! + 1, cut).trim()))
      .join('');
  }
  const branches = conditional(expression);
  if (branches !== null) {
    const told = branches.filter((branch) => branch !== 'undefined');
    return told.map((branch) => shown(place, branch)).join(ALTERNATIVE);
  }
  const step = /^NEXT_STEPS\.(KEELSON_\w+)$/.exec(expression)?.[1] as KeelsonErrorCode | undefined;
  if (step !== undefined) return NEXT_STEPS[step];
  const constant = constantAt(place, expression);
  if (constant !== null) return shown(place, constant);
  const returned = returnedBy(place, expression);
  if (returned !== null) return returned;
  return placeholder(expression);
}

function isTemplate(expression: string): boolean {
  return expression.startsWith('`') && endOfText(expression, 0) === expression.length;
}

/** A short name for what is filled in: the last word of its expression. */
function placeholder(expression: string): string {
  if (expression.startsWith('nextStepOf(')) return 'What the cause says';
  const told = /^(?:whatHappened|describeValue|String)\((\w+)\)/.exec(expression)?.[1];
  const name = told ?? /(\w+)\W*$/.exec(expression.replace(/(\.(map|join))?\([\s\S]*$/, ''))?.[1];
  return `⟨${name ?? '…'}⟩`;
}

function template(place: Place, text: string): string {
  let result = '';
  for (let at = 0; at < text.length; ) {
    if (!text.startsWith('${', at)) {
      result += text[at++];
      continue;
    }
    const end = endOfBracket(text, at + 1);
    const inner = text.slice(at + 2, end - 1);
    // A constant in capitals is a text or a number that is always the same.
    result += /^[A-Z_]+$/.test(inner)
      ? (constantText(place, inner) ?? placeholder(inner))
      : placeholder(inner);
    at = end;
  }
  return result;
}

function constantText(place: Place, name: string): string | null {
  const constant = constantAt(place, name);
  if (constant === null) return null;
  if (/^[\d_]+$/.test(constant)) return constant.replaceAll('_', '');
  return /^['"]/.test(constant) ? shown(place, constant) : null;
}

/** What the nearest declaration before the place, or the one of the file, gives a name. */
function constantAt({ source, at }: Place, name: string): string | null {
  if (!/^\w+$/.test(name)) return null;
  const declarations = [...source.matchAll(new RegExp(`const ${name}(?:: [^=]+)? =\\s*`, 'g'))];
  const isShared = name === name.toUpperCase();
  const nearest = declarations.findLast(({ index }) => index < at || isShared);
  if (nearest === undefined) return isShared ? importedConstant(name) : null;
  const start = nearest.index + nearest[0].length;
  return source.slice(start, endOfStatement(source, start)).trim();
}

/** Constants in capitals have names of their own in all of the sources. */
function importedConstant(name: string): string | null {
  const folder = path.join(ROOT, 'src');
  for (const file of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isSource)) {
    const source = fs.readFileSync(path.join(folder, file), 'utf8');
    if (!source.includes(`export const ${name} =`)) continue;
    return constantAt({ source, at: source.length }, name);
  }
  return null;
}

/** The source that exports a function that says why something is wrong; empty where there is none. */
function importedFunction(name: string): string {
  if (!/^why[A-Z]/.test(name)) return '';
  const folder = path.join(ROOT, 'src');
  const sources = fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(isSource)
    .map((file) => fs.readFileSync(path.join(folder, file), 'utf8'));
  return sources.find((source) => source.includes(`export function ${name}(`)) ?? '';
}

/** All that a function returns, when the expression is a call of one of the same file, or of an imported why…(). */
function returnedBy(caller: Place, expression: string): string | null {
  const name = /^(\w+)\([\s\S]*\)$/.exec(expression)?.[1];
  if (name === undefined) return null;
  const source = caller.source.includes(`function ${name}(`) ? caller.source : importedFunction(name);
  const declared = new RegExp(`function ${name}\\([^]*?\\): string(?: \\| undefined)? \\{`).exec(source);
  if (declared === null) return null;
  const bodyAt = declared.index + declared[0].length;
  const body = source.slice(bodyAt, endOfBracket(source, bodyAt - 1));
  const place = { source, at: bodyAt };
  const texts = [...body.matchAll(/return\s+/g)].map(({ index, 0: { length } }) => {
    const start = index + length;
    return shown(place, body.slice(start, endOfStatement(body, start)).trim());
  });
  return [...new Set(texts)].join(ALTERNATIVE);
}

/** The two branches of `a ? b : c`; null for anything else. */
function conditional(expression: string): [string, string] | null {
  const [question] = outside(expression, '?');
  if (question === undefined || expression[question + 1] === '?') return null;
  const colon = outside(expression, ':').find((at) => at > question);
  if (colon === undefined) return null;
  return [expression.slice(question + 1, colon).trim(), expression.slice(colon + 1).trim()];
}

/** The arguments of a call, from behind its opening bracket. */
function argumentsAt(source: string, from: number): string[] {
  const end = endOfBracket(`(${source.slice(from)}`, 0) - 2 + from;
  const text = source.slice(from, end);
  const cuts = [-1, ...outside(text, ','), text.length];
  return cuts
    .slice(1)
    .map((cut, at) => text.slice(cuts[at]! + 1, cut).trim())
    .filter((argument) => argument !== '');
}

function endOfStatement(source: string, from: number): number {
  return from + (outside(source.slice(from), ';')[0] ?? source.length - from);
}

/** Where a character stands outside of brackets and texts. */
function outside(text: string, character: string): number[] {
  const found: number[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] === character) found.push(at);
    const after = skip(text, at);
    if (character === ';' && found.length > 0) break;
    at = after;
  }
  return found;
}

/** The place behind whatever begins at `at`: a text, a bracket with all that is in it, or one character. */
function skip(text: string, at: number): number {
  if (`'"\``.includes(text[at]!)) return endOfText(text, at);
  return '([{'.includes(text[at]!) ? endOfBracket(text, at) : at + 1;
}

function endOfText(text: string, from: number): number {
  const quote = text[from];
  let at = from + 1;
  while (at < text.length && text[at] !== quote) {
    if (text[at] === '\\') at += 2;
    else if (quote === '`' && text.startsWith('${', at)) at = endOfBracket(text, at + 1);
    else at++;
  }
  return at + 1;
}

function endOfBracket(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && !')]}'.includes(text[at]!)) at = skip(text, at);
  return at + 1;
}
