// Builds the fuzz targets of this folder with libFuzzer and the address and undefined-behaviour sanitizers, and runs
// each of them: `npm run fuzz:native -- --seconds 60`. Findings and the corpus stay in native/build/fuzz/.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SECONDS_DEFAULT = 60;
const INPUT_BYTES_MAX = 8192;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const FLAGS = ['-std=c++20', '-g', '-O1', '-fno-omit-frame-pointer', '-Wall', '-Wextra', '-Werror'];
const SANITIZERS = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all'];

const FUZZ = fileURLToPath(new URL('.', import.meta.url));
const CORE = path.join(FUZZ, '../core');
const OUTPUT = path.join(FUZZ, '../build/fuzz');
const COMPILER = process.env.CLANGXX ?? 'clang++';

/** Files of the core that each target needs. A target is one file of this folder. */
const TARGETS = { crc32c: ['crc32c.cc'], 'frame-checksums': ['crc32c.cc', 'frame_checksums.cc'] };

const seconds = secondsOf(process.argv.slice(2));
assertCompiler();
for (const [target, sources] of Object.entries(TARGETS)) {
  const program = build(target, sources);
  run(target, program);
}
console.log(`${Object.keys(TARGETS).length} targets, ${seconds} s each: nothing found.`);

function secondsOf(parameters) {
  if (parameters.length === 0) return SECONDS_DEFAULT;
  const given = Number(parameters[1]);
  if (parameters.length === 2 && parameters[0] === '--seconds' && Number.isInteger(given) && given > 0)
    return given;
  fail('Usage: npm run fuzz:native -- --seconds <whole seconds for each target>');
}

/** Ends the program if the compiler has no libFuzzer, which some systems package separately from Clang. */
function assertCompiler() {
  const version = spawnSync(COMPILER, ['--version'], { encoding: 'utf8' });
  if (version.status !== 0)
    fail(
      `${COMPILER} is not here. Fuzzing the native code needs Clang with libFuzzer and the sanitizers.\n${howToInstall('')}`,
    );
  mkdirSync(OUTPUT, { recursive: true });
  const probe = spawnSync(COMPILER, [...SANITIZERS, '-x', 'c++', '-', '-o', path.join(OUTPUT, 'probe')], {
    encoding: 'utf8',
    input: 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }',
  });
  if (probe.status === 0) return;
  const major = /version (\d+)/.exec(version.stdout)?.[1] ?? '<version>';
  fail(
    `${COMPILER} cannot link libFuzzer with the sanitizers:\n${probe.stderr.trim()}\n${howToInstall(major)}`,
  );
}

function howToInstall(major) {
  const runtime = major === '' ? 'libclang-rt-<version of clang>-dev' : `libclang-rt-${major}-dev`;
  return [
    'Install it:',
    `  Debian, Ubuntu   apt-get install clang ${runtime}`,
    '  Fedora           dnf install clang compiler-rt',
    '  Alpine           apk add clang compiler-rt',
    'A Clang of another name: CLANGXX.',
  ].join('\n');
}

function build(target, sources) {
  const program = path.join(OUTPUT, target);
  const files = [path.join(FUZZ, `${target}.cc`), ...sources.map((name) => path.join(CORE, name))];
  const built = spawnSync(COMPILER, [...FLAGS, ...SANITIZERS, ...files, '-o', program], { stdio: 'inherit' });
  if (built.status !== 0) fail(`${target} does not compile.`);
  return program;
}

function run(target, program) {
  const corpus = path.join(OUTPUT, `${target}-corpus`);
  mkdirSync(corpus, { recursive: true });
  const found = path.join(OUTPUT, `${target}-found-`);
  const parameters = [
    `-max_total_time=${seconds}`,
    `-max_len=${INPUT_BYTES_MAX}`,
    // Grows inputs sooner than by default: the lanes of the checksum start at three kilobytes.
    '-len_control=10',
    '-verbosity=0',
    '-print_final_stats=1',
    `-artifact_prefix=${found}`,
    corpus,
  ];
  const ended = spawnSync(program, parameters, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX });
  if (ended.status !== 0) {
    console.error(ended.stderr);
    fail(`${target} has found something. Again with that input alone:\n  ${program} ${found}…`);
  }
  const executed = /number_of_executed_units: (\d+)/.exec(ended.stderr)?.[1];
  console.log(`${target}: ${executed} inputs tried, ${readdirSync(corpus).length} kept`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
