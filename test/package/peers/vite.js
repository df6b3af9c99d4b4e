// node vite.js PROJECT INPUT OUTPUT lib|ssr|load
//
// lib: a library build. ssr: a build for a server with everything in it. load: the development server's module loader.

import path from 'node:path';
import { build, createServer } from 'vite';

const [root, input, file, mode, directory] = process.argv.slice(2);
const shared = { root, configFile: false, logLevel: 'error' };
const output = { entryFileNames: path.basename(file) };
const outDir = path.dirname(file);

if (mode === 'lib') {
  await build({
    ...shared,
    build: {
      lib: { entry: input, formats: ['es'] },
      target: 'node20',
      outDir,
      emptyOutDir: false,
      rollupOptions: { external: [/^node:/], output },
    },
  });
} else if (mode === 'ssr') {
  await build({
    ...shared,
    ssr: { noExternal: true, target: 'node' },
    build: { ssr: input, outDir, emptyOutDir: false, rollupOptions: { output } },
  });
} else {
  const server = await createServer({
    ...shared,
    ssr: { noExternal: ['keelson'] },
    server: { middlewareMode: true, ws: false },
    appType: 'custom',
    optimizeDeps: { noDiscovery: true },
  });
  process.argv[2] = directory;
  await server.ssrLoadModule(input);
  await server.close();
}
