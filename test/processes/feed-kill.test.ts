// Real processes and real kills: an owner whose changes are told by its feeds, and followers beside it, which show and tell what
// the files hold. Each is killed with SIGKILL at an instant that a seed draws. The judge is this process: it knows what came
// through the pipes, opens what the owner has left, and compares. The others run what is built in dist/.
//
// KEELSON_SEED replays a run as far as the timing of processes can be had again.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { open } from '../../src/index.js';
import type { ChangeGroup } from '../../src/kv/index.js';
import { type FedStore, FeedCopy } from '../kv/feed-tools.js';
import { seededRandom } from '../native/native-tools.js';
import { builtEngines, type Engine } from './kill-rounds.js';
import { type Line, SpeakingProcess } from './speaking-process.js';
// @ts-expect-error: a program in JavaScript
import { brief, rowsOf } from './told-lines.js';

const LIVES = 3;
const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));

type Group = ChangeGroup<string>;
type Row = readonly [key: string, value: unknown, version: number, expiresAt: number | null];
/** What a store shows: its collections by name. */
type Rows = readonly (readonly [name: string, entries: readonly Row[]])[];

/** A process, and what it has said. */
class Witness {
  readonly lines: Line[] = [];
  readonly process: SpeakingProcess;

  constructor(program: string, parameters: readonly (string | number)[]) {
    this.process = new SpeakingProcess(program, parameters.map(String), (line) => this.lines.push(line));
  }

  /** Everything that follows a word, in order. */
  said<T>(word: string): T[] {
    return this.lines.filter(([what]) => what === word).map(([, said]) => said as T);
  }

  /** Resolves when the process has said `count` more lines of a word. */
  async hears(word: string, count: number): Promise<void> {
    const before = this.said(word).length;
    await this.process.until(() => this.said(word).length >= before + count);
  }

  async kill(laterUs: number): Promise<void> {
    this.process.kill(laterUs);
    expect(await this.process.ended).toEqual({ wasKilled: true });
  }
}

/** A follower, and the LSN from which it was to tell. */
interface Follower {
  readonly witness: Witness;
  readonly since: number;
}

/** One store on a real directory, and all that is known of it. */
class JudgedStore {
  readonly seen = { groups: 0, shown: 0, followed: 0, lostCursors: 0 };
  readonly #directory: string;
  readonly #engine: Engine;
  readonly #random: (below: number) => number;
  readonly #copy = new FeedCopy();
  /** Every group so far, as text, by its LSN, in order; and the state that follows. */
  readonly #groups = new Map<number, string>();
  readonly #states = new Map<number, string>();
  #now = 1000;

  constructor(directory: string, engine: Engine, random: (below: number) => number) {
    this.#directory = directory;
    this.#engine = engine;
    this.#random = random;
  }

