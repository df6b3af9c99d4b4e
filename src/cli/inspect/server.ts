// The server of the page, on 127.0.0.1 only. guard.ts says who is answered, and the files beside it what.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AnyStore } from '../any-store.js';
import { CommandError, EXIT, reportOf } from '../command-errors.js';
import { answerEntry, answerKeys, answerStore } from './api.js';
import { judge, SAFE_HEADERS } from './guard.js';
import { answerHistory } from './history.js';
import { answerFiles, answerSegment } from './journal-facts.js';
import { liveEvents } from './live.js';
import { readPageFiles } from './page-files.js';

/** A key of 65,536 bytes takes this much in an address. */
const HEADER_BYTES_MAX = 512 * 1024;
const PAGES_MAX = 16;

/** A running server. */
export interface Inspector {
  /** The address of the page, with its token. */
  readonly url: string;
  /** Ends all answers, and then the server. The store stays open. */
  close(): Promise<void>;
}

type Answer = (store: AnyStore, query: URLSearchParams, signal: AbortSignal) => unknown;

const ANSWERS: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ['api/store', answerStore],
  ['api/keys', answerKeys],
  ['api/entry', answerEntry],
  ['api/history', answerHistory],
  ['api/files', ({ db }) => answerFiles(db.directory)],
  ['api/segment', ({ db }, query, signal) => answerSegment(db.directory, query, signal)],
]);

/** Starts the server for a store that was opened read-only. Port 0 is any that is free. */
export async function startInspector(store: AnyStore, port: number): Promise<Inspector> {
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    const isTaken = error.code === 'EADDRINUSE';
    const next = 'Give another --port; without it, one that is free is taken';
    throw new CommandError('USAGE', `Port ${port} ${isTaken ? 'is in use' : 'is refused'}`, next);
  });
  const token = randomBytes(24).toString('base64url');
  const address = server.address() as { readonly port: number };
  const handler = new Handler(store, { port: address.port, token });
  server.on('request', (request, response) => void handler.handle(request, response));
  return {
    url: `http://127.0.0.1:${address.port}/${token}/`,
    close: () => closed(server, handler),
  };
}

async function closed(server: Server, handler: Handler): Promise<void> {
  const isClosed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await isClosed;
  await handler.ended();
}

/** Answers requests. */
class Handler {
  readonly #store: AnyStore;
  readonly #gate: { readonly port: number; readonly token: string };
  readonly #files = readPageFiles();
  /** The answers under way. They read the store, which must not be closed under them. */
  readonly #running = new Set<Promise<void>>();
  #pages = 0;

  constructor(store: AnyStore, gate: { readonly port: number; readonly token: string }) {
    this.#store = store;
    this.#gate = gate;
  }

  /** Resolves when no answer is under way. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Answers a request. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const running = this.#answer(request, response, gone.signal).catch(() => void response.destroy());
    this.#running.add(running);
    await running;
    this.#running.delete(running);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { method, url } = request;
    const verdict = judge({ method, url, host: request.headers.host }, this.#gate);
    if (!verdict.isAllowed) {
      const allow = verdict.status === 405 ? { allow: 'GET' } : {};
      send(response, verdict.status, 'text/plain; charset=utf-8', `${verdict.why}.\n`, allow);
      return;
    }
    const { path, query } = verdict;
    const file = this.#files.get(path);
    const answer = ANSWERS.get(path);
    if (file !== undefined) send(response, 200, file.type, file.bytes);
    else if (path === 'api/live') await this.#sendEvents(response, signal);
    else if (answer !== undefined) await this.#sendAnswer(response, () => answer(this.#store, query, signal));
    else send(response, 404, 'text/plain; charset=utf-8', 'There is nothing here.\n');
  }

  async #sendAnswer(response: ServerResponse, answer: () => unknown): Promise<void> {
    try {
      await this.#store.refresh();
      sendJson(response, 200, await answer());
    } catch (error) {
      const { code, what, next, exitCode } = reportOf(error);
      const status = exitCode === EXIT.misuse ? 400 : code === 'NO_NAMESPACE' ? 404 : 500;
      sendJson(response, status, { error: { code, what, next } });
    }
  }

  async #sendEvents(response: ServerResponse, signal: AbortSignal): Promise<void> {
    if (this.#pages === PAGES_MAX) {
      send(response, 503, 'text/plain; charset=utf-8', `${PAGES_MAX} pages are open. Close one.\n`);
      return;
    }
    this.#pages++;
    try {
      response.writeHead(200, { ...SAFE_HEADERS, 'content-type': 'text/event-stream' });
      for await (const { event, ...facts } of liveEvents(this.#store, signal)) {
        const hasRoom = response.write(`event: ${event}\ndata: ${JSON.stringify(facts)}\n\n`);
        // A slow page gets fewer events, instead of all of them from memory.
        if (!hasRoom) await once(response, 'drain', { signal }).catch(() => {});
      }
      response.end();
    } finally {
      this.#pages--;
    }
  }
}

function sendJson(response: ServerResponse, status: number, facts: unknown): void {
  send(response, status, 'application/json; charset=utf-8', JSON.stringify(facts));
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...SAFE_HEADERS, 'content-type': type, ...headers });
  response.end(body);
}
