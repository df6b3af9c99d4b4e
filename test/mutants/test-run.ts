// One run of chosen test files in a copy of the project, in an order, up to the first failure.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { type FileReport, REPORT_MARK } from './file-report.js';
import { addGroup, endGroup } from './process-groups.js';

/** A test file, and how long it takes without a fault. */
export interface TimedFile {
  readonly file: string;
  readonly durationMs: number;
}

export type Verdict =
  | { readonly kind: 'passed'; readonly reports: readonly FileReport[] }
  | { readonly kind: 'failed'; readonly file: string; readonly test: string }
  /** A file took many times what it takes without a fault. */
  | { readonly kind: 'timeout'; readonly file: string };

/** The machine may have other work: a file hangs that takes longer than this and so many times its duration. */
const HANG_MS_MIN = 15_000;
const HANG_FACTOR = 5;

/** What a run takes before its first test, at most. */
const START_MS_MAX = 15_000;

/** The same luck in every run: tests that draw anew each time draw from this. */
const SEED = '1';

export interface RunOptions {
  /** Runs all tests, also after one that failed. */
  readonly isWhole?: boolean;
  /** So many times the usual time passes before a file is said to hang. */
  readonly patience?: number;
}

export async function runTests(
  copy: string,
  files: readonly TimedFile[],
  { isWhole = false, patience = 1 }: RunOptions = {},
): Promise<Verdict> {
  if (files.length === 0) return { kind: 'passed', reports: [] };
  // What tests leave behind that are killed goes with the copy. The path is short, for the sockets in it.
  const temporary = path.join(copy, 'tmp');
  fs.mkdirSync(temporary, { recursive: true });
  const bail = isWhole ? 0 : 1;
  const names = files.map(({ file }) => file);
  const env = { ...process.env, KEELSON_TEST_ORDER: JSON.stringify(names), KEELSON_SEED: SEED };
  // A group of its own, so that what hangs goes with all its processes.
  const child = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/mutants/vitest.config.ts', `--bail=${bail}`],
    { cwd: copy, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, TMPDIR: temporary } },
  );
  const group = child.pid!;
  const reports: FileReport[] = [];
  let late: string | null = null;
  const giveUp = (): void => {
    late = files[reports.length]?.file ?? '';
    endGroup(group);
  };
  addGroup(group, giveUp);
  let timer: NodeJS.Timeout | undefined;
  const wait = (allowanceMs: number): void => {
    clearTimeout(timer);
    const next = files[reports.length];
    const limitMs = next === undefined ? HANG_MS_MIN : HANG_MS_MIN + HANG_FACTOR * next.durationMs;
    timer = setTimeout(giveUp, patience * (limitMs + allowanceMs));
  };
  wait(START_MS_MAX);
  readline.createInterface(child.stdout).on('line', (line) => {
    if (!line.startsWith(REPORT_MARK)) return;
    const report: FileReport = JSON.parse(line.slice(REPORT_MARK.length));
    reports.push(report);
    // The rest would only be skipped.
    if (report.isPassed) wait(0);
    else endGroup(group);
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  // Processes of its tests may outlive it.
  endGroup(group);
  fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  const failed = reports.find(({ isPassed }) => !isPassed);
  if (failed !== undefined) return { kind: 'failed', file: failed.file, test: failed.failure };
  if (late !== null) return { kind: 'timeout', file: late };
  if (code === 0) return { kind: 'passed', reports };
  return { kind: 'failed', file: '', test: `vitest ended with ${code}: ${errors.trim().slice(-200)}` };
}
