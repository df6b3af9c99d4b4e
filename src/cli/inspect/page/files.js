// Memory and journal as pictures and tables.

import { area, axis, bars, byteAxis, Chart, lastMinutes, TimeSeries, timeAxis } from './charts.js';
import { ask, byId, bytesText, counted, el, grouped, latest, spaceText, table } from './dom.js';

const SPACES_MAX = 12;
const PARTS = [
  ['values', 'valueBytes', 'keys and values with their headers'],
  ['free', null, 'in blocks, for later entries'],
  ['hash', 'hashIndexBytes', 'the index that finds single keys'],
  ['handles', 'handleBytes', 'from the order of keys to the entries'],
  ['deadlines', 'deadlineBytes', 'of entries that expire'],
];

const overTime = new TimeSeries(2);
let spacesShown = [];
let spacesChart;
let timeChart;
let segmentsChart;
let commitsChart;
let segments = [];
let chosenSegment = null;

const byteValue = (_, value) => (value === null ? '–' : bytesText(value));
const fromZero = { range: (_, __, max) => [0, Math.max(1, max * 1.05)] };

/** Returns the options of a chart of bars that stand side by side, each with a name below. */
function barsOptions(noun, series, names) {
  return {
    cursor: { y: false },
    scales: { x: { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] }, y: fromZero },
    axes: [
      axis({
        incrs: [1, 2, 5, 10, 20, 50, 100],
        values: (_, ticks) => ticks.map((at) => (Number.isInteger(at) ? names(at) : '')),
      }),
      byteAxis(),
    ],
    series: [{ label: noun, value: (_, at) => (at === null ? '–' : names(at)) }, ...series],
  };
}

export function startFiles() {
  const nameOfSpace = (at) => spaceText(spacesShown[at]?.name ?? '').slice(0, 18);
  spacesChart = new Chart(byId('memory-spaces'), () =>
    barsOptions('namespace', [bars('bytes', 'accent', byteValue)], nameOfSpace),
  );
  timeChart = new Chart(byId('memory-time'), () => ({
    cursor: { y: false },
    scales: { x: lastMinutes, y: fromZero },
    axes: [timeAxis(), byteAxis()],
    series: [{}, area('this process', 'second', byteValue), area('entries', 'accent', byteValue)],
  }));
  segmentsChart = new Chart(byId('segments-chart'), () =>
    barsOptions('segment', [bars('bytes', 'accent', byteValue)], (at) =>
      String(segments[at]?.sequence ?? ''),
    ),
  );
  commitsChart = new Chart(byId('commits-chart'), () => ({
    cursor: { y: false },
    scales: { x: { time: false }, y: fromZero, records: fromZero },
    axes: [
      byteAxis({ size: 50 }),
      byteAxis(),
      axis({ side: 1, scale: 'records', size: 60, grid: { show: false } }),
    ],
    series: [
      { label: 'at', value: byteValue },
      bars('bytes', 'accent', byteValue),
      { ...area('records', 'second'), fill: undefined, scale: 'records' },
    ],
  }));
}

/** Notes the figures of a second. */
export function tickMemory({ memory, memoryOfInspector }) {
  overTime.add(memoryOfInspector, sumOf(memory));
}

const sumOf = ({ slabBytes, hashIndexBytes, handleBytes, deadlineBytes }) =>
  slabBytes + hashIndexBytes + handleBytes + deadlineBytes;

/** Shows the memory of a state. */
export function showMemory({ memory, spaces }) {
  const total = sumOf(memory);
  const parts = PARTS.map(([name, field, what]) => ({
    name,
    what,
    bytes: field === null ? memory.slabBytes - memory.valueBytes : memory[field],
  }));
  byId('memory-total').textContent = bytesText(total);
  const strip = byId('memory-strip');
  strip.setAttribute('aria-label', parts.map(({ name, bytes }) => `${name} ${bytesText(bytes)}`).join(', '));
  strip.replaceChildren(
    ...parts.map(({ name, bytes }) => {
      const part = el('span', { className: `part-${name}`, title: `${name}: ${bytesText(bytes)}` });
      part.style.flexGrow = String(total === 0 ? 0 : bytes / total);
      return part;
    }),
  );
  const swatch = (name) => el('span', {}, el('i', { className: `swatch part-${name}` }), name);
  byId('memory-parts').replaceChildren(
    table(
      ['part', 'memory', 'for'],
      parts.map(({ name, bytes, what }) => [swatch(name), bytesText(bytes), what]),
    ),
  );
  spacesShown = spaces.toSorted((one, other) => other.bytes - one.bytes).slice(0, SPACES_MAX);
  spacesChart.show([spacesShown.map((_, at) => at), spacesShown.map(({ bytes }) => bytes)]);
  timeChart.show(overTime.data);
}

/** Shows the files, and the commits of the segment that is chosen. */
export const showFiles = latest(async (signal) => {
  const { images, segments: now } = await ask('files', {}, signal);
  segments = now;
  const newest = segments.findLast(({ startLsn }) => startLsn !== null) ?? segments.at(-1);
  if (!segments.some(({ sequence }) => sequence === chosenSegment)) chosenSegment = newest?.sequence ?? null;
  const sum = (files) => files.reduce((bytes, file) => bytes + file.bytes, 0);
  byId('segments-total').textContent = `${segments.length}, ${bytesText(sum(segments))}`;
  byId('images-total').textContent =
    images.length === 0 ? 'none yet' : `${images.length}, ${bytesText(sum(images))}`;
  segmentsChart.show([segments.map((_, at) => at), segments.map(({ bytes }) => bytes)]);
  byId('segments').replaceChildren(
    table(
      ['segment', 'starts at LSN', 'size', 'state'],
      segments.map(({ sequence, startLsn, bytes, isSealed, why }) => [
        segmentButton(sequence),
        startLsn ?? '–',
        bytesText(bytes),
        why ?? (startLsn === null ? 'empty' : isSealed ? 'sealed' : 'not sealed'),
      ]),
    ),
  );
  byId('images').replaceChildren(
    table(
      ['file', 'LSN', 'entries', 'size', 'state'],
      images.map(({ file, lsn, entries, bytes, why }) => [
        file,
        lsn,
        entries,
        bytesText(bytes),
        why ?? 'header is whole',
      ]),
    ),
  );
  if (chosenSegment !== null) await showCommits(signal);
});

function segmentButton(sequence) {
  const button = el(
    'button',
    { type: 'button', 'aria-pressed': String(sequence === chosenSegment) },
    String(sequence),
  );
  button.onclick = () => {
    chosenSegment = sequence;
    void showFiles();
  };
  return button;
}

async function showCommits(signal) {
  const { bars: found } = await ask('segment', { sequence: chosenSegment }, signal);
  const sum = (field) => found.reduce((all, bar) => all + bar[field], 0);
  byId('commits-of').textContent = `of segment ${chosenSegment}`;
  const damaged = found.filter(({ isDamaged }) => isDamaged).length;
  const joined = Math.max(1, ...found.map(({ commits }) => commits));
  byId('commits-note').textContent = [
    `${counted(sum('commits'), 'commit')} with ${counted(sum('records'), 'record')} in ${bytesText(sum('bytes'))}`,
    joined > 1 ? `a bar is up to ${grouped(joined)} commits` : 'a bar is a commit',
    ...(damaged > 0 ? [`${counted(damaged, 'bar')} with what does not verify`] : []),
  ].join('; ');
  commitsChart.show([
    found.map(({ offset }) => offset),
    found.map(({ bytes }) => bytes),
    found.map(({ records }) => records),
  ]);
}
