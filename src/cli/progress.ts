// Progress on a terminal, with the rate and the time that is left. Silent when standard error is no terminal.

import { Presets, SingleBar } from 'cli-progress';

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
  const format = `{bar} {percentage}% | {value}/{total} ${unit} | {rate}/s | {eta_formatted} left`;
  const startedMs = performance.now();
  let bar: SingleBar | null = null;
  return {
    update(done, total) {
      const seconds = (performance.now() - startedMs) / 1000;
      const rate = Math.round(done / seconds);
      if (bar !== null) {
        bar.setTotal(total);
        bar.update(done, { rate });
      } else if (seconds * 1000 > QUICK_MS) {
        const options = {
          format,
          stream: process.stderr,
          clearOnComplete: true,
          etaBuffer: 100,
          linewrap: true,
        };
        bar = new SingleBar(options, Presets.rect);
        bar.start(total, done, { rate });
      }
    },
    stop: () => bar?.stop(),
  };
}
