// The generated parts of docs/ARCHITECTURE.md, as Markdown: what the sources say, in the form of the page.

import { readSources } from '../source-files.js';
import { type Folder, foldersOf, groupedBy, summaryOf } from './source-facts.js';

/** The generated parts by name. */
export function architectureParts(): Readonly<Record<string, string>> {
  const sources = readSources();
  const folders = foldersOf(sources);
  return {
    imports: `${importGraph(folders)}\n\n${importTable(folders)}`,
    files: filesByFolder(folders),
  };
}

/** Every folder imports some of the leaves: arrows to them would say nothing. */
const LEAVES = 'src';

function importGraph(folders: readonly Folder[]): string {
  const shown = folders.filter(({ path }) => path !== LEAVES);
  const layers = groupedBy(shown, ({ path }) => path.split('/').slice(0, 2).join('/'));
  const nodes = [...layers].flatMap(([layer, members]) =>
    members.length === 1
      ? [`  ${nodeOf(layer)}["${layer}/"]`]
      : [
          `  subgraph ${nodeOf(layer)}_layer ["${layer}/"]`,
          ...members.map(({ path }) => `    ${nodeOf(path)}["${labelIn(layer, path)}"]`),
          '  end',
        ],
  );
  const arrows = shown.flatMap(({ path }) =>
    directImports(path, shown).map((target) => `  ${nodeOf(path)} --> ${nodeOf(target)}`),
  );
  return ['```mermaid', 'flowchart TD', ...nodes, ...arrows, '```'].join('\n');
}

function nodeOf(path: string): string {
  return path.replace('src/', '').replaceAll('/', '_');
}

function labelIn(layer: string, path: string): string {
  return path === layer ? 'top-level files' : `${path.slice(layer.length + 1)}/`;
}

/** The imports of a folder without those that another of its imports implies. */
function directImports(path: string, folders: readonly Folder[]): string[] {
  const imports = importsIn(path, folders);
  const implied = new Set(imports.flatMap((target) => [...reachableFrom(target, folders)]));
  return imports.filter((target) => !implied.has(target));
}

function reachableFrom(path: string, folders: readonly Folder[]): Set<string> {
  const reached = new Set<string>();
  const visit = (from: string): void => {
    for (const target of importsIn(from, folders)) {
      if (reached.has(target)) continue;
      reached.add(target);
      visit(target);
    }
  };
  visit(path);
  return reached;
}

function importsIn(path: string, folders: readonly Folder[]): string[] {
  const { imports = [] } = folders.find((folder) => folder.path === path) ?? {};
  return imports.filter((target) => folders.some((folder) => folder.path === target));
}

function importTable(folders: readonly Folder[]): string {
  const rows = folders
    .filter(({ path }) => path !== LEAVES)
    .map(({ path, imports }) => {
      const targets = imports.filter((target) => target !== LEAVES).map((target) => code(`${target}/`));
      return [code(`${path}/`), targets.join(', ') || 'leaves only'];
    });
  return table(['folder', 'imports'], rows);
}

function filesByFolder(folders: readonly Folder[]): string {
  const sections = folders.map(({ path, files }) => {
    const rows = files
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .map((source) => {
        const { sentence, isPure } = summaryOf(source);
        return [code(source.path), `${escaped(sentence)}.${isPure ? ' _Pure._' : ''}`];
      });
    return `### ${path}/\n\n${table(['file', 'what it is for'], rows)}`;
  });
  return sections.join('\n\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Prose of a comment in a cell of a table: outside of code, `<` would begin HTML, and `|` the next cell. */
function escaped(prose: string): string {
  return prose
    .split('`')
    .map((part, at) => (at % 2 === 1 ? part : part.replaceAll('<', '\\<')))
    .join('`')
    .replaceAll('|', '\\|');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
