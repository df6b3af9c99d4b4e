// Reads the configurations that LangGraph passes, and makes those that it gets back. Pure.

import { type BaseCheckpointSaver, getCheckpointId } from '@langchain/langgraph-checkpoint';
import { misuse } from '../errors.js';
import type { CheckpointKey } from './tables.js';

/** A configuration of a run, with what a saver needs in `configurable`. */
export type Config = Parameters<BaseCheckpointSaver['getTuple']>[0];

/** The place that a configuration names. */
export interface Place {
  readonly threadId: string | undefined;
  readonly namespace: string | undefined;
  readonly checkpointId: string | undefined;
}

const GIVE_THREAD = "Pass it to the graph: graph.invoke(input, { configurable: { thread_id: 'my-thread' } })";

/** Returns what a configuration names. Throws a TypeError for anything else than strings. */
export function placeOf(config: Config): Place {
  const configurable = config.configurable ?? {};
  const checkpointId = getCheckpointId(config);
  return {
    threadId: optionalString('thread_id', configurable['thread_id']),
    namespace: optionalString('checkpoint_ns', configurable['checkpoint_ns']),
    // The base class takes an empty id for none.
    checkpointId: checkpointId === '' ? undefined : optionalString('checkpoint_id', checkpointId),
  };
}

/** Returns the thread and the namespace of a configuration. Throws a TypeError when it names no thread. */
export function threadOf(config: Config): [threadId: string, namespace: string] {
  const { threadId, namespace = '' } = placeOf(config);
  return [checkString('config.configurable.thread_id', threadId, GIVE_THREAD), namespace];
}

/** Returns the key of the checkpoint that a configuration names. Throws a TypeError when it names none. */
export function keyOf(config: Config): CheckpointKey {
  const { checkpointId } = placeOf(config);
  return [...threadOf(config), checkString('config.configurable.checkpoint_id', checkpointId)];
}

/** Returns the configuration that names a checkpoint. */
export function configOf([thread_id, checkpoint_ns, checkpoint_id]: CheckpointKey): Config {
  return { configurable: { thread_id, checkpoint_ns, checkpoint_id } };
}

/** Returns `value` if it is a string. Otherwise throws a TypeError. */
export function checkString(argument: string, value: unknown, next?: string): string {
  if (typeof value !== 'string') throw misuse(argument, 'a string', value, next);
  return value;
}

function optionalString(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : checkString(`config.configurable.${name}`, value);
}
