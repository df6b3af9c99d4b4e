// Parts of a page that are generated: each stands between two comments that name it.

import fs from 'node:fs';
import path from 'node:path';
import { ROOT, readText } from './markdown.js';

/** True when this run of the tests writes the generated parts instead of only checking them. */
export const IS_WRITING = process.env['KEELSON_WRITE_DOCS'] !== undefined;

/** The text between `<!-- name: … -->` and `<!-- end of name -->`. Throws when the page lacks one of the two. */
export function generatedPart(markdown: string, name: string): string {
  const { start, end } = placeOf(markdown, name);
  return markdown.slice(start, end).trim();
}

/** Puts `text` in the place of the part of that name in the file. */
export function writeGeneratedPart(file: string, name: string, text: string): void {
  const markdown = readText(file);
  const { start, end } = placeOf(markdown, name);
  const written = `${markdown.slice(0, start)}\n${text}\n\n${markdown.slice(end)}`;
  if (written !== markdown) fs.writeFileSync(path.join(ROOT, file), written);
}

function placeOf(markdown: string, name: string): { readonly start: number; readonly end: number } {
  const opening = new RegExp(`<!-- ${name}: .*? -->\n`).exec(markdown);
  const end = markdown.indexOf(`<!-- end of ${name} -->`);
  if (opening === null || end === -1) throw new Error(`the page has no generated part named ${name}`);
  return { start: opening.index + opening[0].length, end };
}
