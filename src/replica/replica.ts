// A replica: the reads of a store, and the records that another thread sends.

import type { MessagePort } from 'node:worker_threads';
import { KeelsonError, misuse } from '../errors.js';
import type { Lsn, Reads } from '../kv/index.js';
import type { IndexedNamespace, RecordsMessage, ReplicaStore, ToReplica } from '../kv/internal.js';
import { receivedError, unpackRecords } from '../kv/internal.js';
import { checkNames } from '../options.js';
import { nextTurn } from '../schedulers.js';
import type { Inbox } from './inbox.js';
import type { Replica as ReplicaSurface, WhenAtOptions } from './replica-interface.js';
import { ReplicaReads } from './replica-reads.js';
import { Waits } from './waits.js';

/** The bytes of records that are applied before the event loop has a turn. */
const SLICE_BYTES = 256 * 1024;

/** An open replica. replica-interface.ts documents it for callers. */
export class Replica<K, V> extends ReplicaReads<K, V> implements ReplicaSurface<K, V> {
  readonly #store: ReplicaStore;
  readonly #port: MessagePort;
  readonly #waits: Waits;
  #ended: KeelsonError | null = null;
  /** Resolves when all messages so far have been applied. */
  #applying: Promise<void> = Promise.resolve();
  #closing: Promise<void> | null = null;

  constructor(store: ReplicaStore, port: MessagePort, inbox: Inbox) {
    super(store.reads as Reads<K, V>);
    this.#store = store;
    this.#port = port;
    this.#waits = new Waits((isWaiting) => (isWaiting ? port.ref() : port.unref()));
    port.unref();
    this.#tell('opened');
    inbox.open(
      (message) => this.#received(message as ToReplica),
      () => this.#end(portClosed()),
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
    this.#applying = this.#applying
      .then(() => this.#take(message))
      .catch((error) => {
        this.#end(error);
        this.#port.close();
      });
  }

  async #take(message: ToReplica): Promise<void> {
    if (this.#closing !== null) return;
    if (message.kind === 'ended') this.#end(receivedError(message.error));
    else if (message.kind === 'records') {
      await this.#apply(message);
      this.#tell('applied');
    } else {
      await this.#store.reload(message.lsn);
      this.#waits.reached(this.lsn);
      this.#tell('opened');
    }
  }

  async #apply(message: RecordsMessage): Promise<void> {
    let sliceEnd = SLICE_BYTES;
    for (const { lsn, bytes, start, end } of unpackRecords(message)) {
      this.#store.receive(lsn, bytes, start, end);
      if (end < sliceEnd) continue;
      sliceEnd = end + SLICE_BYTES;
      this.#applied();
      await nextTurn();
      if (this.#closing !== null) return;
    }
    this.#applied();
  }

  #applied(): void {
    this.#store.received();
    this.#waits.reached(this.lsn);
  }

  #tell(kind: 'opened' | 'applied'): void {
    this.#port.postMessage({ kind, lsn: this.lsn });
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

  get ready(): Promise<void> {
    const ready = this.#namespace.ready.then(() => {});
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
