// @ts-check
// A page that searches the cities of the world as you type, and draws them on a map.
//
//     node examples/city-search/server.js [PORT] [DIR]      serves the page on 127.0.0.1, by default on port 8080
//
// Reads are synchronous and take microseconds, so every letter is a request, and the server needs no cache.

import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCities, placesOf, search } from './cities.js';

const PAGE = fileURLToPath(new URL('page/', import.meta.url));
/** @type {Record<string, [file: string, type: string]>} */
const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript'],
  '/page.css': ['page.css', 'text/css'],
};

const [port = 8080, directory = join(tmpdir(), 'keelson-city-search')] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const { db, cities } = await openCities(directory);
const places = placesOf(cities);

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const file = FILES[pathname];
  if (pathname === '/search') {
    const startedMs = performance.now();
    const found = search(cities, searchParams.get('q') ?? '');
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ found, ms: performance.now() - startedMs }));
  } else if (pathname === '/places') {
    response.setHeader('Content-Type', 'application/octet-stream');
    response.end(Buffer.from(places.buffer));
  } else if (file !== undefined) {
    response.setHeader('Content-Type', file[1]);
    response.end(await readFile(join(PAGE, file[0])));
  } else {
    response.writeHead(404).end();
  }
});

server.listen(Number(port), '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`${cities.size} cities on http://127.0.0.1:${address.port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.closeAllConnections();
    server.close();
    await db.close();
  });
}
