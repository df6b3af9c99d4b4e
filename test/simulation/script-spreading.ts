// Spreads the steps of a script over the store and its namespaces, and puts conditions, drops, ids and transactions between
// them. It has random numbers of its own, so that it changes nothing else of a script.

import type { Random } from '../../src/testing/random.js';
import {
  type BatchStep,
  type ClearStep,
  KEYS,
  NAMESPACES,
  type PutStep,
  type ReadPart,
  type Step,
  type TransactionPart,
  type TransactionStep,
  type WriteStep,
} from './script.js';

/** Above the numbers of all other values. */
const FIRST_NUMBER = 100_000;
const PARTS_MAX = 6;

/** Spreads the steps of one script. */
export class Spreading {
  readonly #random: Random;
  #number = FIRST_NUMBER;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Returns the steps with a namespace for many of them, and with steps of other kinds between them. */
  spread(steps: readonly Step[]): Step[] {
    return steps.flatMap((step) => {
      const spread = this.#spread(step);
      return this.#random.chance(0.35) ? [spread, this.#extra()] : [spread];
    });
  }

  #spread(step: Step): Step {
    const random = this.#random;
    switch (step.do) {
      case 'put':
      case 'delete': {
        const condition = random.chance(0.2) ? { if: random.chance(0.7) } : {};
        return { ...step, ...this.#in(), ...condition };
      }
      case 'clear':
        return { ...step, ...this.#in(), ...this.#limit(0.5) };
      case 'iterate':
        return { ...step, ...this.#in() };
      case 'batch': {
        const operations: BatchStep[] = step.operations.map((operation) => this.#operation(operation));
        for (let checks = random.below(3); checks > 0; checks--)
          operations.splice(random.below(operations.length + 1), 0, this.#check());
        return { ...step, operations };
      }
      default:
        return step;
    }
  }

  #operation(operation: BatchStep): BatchStep {
    const limit = operation.do === 'clear' ? this.#limit(0.4) : {};
    return { ...operation, ...this.#in(), ...limit } as BatchStep;
  }

  #check(): BatchStep {
    return { do: 'check', key: this.#key(), if: this.#random.chance(0.85), ...this.#in() };
  }

  #extra(): Step {
    const random = this.#random;
    const kind = random.below(20);
    if (kind < 2)
      return {
        do: 'drop',
        in: random.pick([...NAMESPACES.keys()]),
        byName: random.chance(0.5),
        ...this.#waiting(),
      };
    if (kind < 5) return { do: 'draw', key: random.chance(0.5) ? this.#key() : null, ...this.#in() };
    if (kind < 7) return { do: 'batch', operations: [this.#check(), this.#check()] };
    return this.#transaction();
  }

  #transaction(): TransactionStep {
    const random = this.#random;
    const isAsync = random.chance(0.65);
    const parts = this.#parts(isAsync, 0);
    return {
      do: 'transaction',
      isAsync,
      parts: isAsync && random.chance(0.6) ? [...this.#lookAndWait(), ...parts] : parts,
      throws: random.chance(0.15),
      ...(random.chance(0.3) ? { maxAttempts: 1 + random.below(3) } : {}),
      ...this.#waiting(),
    };
  }

  /** Reads, and gives others time to change what was read. */
  #lookAndWait(): TransactionPart[] {
    const reads = Array.from({ length: 1 + this.#random.below(3) }, () => ({
      ...this.#read(),
      ...this.#in(),
    }));
    return [...reads, { do: 'turns', count: 1 + this.#random.below(4) }];
  }

  #parts(isAsync: boolean, depth: number): TransactionPart[] {
    return Array.from({ length: 1 + this.#random.below(PARTS_MAX) }, () => this.#part(isAsync, depth));
  }

  #part(isAsync: boolean, depth: number): TransactionPart {
    const random = this.#random;
    const kind = random.below(24);
    if (kind < 6) return { ...this.#put(), ...this.#in() };
    if (kind < 8) return { do: 'delete', key: this.#key(), ...this.#in() };
    if (kind < 9) return { ...this.#clear(), ...this.#in() };
    if (kind < 10) return { do: 'draw', key: this.#key(), ...this.#in() };
    if (kind < 11) return { do: 'at commit', key: this.#key(), throws: random.chance(0.1), ...this.#in() };
    if (kind < 13 && depth < 2)
      return { do: 'nested', parts: this.#parts(isAsync, depth + 1), throws: random.chance(0.4) };
    if (kind < 17)
      return isAsync ? { do: 'turns', count: random.below(3) } : { do: 'outside', key: this.#key() };
    return { ...this.#read(), ...this.#in() };
  }

  #read(): ReadPart {
    const random = this.#random;
    const { from, to } = this.#clear();
    switch (random.below(7)) {
      case 0:
        return { do: 'rank', key: this.#key() };
      case 1:
        return { do: 'count', from, to };
      case 2:
        return { do: 'nth', at: random.below(9) - 4 };
      case 3:
        return { do: 'size' };
      case 4:
        return { do: 'scan', from, to, reverse: random.chance(0.5), count: 1 + random.below(4) };
      default:
        return { do: 'get', key: this.#key() };
    }
  }

  /** Small: a transaction is one commit, and what it has written is a fact only when its commit has returned. */
  #put(): PutStep {
    this.#number += 1;
    return {
      do: 'put',
      key: this.#key(),
      value: { number: this.#number, bytes: 8 + this.#random.below(200) },
    };
  }

  #clear(): ClearStep {
    const [from, to] = [this.#key(), this.#key()].sort() as [string, string];
    return { do: 'clear', from, to };
  }

  #limit(chance: number): Pick<Extract<WriteStep, { do: 'clear' }>, 'limit' | 'reverse'> {
    const random = this.#random;
    return random.chance(chance) ? { limit: random.below(4), reverse: random.chance(0.5) } : {};
  }

  #in(): { readonly in?: string } {
    const random = this.#random;
    return random.chance(0.6) ? { in: random.pick([...NAMESPACES.keys()]) } : {};
  }

  #waiting(): { readonly wait?: true; readonly memory?: true } {
    const random = this.#random;
    return random.chance(0.3) ? { wait: true } : random.chance(0.15) ? { memory: true } : {};
  }

  #key(): string {
    return this.#random.pick(KEYS);
  }
}
