// Progress on a terminal, with the rate and the time that is left. Silent when standard error is no terminal.

import type { SingleBar } from 'cli-progress';

/** Shows how far a command is. */
export interface Progress {
  update(done: number, total: number): void;
  stop(): void;
}

const SILENT: Progress = { update() {}, stop() {} };
/** Work that is done sooner shows no bar. */
const QUICK_MS = 300;

/** Starts to show progress. `unit` is the plural of what is counted. */
export function startProgress(unit: string): Progress {
  if (!process.stderr.isTTY) return SILENT;
  const startedMs = performance.now();
  let bar: SingleBar | null = null;
  let isWanted = false;
  const makeBar = async (total: number) => {
    const { Presets, SingleBar: Bar } = await import('cli-progress');
    if (!isWanted) return;
    const format = `{bar} {percentage}% | {value}/{total} ${unit} | {rate}/s | {eta_formatted} left`;
    const options = { format, stream: process.stderr, clearOnComplete: true, etaBuffer: 100, linewrap: true };
    bar = new Bar(options, Presets.rect);
    bar.start(total, 0, { rate: '?' });
  };
  return {
    update(done, total) {
      const ms = performance.now() - startedMs;
      if (bar !== null) {
        bar.setTotal(total);
        bar.update(done, { rate: Math.round((done / ms) * 1000) });
      } else if (ms > QUICK_MS && !isWanted) {
        isWanted = true;
        void makeBar(total);
      }
    },
    stop() {
      isWanted = false;
      bar?.stop();
    },
  };
}
