// A page of `keelson inspect` in this process, and raw requests to it. The page itself comes from dist/.

import { once } from 'node:events';
import http from 'node:http';
import { onTestFinished } from 'vitest';
import { AnyStore } from '../../src/cli/any-store.js';
import { type Inspector, startInspector } from '../../src/cli/inspect/server.js';

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** Starts the page of a store. */
export async function startPage(directory: string): Promise<Inspector & { readonly store: AnyStore }> {
  const store = await AnyStore.open({ directory, readOnly: true });
  const inspector = await startInspector(store, 0);
  let closing: Promise<void> | null = null;
  const close = () => {
    closing ??= inspector.close().then(() => store.db.close());
    return closing;
  };
  return { url: inspector.url, store, close };
}

/** Starts the page of a store. It ends with the test at the latest. */
export async function inspectStore(directory: string): ReturnType<typeof startPage> {
  const page = await startPage(directory);
  onTestFinished(page.close);
  return page;
}

/** Asks for a path below the address of the page. Nothing is normalised, as fetch() would do. */
export async function request(
  url: string,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: http.OutgoingHttpHeaders } = {},
): Promise<Answered> {
  const { hostname, port, pathname } = new URL(url);
  const asked = http.request({ hostname, port, path: pathname + path, method, headers, agent: false });
  asked.end();
  const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode!, headers: response.headers, text };
}

/** Asks the page a question. */
// biome-ignore lint/suspicious/noExplicitAny: the test says what is answered.
export async function ask(url: string, path: string, parameters: Record<string, string> = {}): Promise<any> {
  const { text } = await request(url, `api/${path}?${new URLSearchParams(parameters)}`);
  return JSON.parse(text);
}

/** Listens to the live events. `until` resolves with what was heard when it fits. */
export async function listen(url: string) {
  const { hostname, port, pathname } = new URL(url);
  const asked = http.get({ hostname, port, path: `${pathname}api/live`, agent: false });
  const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
  let text = '';
  response.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const isEnded = new Promise<void>((resolve) => response.once('close', resolve));
  response.on('error', () => {});
  return {
    response,
    isEnded,
    leave: () => asked.destroy(),
    until: async (pattern: RegExp): Promise<string> => {
      while (!pattern.test(text)) await once(response, 'data');
      return text;
    },
  };
}
