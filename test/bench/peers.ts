// What of the benchmark is tested, with types. It is plain JavaScript, which runs without a build.

type Rounds = readonly (number | null)[];

interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

interface Statistics {
  median(values: readonly number[]): number;
  percentile(values: readonly number[], percent: number): number;
  spread(rounds: Rounds): Spread | null;
  ratios(ours: Rounds, theirs: Rounds): Rounds;
}

export interface Options {
  readonly rounds: number;
  readonly entries: number;
  readonly only: string | null;
  readonly node: string | null;
  readonly out: string;
}

export interface Goal {
  readonly of?: string;
  readonly figure: string;
  readonly over?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

interface Trial {
  readonly name: string;
  readonly durability?: 'D' | 'P';
  readonly stores: readonly string[];
  readonly isFullOnly?: boolean;
  readonly measurement: string;
  readonly parameters: {
    readonly values: string;
    readonly order?: string;
    readonly inFlight?: number;
    readonly feature?: string;
  };
  readonly figures: readonly string[];
  readonly goals: readonly Goal[];
}

interface Run {
  readonly trial: string;
  readonly entries: number;
  readonly store: string;
  readonly round: number;
  readonly measurement: string;
  readonly prepared: string | null;
  readonly isCopied: boolean;
  readonly options: { readonly durability: 'D' | 'P' };
}

interface Plan {
  readonly cases: readonly { readonly trial: Trial; readonly entries: number }[];
  readonly preparations: readonly {
    readonly name: string;
    readonly store: string;
    readonly feature?: string;
  }[];
  readonly runs: readonly Run[];
  readonly seconds: number;
}

export interface Results {
  readonly options: object;
  readonly trials: readonly {
    readonly name: string;
    readonly entries: number;
    readonly stores: object;
    readonly failures: string[];
  }[];
}

interface Summary {
  readonly trials: readonly {
    readonly goals: readonly (Goal & { readonly median: number | null; readonly isReached: boolean })[];
  }[];
  readonly costs: readonly object[];
}

interface Figure {
  readonly title: string;
  readonly isLessBetter: boolean;
}

interface Store {
  readonly title: string;
  readonly preparedAs?: string;
}

interface Values {
  readonly kind: string;
  readonly bytes: number;
  at(number: number): unknown;
  isSame(a: unknown, b: unknown): boolean;
}

/** A period in ms. */
interface Period {
  readonly from: number;
  readonly to: number;
}

interface Puts {
  numberOf(turn: number): number;
  keyFor(turn: number): string;
  valueFor(turn: number): unknown;
}

interface PutWorkload extends Puts {
  readonly db: { put(key: string, value: unknown): Promise<void> };
  readonly inFlight: number;
  readonly from: number;
}

interface PutLimits {
  readonly seconds?: number;
  readonly puts?: number;
  readonly latenciesMax?: number;
}

interface Done {
  readonly next: number;
  readonly perSecond: number;
  readonly latenciesMs: Float64Array;
  readonly longestTurnMs: number | undefined;
}

/** Not in a literal: the compiler would look for types beside the module. */
const moduleOf = (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ new URL(`../../bench/peers/${name}.js`, import.meta.url).href);

export const { median, percentile, spread, ratios } = (await moduleOf('statistics')) as Statistics;

export const { resolveOptions, usage } = (await moduleOf('options')) as {
  resolveOptions(args: readonly string[]): Options;
  usage(): string;
};

export const { planOf } = (await moduleOf('plan')) as {
  planOf(options: Options, absent?: readonly string[]): Plan;
};

export const { STORES } = (await moduleOf('stores')) as { STORES: Readonly<Record<string, Store>> };

export const { FEATURES, FIGURES, TRIALS } = (await moduleOf('trials')) as {
  FEATURES: readonly string[];
  FIGURES: Readonly<Record<string, Figure>>;
  TRIALS: readonly Trial[];
};

export const { KEYS, VALUES, keyAt, scatteredNumber } = (await moduleOf('workload')) as {
  KEYS: number;
  VALUES: Readonly<Record<string, Values>>;
  keyAt(number: number): string;
  scatteredNumber(turn: number): number;
};

export const { putFor, putsIn } = (await moduleOf('puts')) as {
  putFor(limits: PutLimits, workload: PutWorkload): Promise<Done>;
  putsIn(what: { values: string; order: string; entries?: number }, keysMade: number): Puts;
};

interface Change {
  (value: { logins: number }): void;
  calls: number;
}

type PlacesOf = (turn: number) => readonly [first: number, second: number];

export const { changesBefore, countingChange, placesIn } = (await moduleOf('transactions')) as {
  changesBefore(next: number, entries: number, placesOf: PlacesOf): Uint32Array;
  countingChange(): Change;
  placesIn(entries: number, conflictEvery?: number): PlacesOf;
};

export const { longestTurnMs, watchTurns } = (await moduleOf('turn-watch')) as {
  longestTurnMs(times: readonly number[], collections: readonly Period[]): number;
  watchTurns(): () => Promise<number>;
};

export const { runMeasurement } = (await moduleOf('processes')) as {
  runMeasurement(name: string, options: object, node?: string): Promise<unknown>;
};

export const { summarize } = (await moduleOf('summary')) as { summarize(results: Results): Summary };

export const { markdownOf, shown } = (await moduleOf('markdown')) as {
  markdownOf(results: Results, summary: Summary, charts: readonly { file: string; title: string }[]): string;
  shown(value: number | null): string;
};
