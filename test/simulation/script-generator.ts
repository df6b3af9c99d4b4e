// Scripts from seeds. Limits are tiny, so that every edge is met often: blocks of 512 bytes, segments of a few of them,
// buffers that one write fills, values larger than a segment, checkpoints every few writes.

import type { OperationName } from '../../src/testing/index.js';
import { mixSeeds, Random } from '../../src/testing/random.js';
import {
  type ClearStep,
  type FaultPlan,
  KEYS,
  type LifeOptions,
  type PutStep,
  type Script,
  type ScriptValue,
  type Step,
  type WriteStep,
} from './script.js';
import { withDeadlines } from './script-deadlines.js';
import { Spreading } from './script-spreading.js';

export interface ScriptKind {
  /** 0 or 1 of the things that can be wrong with a disk; null: by the seed. */
  readonly trouble: 'none' | 'fault' | 'full' | 'silent' | null;
}

const NAMES = ['one', 'two'];
/** How often a script is one long life with checkpoints all the time: files are retired and used again. */
const CHURN_CHANCE = 0.25;
/** How often keys are tuples. It is drawn apart, so that it changes nothing else of a script. */
const TUPLES_CHANCE = 0.25;
/** How often steps are spread over namespaces, with transactions between them. */
const SPREAD_CHANCE = 0.5;
/** How often entries expire. */
const DEADLINES_CHANCE = 0.5;

/** How often namespaces have indexes. */
const INDEXES_CHANCE = 0.5;

/** The chance that a store retains history behind its image. */
const RETAIN_CHANCE = 0.3;

export function generateScript(seed: number, { trouble }: ScriptKind = { trouble: null }): Script {
  const random = new Random(mixSeeds(seed, 0x5c817));
  const generator = new Generator(random);
  const kind =
    trouble ?? random.pick(['none', 'none', 'none', 'none', 'fault', 'fault', 'fault', 'full'] as const);
  const isChurn = random.chance(CHURN_CHANCE);
  const life = isChurn ? churnOptions(random) : lifeOptions(random);
  const keyEncoding = new Random(mixSeeds(seed, 0x7091e)).chance(TUPLES_CHANCE) ? 'tuple' : 'utf8';
  const script: Script = {
    seed,
    keyEncoding,
    valueEncoding: random.pick(['msgpack', 'msgpack', 'utf8', 'json'] as const),
    life,
    isIndexed: new Random(mixSeeds(seed, 0x1d3e5)).chance(INDEXES_CHANCE),
    // A disk that lies is looked at when the store has been closed well: until then nobody can know.
    steps: isChurn
      ? generator.steps(60 + random.below(60), false)
      : generator.steps(12 + random.below(50), kind !== 'silent'),
    isClosed: kind === 'silent' || random.chance(0.5),
    after: generator.steps(1 + random.below(4), true),
    fault: kind === 'fault' ? loudFault(random, 40) : kind === 'silent' ? silentFault(random) : null,
    recoveryFault: random.chance(0.4) ? loudFault(random, 8) : null,
    capacityBytes: kind === 'full' ? 4096 * (3 + random.below(12)) : null,
  };
  const spreading = new Random(mixSeeds(seed, 0x59ace));
  const spread = spreading.chance(SPREAD_CHANCE) ? spreadScript(script, spreading) : script;
  const dying = new Random(mixSeeds(seed, 0xd1e5));
  const expires = kind !== 'silent' && dying.chance(DEADLINES_CHANCE);
  return retaining(expires ? dyingScript(spread, dying) : spread);
}

/** What is removed from a full disk may be removed again later, when nobody knows of the record. */
function dyingScript(script: Script, random: Random): Script {
  const removes = script.capacityBytes === null;
  return {
    ...script,
    steps: withDeadlines(script.steps, random, removes),
    after: withDeadlines(script.after, random, removes),
  };
}

/** Some stores retain history, which no check may notice. */
function retaining(script: Script): Script {
  const random = new Random(mixSeeds(script.seed, 0x4e7a1));
  if (!random.chance(RETAIN_CHANCE)) return script;
  const retain = { bytes: random.pick([4096, 16_384, 2 ** 20]) };
  return { ...script, life: { ...script.life, store: { ...script.life.store, retain } } };
}

function spreadScript(script: Script, random: Random): Script {
  const spreading = new Spreading(random);
  return { ...script, steps: spreading.spread(script.steps), after: spreading.spread(script.after) };
}

