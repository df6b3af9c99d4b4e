// The replication of a store to worker threads: for each replica a feed of durable records, of which the records are
// copied into messages.

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { isKeelsonError, KeelsonError } from '../../errors.js';
import type { LocalLog, RecordFeed } from '../../journal/internal.js';
import {
  type FromReplica,
  packRecords,
  REPLICA_PROTOCOL,
  sentError,
  type ToReplica,
} from './replica-messages.js';
import { resolveReplicateOptions } from './replicate-options.js';

/** The most bytes of records that are sent to a replica and that it has not applied. */
const CREDIT_BYTES_MAX = 8 * 1024 * 1024;

/** The most pieces of memory that are kept for further messages to a replica. */
const MEMORY_KEPT_MAX = 16;
/** The most bytes of a piece of memory that is kept for further messages to a replica. */
const MEMORY_BYTES_MAX = 1024 * 1024;

/** The store that is replicated. */
export interface ReplicatedStore {
  readonly directory: string;
  readonly id: string;
  readonly log: Pick<LocalLog, 'feed' | 'syncedLsn' | 'oldestLsn'>;
}

/** The replicas of one store. */
export class Replication {
  readonly #store: ReplicatedStore;
  readonly #senders = new Set<ReplicaSender>();

  constructor(store: ReplicatedStore) {
    this.#store = store;
  }

  /** The number of replicas, and of ports that were not opened yet. */
  get count(): number {
    return this.#senders.size;
  }

  /** Returns the port for one replica. Throws a TypeError for a wrong option. */
  replicate(options: unknown): MessagePort {
    const { maxLagBytes } = resolveReplicateOptions(options);
    const { port1, port2 } = new MessageChannel();
    const sender = new ReplicaSender(this.#store, port1, maxLagBytes, () => this.#senders.delete(sender));
    this.#senders.add(sender);
    return port2;
  }

  /** Ends all replicas: they show what they have. */
  close(): void {
    const { directory } = this.#store;
    for (const sender of this.#senders) {
      sender.end(
        new KeelsonError('KEELSON_CLOSED', `The store in ${directory} was closed`, { path: directory }),
      );
    }
  }
}

/** Sends the log to one replica. */
class ReplicaSender {
  readonly #store: ReplicatedStore;
  readonly #port: MessagePort;
  readonly #maxLagBytes: number;
  readonly #onEnd: () => void;
  #feed: RecordFeed;
  /** The LSN that the replica shows, and null while it loads the store. */
  #appliedLsn: number | null = null;
  /** The memory of messages that the replica has applied. */
  readonly #memory: ArrayBuffer[] = [];
  #isEnded = false;
  #wake = () => {};

  constructor(store: ReplicatedStore, port: MessagePort, maxLagBytes: number, onEnd: () => void) {
    this.#store = store;
    this.#port = port;
    this.#maxLagBytes = maxLagBytes;
    this.#onEnd = onEnd;
    this.#feed = this.#feedFrom(store.log.syncedLsn);
    port.on('message', (message: FromReplica) => this.#received(message));
    port.on('close', () => this.#finish());
    port.unref();
    this.#start();
    this.#run().catch((error) => this.end(error));
  }

  /** Tells the replica that nothing more follows. */
  end(error: unknown): void {
    if (!this.#isEnded && error instanceof KeelsonError)
      this.#send({ kind: 'ended', error: sentError(error) });
    this.#finish();
  }

  /** Has the replica load the store, while a feed keeps the log for it. */
  #start(): void {
    const { directory, id } = this.#store;
    this.#appliedLsn = null;
    this.#send({ kind: 'start', keelson: REPLICA_PROTOCOL, directory, id, lsn: this.#feed.lsn });
  }

  async #run(): Promise<void> {
    while (!this.#isEnded) {
      await this.#credit();
      if (this.#isEnded) return;
      try {
        const fromLsn = this.#feed.lsn;
        const window = await this.#feed.next();
        // The store closes its replicas itself.
        if (window === null) return;
        const message = packRecords(window, fromLsn, this.#memory.pop());
        if (message.length > 0) this.#send(message, [message.bytes]);
      } catch (error) {
        if (!isKeelsonError(error, 'KEELSON_HISTORY_GONE')) throw error;
        this.#restart();
      }
    }
  }

  /** Resolves when the replica may be sent more, or at the end. */
  async #credit(): Promise<void> {
    while (!this.#isEnded && !this.#hasCredit) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  get #hasCredit(): boolean {
    return this.#appliedLsn !== null && this.#feed.lsn - this.#appliedLsn < CREDIT_BYTES_MAX;
  }

  #received(message: FromReplica): void {
    if (this.#isEnded) return;
    if (message.kind === 'opened') this.#opened(message.lsn);
    else this.#applied(message.lsn, message.memory);
    if (this.#hasCredit) this.#wake();
  }

  /** Goes on behind what the replica has loaded. */
  #opened(lsn: number): void {
    if (this.#appliedLsn !== null) return;
    const loading = this.#feed;
    const { log } = this.#store;
    // The log was kept for the replica only up to its lag. What it needs may be there nevertheless.
    if (log.syncedLsn - loading.lsn > this.#maxLagBytes && lsn < log.oldestLsn) {
      this.#restart();
      return;
    }
    this.#feed = this.#feedFrom(lsn);
    loading.close();
    this.#appliedLsn = lsn;
  }

  #applied(lsn: number, memory: readonly ArrayBuffer[]): void {
    if (this.#appliedLsn !== null) this.#appliedLsn = lsn;
    for (const piece of memory)
      if (piece.byteLength <= MEMORY_BYTES_MAX && this.#memory.length < MEMORY_KEPT_MAX)
        this.#memory.push(piece);
  }

  /** Has the replica load the store anew, because it is too far behind. */
  #restart(): void {
    this.#feed.close();
    this.#feed = this.#feedFrom(this.#store.log.syncedLsn);
    this.#start();
  }

  #feedFrom(fromLsn: number): RecordFeed {
    const maxLagBytes = this.#maxLagBytes;
    return this.#store.log.feed({ fromLsn, isDefined: false, maxLagBytes, isPrompt: true });
  }

  #send(message: ToReplica, transferred: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transferred);
  }

  #finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#feed.close();
    this.#port.close();
    this.#onEnd();
    this.#wake();
  }
}
