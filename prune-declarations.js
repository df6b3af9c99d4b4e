// Leaves of the declarations in a folder what its doors export, and what that refers to. The compiler writes those of every
// source, and most of them are about the inside. Members named like `_get`, which only a base class calls, go as well.

import fs from 'node:fs';
import path from 'node:path';
import { parseAst } from 'rolldown/parseAst';

/** Prunes the declarations below `folder`. `doors` are paths of files in it, of which every export stays. */
export function pruneDeclarations(folder, doors) {
  const names = fs.readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.d.ts'));
  const files = names.map((name) => path.join(folder, name));
  const modules = new Map(files.map((file) => [file, new DeclarationFile(file)]));
  for (const module of modules.values()) module.modules = modules;
  for (const door of doors) modules.get(path.join(folder, door)).keepAll();
  for (const [file, module] of modules) {
    const text = module.keptText();
    if (text === '') fs.rmSync(file);
    else fs.writeFileSync(file, text);
  }
}

/**
 * A file of declarations, in parts that stay or go. A part is a declaration, or one name that is imported or exported. It
 * has a `local` name, an `exported` name, and where it comes from another file, its name there.
 */
class DeclarationFile {
  #text;
  #statements;
  #parts;
  #isNeeded = false;

  constructor(file) {
    this.#text = withoutHooks(fs.readFileSync(file, 'utf8'));
    let end = 0;
    this.#statements = parseAst(this.#text, { lang: 'dts' }).body.map((node) => {
      const from = node.source?.value ?? '';
      // The docstring is part of the statement below it.
      const statement = { node, start: end, parts: [], target: null };
      if (from.startsWith('.'))
        statement.target = path.resolve(path.dirname(file), from.replace(/\.js$/, '.d.ts'));
      statement.parts = partsOf(node).map((part) => ({ ...part, statement, isKept: false }));
      end = node.end;
      return statement;
    });
    this.#parts = this.#statements.flatMap(({ parts }) => parts);
  }

  keepAll() {
    for (const part of this.#parts) if (part.exported !== undefined) this.#keep(part);
  }

  has(name) {
    return this.#exportsOf(name).length > 0;
  }

  /** Keeps what is exported under a name. */
  keepExport(name) {
    for (const part of this.#exportsOf(name)) this.#keep(part, name);
  }

  #exportsOf(name) {
    const named = this.#parts.filter(({ exported }) => exported === name);
    if (named.length > 0) return named;
    return this.#parts.filter(
      ({ exported, statement }) => exported === '*' && this.#other(statement)?.has(name),
    );
  }

  #other({ target }) {
    return this.modules.get(target);
  }

  #keep(part, name = '*') {
    this.#need();
    const { statement, exported, origin, local, node } = part;
    if (part.isKept && exported !== '*') return;
    part.isKept = true;
    const other = this.#other(statement);
    if (exported === '*' || origin === '*') {
      if (name === '*') other?.keepAll();
      else other?.keepExport(name);
    } else if (origin !== undefined) other?.keepExport(origin);
    else this.#keepLocals(node === undefined ? [local] : identifiersIn(node));
  }

  #keepLocals(names) {
    const used = new Set(names);
    for (const part of this.#parts)
      if (used.has(part.local) && (part.node || part.isImport)) this.#keep(part);
  }

  /** A file that is needed keeps what it declares globally, and the files that it imports for such declarations. */
  #need() {
    if (this.#isNeeded) return;
    this.#isNeeded = true;
    for (const { parts, target } of this.#statements) {
      if (parts.length === 0 && target !== null) this.modules.get(target).#needGlobals();
    }
  }

  #needGlobals() {
    if (this.#text.includes('declare global')) this.#need();
  }

  keptText() {
    if (!this.#isNeeded) return '';
    return `${this.#statements.flatMap((statement) => this.#textOf(statement) ?? []).join('\n')}\n`;
  }

  #textOf({ node, start, parts, target }) {
    const whole = this.#text.slice(start, node.end).trim();
    if (parts.length === 0) return target !== null && !this.modules.get(target).#isNeeded ? null : whole;
    const kept = parts.filter(({ isKept }) => isKept);
    if (kept.length === 0) return null;
    if (kept.length === parts.length) return whole;
    const specifiers = kept.map(({ specifier }) => this.#text.slice(specifier.start, specifier.end));
    return whole.replace(/\{[^}]*\}/, `{ ${specifiers.join(', ')} }`);
  }
}

/** Cuts the members of classes whose names start with `_` out of the text. */
function withoutHooks(text) {
  let kept = '';
  let end = 0;
  for (const node of parseAst(text, { lang: 'dts' }).body) {
    let start;
    for (const member of (node.declaration ?? node).body?.body ?? []) {
      if (node.type !== 'TSModuleDeclaration' && member.key?.name?.startsWith('_') && start !== undefined) {
        kept += text.slice(end, start);
        end = member.end;
      }
      start = member.end;
    }
  }
  return kept + text.slice(end);
}

function partsOf(node) {
  const isImport = node.type === 'ImportDeclaration';
  if (node.type === 'ExportAllDeclaration') return [{ exported: '*' }];
  if (isImport || node.specifiers?.length > 0) {
    return node.specifiers.map((specifier) => {
      const { imported, local, exported } = specifier;
      if (isImport) return { specifier, isImport, local: local.name, origin: imported?.name ?? '*' };
      return {
        specifier,
        local: local.name,
        exported: exported.name,
        ...(node.source && { origin: local.name }),
      };
    });
  }
  const declared = node.declaration ?? node;
  const ids = declared.declarations?.map(({ id }) => id) ?? [declared.id];
  const names = ids.flatMap((id) => id?.name ?? []);
  return names
    .filter((name) => name !== 'global')
    .map((local) => ({ node, local, ...(node.declaration && { exported: local }) }));
}

function identifiersIn(node) {
  if (node === null || typeof node !== 'object') return [];
  const below = Object.values(node).flatMap(identifiersIn);
  return node.type === 'Identifier' ? [node.name, ...below] : below;
}