  async liveAndDie(life: number): Promise<void> {
    const since = this.#copy.lsn;
    const place = [this.#directory, this.#engine];
    const owner = new Witness('feed-owner.js', [...place, this.#random(1e9), this.#now, since, life * 1e6]);
    await owner.hears('opened', 1);
    const followers: Follower[] = [];
    for (const isLast of [false, true]) {
      const from = followers.at(-1)?.witness.said<Group>('told').at(-1)?.lsn ?? since;
      const witness = new Witness('feed-follower.js', [...place, from]);
      followers.push({ witness, since: from });
      await witness.hears('shown', 1 + this.#random(30));
      if (isLast) break;
      await witness.kill(this.#laterUs());
      // The death of a follower does not disturb the owner.
      await owner.hears('durable', 1 + this.#random(100));
    }
    await owner.kill(this.#laterUs());
    const last = followers.at(-1)!.witness;
    const outlives = this.#random(2) === 0;
    if (!outlives) await last.kill(this.#laterUs());
    this.#hear(owner, since);
    await this.#judge(owner);
    if (outlives) await last.kill(0);
    for (const follower of followers) this.#compare(follower);
  }

  /** Takes what the feeds of an owner have told. */
  #hear(owner: Witness, since: number): void {
    const [opened] = owner.said<number>('opened');
    if (since > 0) expect(opened, 'an opening neither loses nor adds a write').toBe(since);
    this.#now = owner.said<number>('clock').at(-1) ?? this.#now;
    if (since === 0 && opened !== undefined) this.#states.set(opened, this.#copy.stateAt(0));
    const groups = owner.said<Group>('told');
    for (const group of groups) this.#take(group);
    const ofOne = owner.said<Group>('told one');
    const upTo = Math.min(ofOne.at(-1)?.lsn ?? 0, groups.at(-1)?.lsn ?? 0);
    expect(ofOne.filter(({ lsn, changes }) => lsn <= upTo && changes.length > 0)).toEqual(
      groups.filter(({ lsn }) => lsn <= upTo).flatMap(inOne),
    );
  }

  /** Opens what is left, and throws unless the store holds all that was told, and nothing that has expired. */
  async #judge(owner: Witness): Promise<void> {
    const time = this.#now + [-300, 0, 60][this.#random(3)]!;
    const db = (await open(this.#directory, {
      engine: this.#engine,
      clock: () => time,
      autoCheckpoint: false,
      waitForLockMs: 10_000,
    })) as unknown as FedStore;
    const told = Math.max(this.#copy.lsn, ...owner.said<number>('durable'));
    expect(db.lastLsn, 'nothing that was told or acknowledged is lost').toBeGreaterThanOrEqual(told);
    await this.#follow(db);
    const there = owner.said<number>('wrote').filter((lsn) => lsn <= db.lastLsn);
    expect(
      there.filter((lsn) => !this.#groups.has(lsn)),
      'the feed has no gap',
    ).toEqual([]);
    // What was due by the clock of the owner stays away by one that has gone back. Its removal is told.
    await db.expireNow();
    await this.#follow(db);
    expect(textOf(rowsOf(db))).toBe(this.#copy.stateAt(time));
    // A removal may have come meanwhile.
    while (this.#copy.lsn < db.lastLsn) await this.#follow(db);
    await db.close();
    this.#now = Math.max(this.#now, time);
  }

  async #follow(db: FedStore): Promise<void> {
    const feed = db.changes({ since: this.#copy.lsn, live: false }) as AsyncIterable<Group>;
    for await (const group of feed) this.#take(brief(JSON.stringify(group)));
  }

  #take(group: Group): void {
    this.#copy.apply(group);
    this.#groups.set(group.lsn, JSON.stringify(group));
    this.#states.set(group.lsn, this.#copy.stateAt(0));
    this.seen.groups++;
  }

  /** Throws unless what a follower has shown and told is what the store was, and is there still. */
  #compare(follower: Follower): void {
    this.#compareShown(follower);
    this.#compareTold(follower);
  }

  #compareShown({ witness }: Follower): void {
    let before: readonly [lsn: number, rows: Rows] | null = null;
    for (const [what, lsn, durableLsn, rows] of witness.lines as [string, number, number, Rows][]) {
      if (what !== 'shown') continue;
      expect(durableLsn, 'what was shown as durable is there').toBeLessThanOrEqual(this.#copy.lsn);
      const expected = this.#states.get(lsn);
      // The last commit may be lost.
      if (expected === undefined) expect(lsn).toBeGreaterThan(durableLsn);
      else expect(rows, `shown at LSN ${lsn}`).toEqual(withoutDue(JSON.parse(expected), rows, this.#now));
      if (before !== null) expect(cameBack(rows, ...before), `shown at LSN ${lsn}`).toEqual([]);
      before = [lsn, rows];
      this.seen.shown++;
    }
  }

  /** Throws unless a follower has told every group behind its cursor, in order. */
  #compareTold({ witness, since }: Follower): void {
    let cursor = since;
    const lsns = [...this.#groups.keys()];
    for (const [what, said] of witness.lines) {
      if (what === 'gone') cursor = said as number;
      if (what === 'gone') this.seen.lostCursors++;
      if (what !== 'told') continue;
      const group = said as Group;
      expect(group.lsn, `told behind LSN ${cursor}`).toBe(lsns.find((lsn) => lsn > cursor));
      expect(JSON.stringify(group)).toBe(this.#groups.get(group.lsn));
      cursor = group.lsn;
      this.seen.followed++;
    }
  }

  /** Half of the kills come at once. */
  #laterUs(): number {
    return this.#random(2) === 0 ? this.#random(500) : this.#random(15_000);
  }
}

/** Returns the part of a group that is of the namespace `one`, or nothing. */
function inOne({ lsn, changes }: Group): Group[] {
  const ofOne = changes.filter(({ namespace }) => namespace === 'one');
  return ofOne.length === 0 ? [] : [{ lsn, changes: ofOne }];
}

function textOf(rows: Rows): string {
  return JSON.stringify(brief(JSON.stringify(rows)));
}

/** Returns rows without those that a follower may hide: it has learned from the log that they are due. */
function withoutDue(rows: Rows, shown: Rows, now: number): Rows {
  const there = new Set(shown.flatMap(([name, entries]) => entries.map((row) => nameOf(name, row))));
  return rows.map(([name, entries]) => [
    name,
    entries.filter((row) => there.has(nameOf(name, row)) || row[3] === null || row[3] > now),
  ]);
}

/** Returns the entries that were written up to an LSN, and not shown at it. */
function cameBack(rows: Rows, lsn: number, before: Rows): string[] {
  const there = new Set(before.flatMap(([name, entries]) => entries.map((row) => nameOf(name, row))));
  return rows
    .flatMap(([name, entries]) => entries.filter((row) => row[2] <= lsn).map((row) => nameOf(name, row)))
    .filter((name) => !there.has(name));
}

/** The name of a version of an entry. */
function nameOf(collection: string, [key, , version]: Row): string {
  return `${collection}/${key} at ${version}`;
}

test.each(builtEngines())(
  `owner and followers are killed at any instant, and what they told holds, on %s (seed ${SEED})`,
  async (engine) => {
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-feed-kill-'));
    const store = new JudgedStore(path.join(base, 'store'), engine, seededRandom(SEED + engine.length));
    for (let life = 0; life < LIVES; life++) await store.liveAndDie(life);
    console.log(`${engine}, seed ${SEED}: ${JSON.stringify(store.seen)}`);
    // Kills that hit nothing would show nothing.
    expect(store.seen.groups).toBeGreaterThan(LIVES * 10);
    expect(store.seen.shown).toBeGreaterThan(LIVES);
    expect(store.seen.followed).toBeGreaterThan(LIVES);
    fs.rmSync(base, { recursive: true });
  },
  120_000,
);
