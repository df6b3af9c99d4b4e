// The guard of the page: who is answered at all. Pure. The address has a secret token, and the Host header must be the
// address itself, so that no site can have a browser ask by a name of its own that leads here.

import { timingSafeEqual } from 'node:crypto';

/** The parts of a request that the guard needs. */
export interface Asked {
  readonly method: string | undefined;
  readonly host: string | undefined;
  readonly url: string | undefined;
}

/** The address that the server answers to. */
export interface Gate {
  readonly port: number;
  readonly token: string;
}

/** A request that is let through, or the status that refuses it. */
export type Verdict =
  | { readonly isAllowed: true; readonly path: string; readonly query: URLSearchParams }
  | { readonly isAllowed: false; readonly status: 403 | 404 | 405; readonly why: string };

/** Judges a request. A path is what follows the token, as in `api/keys`; '' is the page. */
export function judge({ method, host, url }: Asked, { port, token }: Gate): Verdict {
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`)
    return refused(403, `Only 127.0.0.1:${port} and localhost:${port} are answered`);
  if (method !== 'GET') return refused(405, 'Only GET is answered');
  const [, first, path, query] = /^\/([^/?]*)\/([^?]*)(?:\?(.*))?$/s.exec(url ?? '') ?? [];
  if (first === undefined || !isSame(first, token))
    return refused(404, 'The address lacks the token that keelson inspect has printed');
  return { isAllowed: true, path: path!, query: new URLSearchParams(query) };
}

function refused(status: 403 | 404 | 405, why: string): Verdict {
  return { isAllowed: false, status, why };
}

/** Compares in a time that tells nothing about the token but its length. */
function isSame(given: string, token: string): boolean {
  const [bytes, expected] = [Buffer.from(given), Buffer.from(token)];
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

/** The headers of every answer. Nothing is kept, framed, or loaded from elsewhere, and no inline script runs. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
