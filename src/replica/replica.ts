// A replica: the reads of a store, and the records that another thread sends.

import type { MessagePort } from 'node:worker_threads';
import { KeelsonError, misuse } from '../errors.js';
import type { Lsn, Reads } from '../kv/index.js';
import type {
  FromReplica,
  IndexedNamespace,
  RecordsMessage,
  ReplicaStore,
  ToReplica,
} from '../kv/internal.js';
import { ReceivedRecords, receivedError, sentError } from '../kv/internal.js';
import { checkNames } from '../options.js';
import { nextTurn } from '../schedulers.js';
import type { Inbox } from './inbox.js';
import type { Replica as ReplicaSurface, WhenAtOptions } from './replica-interface.js';
import { ReplicaReads } from './replica-reads.js';
import { Waits } from './waits.js';

/** The milliseconds for which records are applied before the event loop has a turn. */
const SLICE_MS = 2;
/** The records that are applied between two looks at the clock. */
const RECORDS_PER_LOOK = 64;
/** The store hears of what was applied after so many messages, or bytes of records. */
const TOLD_MESSAGES = 16;
const TOLD_BYTES = 1024 * 1024;

/** An open replica. replica-interface.ts documents it for callers. */
export class Replica<K, V> extends ReplicaReads<K, V> implements ReplicaSurface<K, V> {
  readonly #store: ReplicaStore;
  readonly #port: MessagePort;
  readonly #waits: Waits;
  #ended: KeelsonError | null = null;
  /** The messages that wait. */
  readonly #messages: ToReplica[] = [];
  #isApplying = false;
  /** The time at which the event loop is to have a turn, and the records that were applied since the last look at it. */
  #sliceEndMs = 0;
  #sinceLook = 0;
  /** The memory of the messages that were applied and that the store has not heard of, and the bytes of their records. */
  #memory: ArrayBuffer[] = [];
  #untoldBytes = 0;
  #closing: Promise<void> | null = null;

  constructor(store: ReplicaStore, port: MessagePort, inbox: Inbox) {
    super(store.reads as Reads<K, V>);
    this.#store = store;
    this.#port = port;
    this.#waits = new Waits((isWaiting) => (isWaiting ? port.ref() : port.unref()));
    port.unref();
    this.#tellOpened();
    inbox.open(
      (message) => this.#received(message as ToReplica),
      () => this.#received({ kind: 'ended', error: sentError(portClosed()) }),
    );
  }

  get lsn(): Lsn {
    return this.#store.lsn;
  }

  whenAt(lsn: number, options: WhenAtOptions = {}): Promise<Lsn> {
    if (!Number.isSafeInteger(lsn) || lsn < 0) throw misuse('lsn', 'an integer of at least 0', lsn);
    checkNames('whenAt', options, ['signal']);
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal))
      throw misuse("whenAt option 'signal'", 'an AbortSignal', signal);
    if (this.#closing !== null) return Promise.reject(closedReplica());
    if (lsn <= this.lsn) return Promise.resolve(this.lsn);
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return this.#waits.add(lsn, signal);
  }

  namespace(name: string, options?: object): never {
    return new ReplicaNamespace(name, this.#store.namespace(name, options)) as never;
  }

  namespaces(): string[] {
    return this.#store.namespaces();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#end(closedReplica());
    this.#port.close();
    await this.#store.close();
  }

  #received(message: ToReplica): void {
    this.#messages.push(message);
    if (!this.#isApplying) void this.#applyAll();
  }

  /** Applies all messages, from the next turn on, so that those of one turn are applied together. */
  async #applyAll(): Promise<void> {
    this.#isApplying = true;
    try {
      await this.#turn();
      for (let message = this.#messages.shift(); message !== undefined; message = this.#messages.shift()) {
        if (this.#closing !== null) break;
        if (message.kind === 'ended') this.#end(receivedError(message.error));
        else if (message.kind === 'start') await this.#reload(message.lsn);
        else await this.#apply(message);
      }
      this.#isApplying = false;
    } catch (error) {
      // A record could not be applied, so no later one may be: `#isApplying` stays.
      this.#end(error as KeelsonError);
      this.#port.close();
    }
  }

  async #turn(): Promise<void> {
    await nextTurn();
    this.#sinceLook = 0;
    this.#sliceEndMs = this.#store.nowMs() + SLICE_MS;
  }

  async #reload(lsn: number): Promise<void> {
    await this.#store.reload(lsn);
    this.#waits.reached(this.lsn);
    this.#tellOpened();
  }

  async #apply(message: RecordsMessage): Promise<void> {
    const records = new ReceivedRecords(message);
    while (records.next()) {
      this.#store.receive(records.lsn, records.bytes, records.start, records.end);
      if (++this.#sinceLook < RECORDS_PER_LOOK) continue;
      this.#sinceLook = 0;
      if (this.#store.nowMs() < this.#sliceEndMs) continue;
      this.#applied();
      await this.#turn();
      if (this.#closing !== null) return;
    }
    this.#applied();
    this.#memory.push(message.bytes);
    this.#untoldBytes += message.length;
    if (this.#memory.length >= TOLD_MESSAGES || this.#untoldBytes >= TOLD_BYTES) this.#tellApplied();
  }

  #applied(): void {
    this.#store.received();
    this.#waits.reached(this.lsn);
  }

  #tellOpened(): void {
    this.#tell({ kind: 'opened', lsn: this.lsn });
  }

  #tellApplied(): void {
    const memory = this.#memory;
    this.#memory = [];
    this.#untoldBytes = 0;
    this.#tell({ kind: 'applied', lsn: this.lsn, memory }, memory);
  }

  #tell(message: FromReplica, transferred: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transferred);
  }

  /** Ends the waits that nothing will fulfil. The replica can be read on. */
  #end(error: KeelsonError): void {
    this.#ended ??= error;
    this.#waits.end(this.#ended);
  }
}

/** A namespace of a replica. */
class ReplicaNamespace extends ReplicaReads<unknown, unknown> {
  readonly name: string;
  readonly #namespace: IndexedNamespace;

  constructor(name: string, namespace: IndexedNamespace) {
    super(namespace);
    this.name = name;
    this.#namespace = namespace;
  }

  get ready(): Promise<this> {
    const ready = this.#namespace.ready.then(() => this);
    // Nobody has to wait for indexes.
    ready.catch(() => {});
    return ready;
  }

  get indexes(): object {
    return this.#namespace.indexes;
  }
}

function closedReplica(): KeelsonError {
  const next = 'Open another one with a port of its own, from db.replicate()';
  return new KeelsonError('KEELSON_CLOSED', { what: 'The replica is closed', next });
}

function portClosed(): KeelsonError {
  const next = 'Open another one with a port of its own, from db.replicate()';
  return new KeelsonError('KEELSON_CLOSED', { what: 'The port of the replica was closed', next });
}
