// Writes the API reference from the docstrings: a page for each door of the package.
//
//     node docs/typedoc/generate.js DIR       DIR is docs/api, or any other directory; `npm run docs:api` installs what it needs first

import path from 'node:path';
import { Application, Converter, OptionDefaults, ReflectionKind } from 'typedoc';

const ROOT = path.resolve(import.meta.dirname, '../..');
const DOORS = ['', 'journal', 'testing', 'replica', 'level', 'keyv', 'session', 'unstorage', 'langgraph'];

const [out] = process.argv.slice(2);
if (out === undefined) throw new TypeError('Usage: node docs/typedoc/generate.js DIR');

const app = await Application.bootstrapWithPlugins({
  name: 'API reference',
  entryPoints: DOORS.map((door) => path.join(ROOT, 'src', door, 'index.ts')),
  tsconfig: path.join(ROOT, 'tsconfig.json'),
  plugin: ['typedoc-plugin-markdown'],
  outputs: [{ name: 'markdown', path: path.resolve(out) }],
  readme: 'none',
  excludeExternals: true,
  excludePrivate: true,
  excludeInternal: true,
  disableSources: true,
  // TypeScript 7 checks the types of the project: this is another one.
  skipErrorChecking: true,
  // replica-port.ts has a comment for the compiler.
  blockTags: [...OptionDefaults.blockTags, '@ts-ignore'],
  validation: { notExported: false, invalidLink: true, notDocumented: false },
  router: 'module',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  expandObjects: false,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
});

// A door is named as programs import it.
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const door of project.getReflectionsByKind(ReflectionKind.Module)) {
    door.name = door.name === 'index' ? 'keelson' : `keelson/${door.name}`;
  }
});

const project = await app.convert();
if (project !== undefined) await app.generateOutputs(project);
process.exitCode = project === undefined || app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0;
