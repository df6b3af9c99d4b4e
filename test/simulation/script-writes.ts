// The writes of a script that are one call: how they are made, whether their conditions hold, and what they make of the
// model.

import type { Namespace } from '../../src/kv/index.js';
import { encodingsOf, putValue, type Script, type Step, storeKey } from './script.js';
import {
  type Contents,
  handleOf,
  modelWrite,
  type ScriptStore,
  versionIn,
  withoutNamespace,
  written,
} from './script-model.js';

export type WriteCall = Extract<Step, { do: 'put' | 'touch' | 'delete' | 'clear' | 'batch' | 'drop' }>;

/** Makes the call. The conditions name versions of `contents`, or others where they are not to hold. */
export function callWrite(
  store: ScriptStore,
  script: Script,
  step: WriteCall,
  contents: Contents,
): Promise<number> {
  const options = step.memory ? ({ durability: 'memory' } as const) : {};
  const into = handleOf(store, script, step.do === 'batch' ? '' : step.in);
  switch (step.do) {
    case 'put':
    case 'delete': {
      const key = keyIn(script, step);
      const version = versionIn(contents, step.in, step.key);
      const condition = step.if === undefined ? {} : { ifVersion: step.if ? version : otherThan(version) };
      if (step.do === 'delete') return into.delete(key, { ...options, ...condition });
      const expiry = step.ttl === undefined ? {} : { ttl: step.ttl };
      const given = { ...options, ...condition, ...expiry };
      return into.put(key, putValue(encodingsOf(script, step.in), step.value), given);
    }
    case 'touch':
      return into.touch(keyIn(script, step), { ...options, ttl: step.ttl });
    case 'clear':
      return into.clear(rangeOf(script, step), options);
    case 'drop':
      return store.drop(step.byName ? step.in : (into as Namespace<unknown, unknown>), options);
    case 'batch':
      return store.batch(batchOf(store, script, step, contents), options);
  }
}

function batchOf(
  store: ScriptStore,
  script: Script,
  step: Extract<WriteCall, { do: 'batch' }>,
  contents: Contents,
) {
  return step.operations.map((operation) => {
    const { in: name } = operation;
    const namespace =
      name === undefined ? {} : { namespace: handleOf(store, script, name) as Namespace<unknown, unknown> };
    if (operation.do === 'clear')
      return { type: 'clear' as const, ...rangeOf(script, operation), ...namespace };
    const key = keyIn(script, operation);
    if (operation.do === 'delete') return { type: 'delete' as const, key, ...namespace };
    if (operation.do === 'check') {
      const version = versionIn(contents, name, operation.key);
      const wanted = operation.if ? version : otherThan(version);
      return { type: 'check' as const, key, version: wanted, ...namespace };
    }
    const value = putValue(encodingsOf(script, name), operation.value);
    return { type: 'put' as const, key, value, ...namespace };
  });
}

/** Returns true when all conditions of the call hold. */
export function conditionsHold(step: WriteCall): boolean {
  if (step.do === 'put' || step.do === 'delete') return step.if !== false;
  if (step.do !== 'batch') return true;
  return step.operations.every((operation) => operation.do !== 'check' || operation.if);
}

/** Returns what the call makes of the contents when the clock shows `now`. */
export function afterWrite(
  script: Script,
  contents: Contents,
  step: WriteCall,
  lsn: number,
  now: number,
): Contents {
  if (step.do === 'drop') return withoutNamespace(contents, step.in);
  if (step.do !== 'batch') return written(contents, modelWrite(script, step, now), lsn, true);
  let after = contents;
  for (const operation of step.operations)
    if (operation.do !== 'check') after = written(after, modelWrite(script, operation), lsn);
  return after;
}

function keyIn(script: Script, step: { readonly key: string; readonly in?: string }): unknown {
  return storeKey(encodingsOf(script, step.in), step.key);
}

function rangeOf(
  script: Script,
  step: {
    readonly from: string;
    readonly to: string;
    readonly in?: string;
    limit?: number;
    reverse?: boolean;
  },
) {
  const { from, to, in: name, limit, reverse } = step;
  const encodings = encodingsOf(script, name);
  return {
    gte: storeKey(encodings, from),
    lt: storeKey(encodings, to),
    ...(limit === undefined ? {} : { limit }),
    ...(reverse === undefined ? {} : { reverse }),
  };
}

function otherThan(version: number): number {
  if (version === 0) return 1;
  return version % 2 === 0 ? 0 : version - 1;
}