function lifeOptions(random: Random): LifeOptions {
  const blockBytes = random.pick([512, 512, 512, 1024]);
  return {
    store: {
      maxUndurableBytes: random.pick([1024, 4096, 65_536, 65_536]),
      autoCheckpoint: random.chance(0.75),
      checkpointBytesMin: 1024 * (1 + random.below(5)),
      checkpointRatio: random.pick([0, 1, 1, 2]),
      keepOlderGeneration: random.chance(0.5),
    },
    journal: {
      blockBytes,
      segmentBytesMin: 4096,
      segmentBytesMax: random.pick([4096, 8192, 16_384]),
      commitBytesMax: random.pick([1024, 2048, 8192]),
    },
  };
}

function churnOptions(random: Random): LifeOptions {
  const { store, journal } = lifeOptions(random);
  return {
    store: { ...store, autoCheckpoint: true, checkpointBytesMin: 1024, checkpointRatio: 0 },
    journal: { ...journal, segmentBytesMax: random.pick([4096, 8192]) },
  };
}

class Generator {
  readonly #random: Random;
  #number = 0;
  #backups = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  steps(count: number, mayReopen: boolean): Step[] {
    return Array.from({ length: count }, () => this.#step(mayReopen));
  }

  #step(mayReopen: boolean): Step {
    const random = this.#random;
    const kind = random.below(100);
    const wait = random.chance(0.3) ? { wait: true } : random.chance(0.15) ? { memory: true } : {};
    if (kind < 40) return { ...this.#put(), ...wait };
    if (kind < 47) return { do: 'delete', key: random.pick(KEYS), ...wait };
    if (kind < 58) return { do: 'batch', operations: this.#batch(), ...wait };
    if (kind < 61) return { ...this.#clear(), ...wait };
    if (kind < 66) return { do: 'settle' };
    if (kind < 72) return { do: 'turns', count: 1 + random.below(6) };
    if (kind < 74) return { do: 'flush' };
    if (kind < 76) return { do: 'flushSync' };
    if (kind < 81) return { do: 'checkpoint', wait: random.chance(0.5) };
    if (kind < 83) return this.#backup();
    if (kind < 91)
      return { do: random.pick(['hold', 'compare', 'release'] as const), name: random.pick(NAMES) };
    if (kind < 93) return { do: 'iterate', name: random.pick(NAMES), reverse: random.chance(0.5) };
    if (kind < 96) return { do: 'advance', name: random.pick(NAMES), count: 1 + random.below(4) };
    if (!mayReopen) return { do: 'settle' };
    const how = random.pick(['close', 'close', 'kill', 'exit'] as const);
    return { do: 'reopen', how, life: lifeOptions(random) };
  }

  #put(): PutStep {
    return { do: 'put', key: this.#random.pick(KEYS), value: this.#value() };
  }

  /** Mostly small, now and then larger than a block, seldom larger than a segment. */
  #value(): ScriptValue {
    const random = this.#random;
    const size = random.below(24);
    const bytes = size === 0 ? 3000 + random.below(7000) : size < 5 ? 400 + random.below(700) : size * 8;
    this.#number += 1;
    return { number: this.#number, bytes };
  }

  #clear(): ClearStep {
    const [from, to] = [this.#random.pick(KEYS), this.#random.pick(KEYS)].sort() as [string, string];
    return { do: 'clear', from, to };
  }

  #batch(): WriteStep[] {
    const random = this.#random;
    return Array.from({ length: 2 + random.below(4) }, () => {
      const kind = random.below(10);
      if (kind < 6) return this.#put();
      return kind < 9 ? { do: 'delete', key: random.pick(KEYS) } : this.#clear();
    });
  }

  #backup(): Step {
    this.#backups += 1;
    return { do: 'backup', to: `/data/backup-${this.#backups}`, wait: this.#random.chance(0.5) };
  }
}

/** What fails most is what matters most: the writes of commits. */
const FAILING: readonly OperationName[] = [
  'submit',
  'submit',
  'submit',
  'submit',
  'submit',
  'submit',
  'flush',
  'flush',
  'flushDirectory',
  'flushDirectory',
  'write',
  'zeroFill',
  'createLogFile',
  'openLogFile',
  'createFile',
  'openFile',
  'rename',
  'remove',
  'link',
  'read',
  'list',
  'size',
  'close',
];

function loudFault(random: Random, nthMax: number): FaultPlan {
  const kinds = ['dropped', 'kept', 'reverted', 'before'] as const;
  return {
    operation: random.pick(FAILING),
    nth: 1 + random.below(random.pick([3, nthMax])),
    count: random.pick([1, 1, 2, 1_000_000]),
    errno: random.pick(['EIO', 'EIO', 'ENOSPC', 'EMFILE', 'EDQUOT']),
    kind: random.pick(kinds),
  };
}

function silentFault(random: Random): FaultPlan {
  return {
    operation: random.pick(['submit', 'submit', 'write']),
    nth: 1 + random.below(30),
    count: 1,
    errno: '',
    kind: random.pick(['lost', 'misdirected'] as const),
  };
}
