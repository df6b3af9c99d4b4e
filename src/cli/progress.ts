// Progress on a terminal, with the rate and the time that is left. Silent when standard error is no terminal.

import { Presets, SingleBar } from 'cli-progress';

/** Shows how far a command is. */
export interface Progress {
  update(done: number, total: number): void;
  stop(): void;
}

const SILENT: Progress = { update() {}, stop() {} };

/** Starts to show progress. `unit` is the plural of what is counted. */
export function startProgress(unit: string): Progress {
  if (!process.stderr.isTTY) return SILENT;
  const format = `{bar} {percentage}% | {value}/{total} ${unit} | {rate}/s | {eta_formatted} left`;
  const bar = new SingleBar(
    { format, stream: process.stderr, clearOnComplete: true, etaBuffer: 100 },
    Presets.rect,
  );
  const startedMs = performance.now();
  bar.start(1, 0, { rate: '?' });
  return {
    update(done, total) {
      const seconds = (performance.now() - startedMs) / 1000;
      bar.setTotal(total);
      bar.update(done, { rate: Math.round(done / seconds) });
    },
    stop: () => bar.stop(),
  };
}
