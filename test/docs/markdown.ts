// Reading our own Markdown: just enough of it for the tests that hold the documentation to the code.

import fs from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

/** The Markdown files of the project that people write, as paths from its root. */
export function markdownFiles(): string[] {
  return ['.', 'docs', 'examples', 'bench', 'native'].flatMap((folder) =>
    fs
      .readdirSync(path.join(ROOT, folder), { recursive: folder !== '.', encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !/(^|\/)(node_modules|api)\//.test(name))
      .map((name) => path.join(folder, name)),
  );
}

export function readText(file: string): string {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  /** The line its first line of code stands on, from 1. */
  readonly line: number;
}

export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; line: number; lines: string[] } | null = null;
  for (const [at, line] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)/.exec(line);
    if (fence === null) open?.lines.push(line);
    else if (open === null) open = { language: fence[1]!, line: at + 2, lines: [] };
    else {
      blocks.push({ language: open.language, text: open.lines.join('\n'), line: open.line });
      open = null;
    }
  }
  return blocks;
}

/** What an example promises to print, in the order in which it stands there. */
export function promisedOutput(text: string): string[] {
  return [...text.matchAll(/\/\/ → (.*)$/gm)].map(([, output]) => output!.trim());
}

/** The Markdown without its code blocks, where nothing is a heading, a table or a link. */
export function proseOf(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, '');
}

/** The texts of the headings of one level, or of all. */
export function headings(markdown: string, level?: number): string[] {
  const marks = level === undefined ? '#{1,6}' : `#{${level}}`;
  return [...proseOf(markdown).matchAll(new RegExp(`^${marks} (.*)$`, 'gm'))].map(([, text]) => text!.trim());
}

/** The name of a heading in an address, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

/** The texts of the code spans of a page, outside of its code blocks. */
export function codeSpans(markdown: string): string[] {
  return [...proseOf(markdown).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);
}

/** Where the links of a text point to. Code spans hold none. */
export function linkTargets(markdown: string): string[] {
  const text = proseOf(markdown).replace(/`[^`\n]*`/g, '``');
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target!);
}
