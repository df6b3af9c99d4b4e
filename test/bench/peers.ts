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
  bestOf(configurations: readonly Rounds[], isLessBetter: boolean): Rounds;
  ratios(ours: Rounds, theirs: Rounds): Rounds;
}

export interface Options {
  readonly rounds: number;
  readonly entries: number;
  readonly only: string | null;
  readonly out: string;
}

export interface Goal {
  readonly figure: string;
  readonly over?: string;
}

interface Trial {
  readonly name: string;
  readonly durability?: 'D' | 'P';
  readonly stores: readonly string[];
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
  readonly preparations: readonly { readonly name: string }[];
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

/** Not in a literal: the compiler would look for types beside the module. */
const moduleOf = (name: string): Promise<unknown> =>
  import(/* @vite-ignore */ new URL(`../../bench/peers/${name}.js`, import.meta.url).href);

export const { median, percentile, spread, bestOf, ratios } = (await moduleOf('statistics')) as Statistics;

export const { resolveOptions, usage } = (await moduleOf('options')) as {
  resolveOptions(args: readonly string[]): Options;
  usage(): string;
};

export const { planOf } = (await moduleOf('plan')) as { planOf(options: Options): Plan };

export const { STORES } = (await moduleOf('stores')) as { STORES: object };

export const { TRIALS } = (await moduleOf('trials')) as { TRIALS: readonly Trial[] };

export const { summarize } = (await moduleOf('summary')) as { summarize(results: Results): Summary };

export const { markdownOf, shown } = (await moduleOf('markdown')) as {
  markdownOf(results: Results, summary: Summary, charts: readonly { file: string; title: string }[]): string;
  shown(value: number | null): string;
};
