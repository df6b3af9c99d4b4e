// The entry point of "keelson/session": a session store for express-session and @fastify/session.

import '../node-version.js';

export { KeelsonSessionStore as default, KeelsonSessionStore } from './keelson-session-store.js';
export type { SessionStoreOptions } from './options.js';
