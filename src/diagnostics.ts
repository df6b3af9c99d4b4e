// Channels of node:diagnostics_channel that tell what stores do. A leaf.
//
// Subscribers are foreign code. They are called in a tick of their own, so they interrupt no write.

import { type Channel, channel } from 'node:diagnostics_channel';
import type { KeelsonError } from './errors.js';
import { nextTick } from './schedulers.js';

/** A store was opened. */
export interface OpenMessage {
  /** The absolute path of the directory. */
  readonly directory: string;
  /** How many milliseconds it took to load the store. */
  readonly durationMs: number;
  /** The LSN of the last write that was found. */
  readonly lastLsn: number;
}

/** A commit was written and flushed. */
export interface CommitMessage {
  /** The absolute path of the directory. */
  readonly directory: string;
  /** Everything up to this LSN is durable. */
  readonly durableLsn: number;
  /** The number of records in the commit. */
  readonly records: number;
  /** The bytes that were written, with headers and padding. */
  readonly bytes: number;
  /** How many milliseconds passed from the submission to the report that it is flushed. */
  readonly durationMs: number;
}

/** A checkpoint has started, made progress, completed or failed. */
export interface CheckpointMessage {
  /** The absolute path of the directory. */
  readonly directory: string;
  /** The CheckpointEvent that `db.on('checkpoint')` tells, of which this type has only what all of them have. */
  readonly event: { readonly type: 'started' | 'progress' | 'completed' | 'failed' };
}

/** A store or a journal takes no more writes. */
export interface PoisonedMessage {
  /** The absolute path of the directory. */
  readonly directory: string;
  /** The error because of which it takes none. */
  readonly error: KeelsonError;
}

/** A store was closed. */
export interface CloseMessage {
  /** The absolute path of the directory. */
  readonly directory: string;
}

/**
 * The messages of the channels of `node:diagnostics_channel`, by the name of the channel. They are about every store and
 * journal of this thread, and come in a tick of their own.
 *
 * @example
 * subscribe('keelson:commit', (message) => {
 *   const { durationMs } = message as DiagnosticMessages['keelson:commit'];
 *   flushes.observe(durationMs / 1000);
 * });
 */
export interface DiagnosticMessages {
  /** A store was opened. */
  readonly 'keelson:open': OpenMessage;
  /** A commit was written and flushed. */
  readonly 'keelson:commit': CommitMessage;
  /** A checkpoint has started, made progress, completed or failed. */
  readonly 'keelson:checkpoint': CheckpointMessage;
  /** A store or a journal takes no more writes. */
  readonly 'keelson:poisoned': PoisonedMessage;
  /** A store was closed. */
  readonly 'keelson:close': CloseMessage;
}

const CHANNELS: { readonly [Name in keyof DiagnosticMessages]: Channel } = {
  'keelson:open': channel('keelson:open'),
  'keelson:commit': channel('keelson:commit'),
  'keelson:checkpoint': channel('keelson:checkpoint'),
  'keelson:poisoned': channel('keelson:poisoned'),
  'keelson:close': channel('keelson:close'),
};

/** Returns true if somebody listens to a channel, so that no message is made for nobody. */
export function isHeard(name: keyof DiagnosticMessages): boolean {
  return CHANNELS[name].hasSubscribers;
}

/** Publishes a message after the current JavaScript has ended. An error of a subscriber is an uncaught exception. */
export function tell<Name extends keyof DiagnosticMessages>(
  name: Name,
  message: DiagnosticMessages[Name],
): void {
  const heard = CHANNELS[name];
  if (heard.hasSubscribers) nextTick(() => heard.publish(message));
}
