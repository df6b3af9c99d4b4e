// The session store for express-session and @fastify/session, over a store or a namespace.

import { EventEmitter } from 'node:events';
import { CollectionSource, type StringCollection } from '../doors/collection-source.js';
import type { DirectoryPath } from '../kv/index.js';
import { resolveSessionOptions, type SessionStoreOptions } from './options.js';
import { expiryOf, restoredSession, savedSession } from './saved-session.js';

/** Any value of the frameworks. */
// biome-ignore lint/suspicious/noExplicitAny: the types of sessions and requests belong to the frameworks.
type Any = any;
/** A callback of the frameworks. */
type Callback<T = void> = (error?: Any, result?: T) => void;

/** The kinds of sessions and cookies that express-session makes. It does not hand them to stores. */
interface Kinds {
  readonly Session: new (req: Any, data: Any) => Any;
  readonly cookiePrototype: object;
}

/**
 * A session store for express-session and @fastify/session. A session is saved when it is durable, and leaves the store when
 * its cookie expires. Sessions are kept as JSON would keep them.
 *
 * Methods do not throw. An error is given to the callback: a TypeError for a wrong id, KEELSON_CLOSED after close(), what a
 * write to a store throws, and for a directory what open() rejects with. Where the caller gives no callback, the error becomes
 * an unhandled rejection.
 *
 * @example
 * const db = await open('./data');
 * app.use(session({ store: new KeelsonSessionStore(db.namespace('sessions')), secret, resave: false, saveUninitialized: false }));
 */
export class KeelsonSessionStore extends EventEmitter {
  /** Makes a new session for a request. express-session sets it. */
  generate: ((req: Any) => void) | undefined;
  readonly #source: CollectionSource;
  readonly #ttl: number;
  #kinds: Kinds | null = null;

  /**
   * Makes a session store. The keys are the ids of the sessions, so give a store or a namespace where nothing else is.
   *
   * @param store An open store or a namespace whose keys are strings, or a directory, which is opened at the first use.
   * @param options By default, a session whose cookie has no end lives for a day.
   * @throws A TypeError for anything else, and for a wrong or unknown option.
   * @example
   * const sessions = new KeelsonSessionStore('./sessions', { ttl: 7 * 86_400_000 });
   */
  constructor(store: StringCollection | DirectoryPath, options?: SessionStoreOptions) {
    super();
    this.#source = new CollectionSource('store', store);
    this.#ttl = resolveSessionOptions(options).ttl;
  }

  /** Calls `callback` with the session of the id `sid`, or with undefined when it is absent or expired. */
  get(sid: string, callback: Callback<Any>): void {
    this.#answer(callback, (store) => {
      const entry = store.getEntry(sid);
      return entry && restoredSession(entry);
    });
  }

  /**
   * Saves `session` under the id `sid`, and calls `callback` when it is durable. The session expires when its cookie does, or
   * after the option `ttl`.
   */
  set(sid: string, session: Any, callback?: Callback): void {
    this.#answer(callback, async (store) => {
      const saved = savedSession(session);
      await store.put(sid, saved, expiryOf(saved, this.#ttl));
    });
  }

  /** Removes the session of the id `sid`, and calls `callback` when its removal is durable. */
  destroy(sid: string, callback?: Callback): void {
    this.#answer(callback, async (store) => {
      await store.delete(sid);
    });
  }

  /**
   * Gives the session of the id `sid` the deadline of the cookie of `session`. Calls `callback` without waiting for the disk: a
   * power cut may take the last touches back, and with them some of the time to live.
   */
  touch(sid: string, session: Any, callback?: Callback): void {
    this.#answer(callback, async (store) => {
      const expiry = expiryOf(savedSession({ cookie: session.cookie }), this.#ttl);
      await store.touch(sid, { ...expiry, durability: 'memory' });
    });
  }

  /** Calls `callback` with an array of all sessions, in the order of their ids. */
  all(callback: Callback<Any[]>): void {
    this.#answer(callback, (store) => Array.from(store.getEntries(), restoredSession));
  }

  /** Calls `callback` with the number of sessions. */
  length(callback: Callback<number>): void {
    this.#answer(callback, (store) => store.size);
  }

  /** Removes all sessions as one atomic write, and calls `callback` when their removal is durable. */
  clear(callback?: Callback): void {
    this.#answer(callback, async (store) => {
      await store.clear();
    });
  }

  /** Removes the session of the request `req`, makes a new one, and calls `callback`. express-session calls it. */
  regenerate(req: Any, callback: Callback): void {
    this.destroy(req.sessionID, (error) => {
      this.generate!(req);
      callback(error);
    });
  }

  /** Calls `callback` with the session of the id `sid`, made for a request of its own. */
  load(sid: string, callback: Callback<Any>): void {
    this.get(sid, (error, found) => {
      if (error || !found) return callback(error);
      callback(null, this.createSession({ sessionID: sid, sessionStore: this }, found));
    });
  }

  /** Makes the session of the request `req` from the data `found` by get(). express-session calls it. */
  createSession(req: Any, found: Any): Any {
    const { Session, cookiePrototype } = this.#kindsFor(req);
    const { expires, originalMaxAge } = found.cookie;
    const cookie = Object.create(cookiePrototype);
    Object.assign(cookie, { path: '/', maxAge: null, httpOnly: true }, found.cookie);
    if (typeof expires === 'string') cookie.expires = new Date(expires);
    // Setting `expires` has changed it.
    cookie.originalMaxAge = originalMaxAge;
    req.session = new Session(req, { ...found, cookie });
    return req.session;
  }

  /**
   * Ends the session store, and closes a directory if nobody else uses it. A store that was given stays open. Never rejects.
   */
  close(): Promise<void> {
    return this.#source.close();
  }

  /** Takes the kinds from a session that express-session makes for a stand-in of the request. */
  #kindsFor(req: Any): Kinds {
    if (this.#kinds === null) {
      const standIn = Object.create(req);
      this.generate!(standIn);
      const { session } = standIn;
      this.#kinds = {
        Session: session.constructor,
        cookiePrototype: Object.getPrototypeOf(session.cookie),
      };
    }
    return this.#kinds;
  }

  #answer<T>(callback: Callback<T> | undefined, work: (store: StringCollection) => T | Promise<T>): void {
    const answer = (async () => work(await this.#source.get()))();
    if (callback === undefined) return;
    // In a turn of its own, so that what the callback throws is its own error and not one of the store.
    answer.then(
      (result) => setImmediate(callback, null, result),
      (error) => setImmediate(callback, error),
    );
  }
}
