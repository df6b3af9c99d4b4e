// The charts of a run, as SVG. Bars are medians, the lines on them reach from the lowest to the highest round.

import * as echarts from 'echarts';
import { STORES } from './stores.js';
import { FIGURES } from './trials.js';

const WIDTH = 960;
const PANEL = {
  columns: 3,
  width: 300,
  left: 14,
  top: 64,
  labelWidth: 88,
  gap: 18,
  titleHeight: 30,
  barHeight: 32,
  margin: 18,
};
const LINES = { height: 340, left: 64, width: 230, gap: 84, top: 96, bottom: 52 };
const WHISKER_PIXELS = 3;
/** Without quotes: ECharts writes it into an attribute as it is. */
const FONT = 'system-ui, sans-serif';
const INK = '#24292f';
const MUTED = '#6e7781';

const COLORS = {
  keelson: '#0b6e99',
  'keelson-fs': '#62a9c6',
  'keelson-batch': '#8fb8c9',
  lmdb: '#d9822b',
  'lmdb-async': '#e8b27d',
  'classic-level': '#7b9e4b',
  'better-sqlite3': '#8d6cab',
  'node-sqlite': '#b79fd0',
  rocksdb: '#4b7e5e',
  'deno-kv': '#5d8f84',
  'keelson-plain': '#8fb8c9',
  'keelson-level': '#0b6e99',
  'keelson-keyv': '#0b6e99',
  'keyv-sqlite': '#8d6cab',
  'keyv-file': '#b5a642',
  'memory-level': '#b5a642',
  floor: '#9aa5b1',
};

const SPREAD = 'Medians; lines reach from the lowest to the highest round.';

/**
 * What each chart shows: for each panel a trial, one of its figures, and a title. A run without one of the trials has no such
 * chart. The first chart is for the README.
 */
const BAR_CHARTS = [
  {
    file: 'headline.svg',
    title: 'Durable puts and reads',
    subtitle: `Writes count when they would survive power loss. ${SPREAD}`,
    panels: [
      ['put-lone', 'perSecond', 'durable put, one at a time, /s'],
      ['put-ascending', 'perSecond', 'durable put, 1,000 in flight, /s'],
      ['put-ascending', 'p99Ms', 'its p99 latency, ms'],
      ['get-objects', 'perSecond', 'get an object, random key, /s'],
      ['scan-keys', 'perSecond', 'range scan, keys, /s'],
      ['scan-objects', 'perSecond', 'range scan, entries, /s'],
    ],
  },
  {
    file: 'writes.svg',
    title: 'Writes that would survive power loss',
    subtitle: SPREAD,
    panels: [
      ['put-first', 'perSecond', 'first 3,000 puts, one at a time, /s'],
      ['put-lone', 'perSecond', 'put, one at a time, /s'],
      ['batch', 'perSecond', 'batches of 1,000, entries/s'],
      ['put-ascending', 'perSecond', '1,000 in flight, ascending new keys, /s'],
      ['put-new-random', 'perSecond', '1,000 in flight, random new keys, /s'],
      ['put-random', 'perSecond', '1,000 in flight, existing keys, /s'],
    ],
  },
  {
    file: 'latency.svg',
    title: 'Writes with 1,000 in flight: latency, and turns of the event loop without garbage collection',
    subtitle: SPREAD,
    panels: [
      ['put-ascending', 'p99Ms', 'p99, ascending new keys, ms'],
      ['put-new-random', 'p99Ms', 'p99, random new keys, ms'],
      ['put-random', 'p99Ms', 'p99, existing keys, ms'],
      ['put-ascending', 'longestTurnMs', 'longest turn, ascending, ms'],
      ['put-new-random', 'longestTurnMs', 'longest turn, random, ms'],
      ['put-random', 'longestTurnMs', 'longest turn, existing, ms'],
    ],
  },
  {
    file: 'windows.svg',
    title: 'Writes of ascending new keys: puts in flight, and bytes of a value',
    subtitle: SPREAD,
    panels: [
      ['put-window-100', 'perSecond', '100 in flight, /s'],
      ['put-ascending', 'perSecond', '1,000 in flight, /s'],
      ['put-window-10000', 'perSecond', '10,000 in flight, /s'],
      ['put-20b', 'perSecond', 'values of 20 bytes, /s'],
      ['put-1kb', 'perSecond', 'values of 1,000 bytes, /s'],
      ['put-10kb', 'perSecond', 'values of 10,000 bytes, /s'],
    ],
  },
  {
    file: 'transactions.svg',
    title: 'Transactions of two reads and two writes',
    subtitle: `They count when they would survive power loss. ${SPREAD}`,
    panels: [
      ['transactions', 'perSecond', 'synchronous, 1,000 in flight, /s'],
      ['transactions', 'p99Ms', 'their p99 latency, ms'],
      ['async-transactions', 'perSecond', 'asynchronous, 100 in flight, /s'],
    ],
  },
  {
    file: 'reads.svg',
    title: 'Reads',
    subtitle: SPREAD,
    panels: [
      ['get-strings', 'perSecond', 'get, strings, /s'],
      ['get-binaries', 'perSecond', 'get, binaries, /s'],
      ['get-objects', 'perSecond', 'get, objects, /s'],
      ['scan-keys', 'perSecond', 'range scan, keys, /s'],
      ['scan-binaries', 'perSecond', 'range scan, binaries, /s'],
      ['scan-objects', 'perSecond', 'range scan, objects, /s'],
    ],
  },
  {
    file: 'features.svg',
    title: 'Lifetimes, indexes and feeds',
    subtitle: `Writes count when they would survive power loss. ${SPREAD}`,
    panels: [
      ['put-ttl', 'perSecond', 'put with a lifetime, /s'],
      ['put-index', 'perSecond', 'put with an index, existing keys, /s'],
      ['put-feed', 'perSecond', 'put with a reader of all changes, /s'],
      ['get-index', 'perSecond', 'get by an index, /s'],
      ['put-index', 'p99Ms', 'p99 with an index, ms'],
      ['put-feed', 'p99Ms', 'p99 with a reader, ms'],
    ],
  },
  {
    file: 'doors.svg',
    title: 'Through abstract-level and Keyv',
    subtitle: `Writes count when they would survive power loss. ${SPREAD}`,
    panels: [
      ['level-put', 'perSecond', 'Level: put, 1,000 in flight, /s'],
      ['level-batch', 'perSecond', 'Level: batches of 1,000, entries/s'],
      ['level-get', 'perSecond', 'Level: get, awaited, /s'],
      ['level-scan', 'perSecond', 'Level: range scan, entries/s'],
      ['keyv-set', 'perSecond', 'Keyv: set, 100 in flight, /s'],
      ['keyv-get', 'perSecond', 'Keyv: get, 10,000 entries, /s'],
    ],
  },
  {
    file: 'footprint.svg',
    title: 'Disk, memory and opening',
    subtitle: SPREAD,
    panels: [
      ['load', 'diskMb', 'on disk, closed, MB'],
      ['load', 'rssMb', 'RSS after loading, MB'],
      ['open', 'openMs', 'opening, ms'],
    ],
  },
];

const COST_TITLES = {
  'put-random': 'durable put, 1,000 in flight, random keys',
  'get-objects': 'get an object, random key',
  'scan-objects': 'range scan, an entry',
};

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

function svgOf(option, height) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Returns the bars of one panel, the first store at the top. A store without the figure has no bar. */
function barsOf(summary, [name, figure]) {
  const { rows } = summary.trials.find((trial) => trial.name === name && trial.isMain);
  return rows.flatMap(({ store, figures }) => (figures[figure] ? [{ store, ...figures[figure] }] : []));
}

/** A horizontal line over a bar, from the lowest to the highest, with ends. */
function renderWhisker(_params, api) {
  const at = api.value(0);
  const [fromX, y] = api.coord([api.value(1), at]);
  const [toX] = api.coord([api.value(2), at]);
  const style = { stroke: INK, lineWidth: 1 };
  const line = (x1, y1, x2, y2) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style });
  return {
    type: 'group',
    children: [
      line(fromX, y, toX, y),
      line(fromX, y - WHISKER_PIXELS, fromX, y + WHISKER_PIXELS),
      line(toX, y - WHISKER_PIXELS, toX, y + WHISKER_PIXELS),
    ],
  };
}

/** Returns the title of a store on two lines, where it has two parts. */
const labelOf = (store) => STORES[store].title.replace(', ', ',\n');

const titleOf = ([, figure, title]) => (FIGURES[figure].isLessBetter ? `${title} (less is better)` : title);

/** Panels stand in rows. Returns where each row begins, and then where the last one ends. */
function rowTops(barsOfPanels) {
  const tops = [PANEL.top];
  for (let at = 0; at < barsOfPanels.length; at += PANEL.columns) {
    const most = Math.max(...barsOfPanels.slice(at, at + PANEL.columns).map((bars) => bars.length));
    tops.push(tops.at(-1) + PANEL.titleHeight + most * PANEL.barHeight + PANEL.margin);
  }
  return tops;
}

function panelOf(bars, title, at, tops) {
  const left = PANEL.left + (at % PANEL.columns) * (PANEL.width + PANEL.gap);
  const top = tops[Math.floor(at / PANEL.columns)];
  const axes = { xAxisIndex: at, yAxisIndex: at };
  return {
    title: { text: title, left, top, textStyle: { fontSize: 12, color: INK, fontFamily: FONT } },
    grid: {
      left: left + PANEL.labelWidth,
      top: top + PANEL.titleHeight,
      width: PANEL.width - PANEL.labelWidth,
      height: bars.length * PANEL.barHeight,
    },
    // Room for the number at the end of the longest bar.
    xAxis: { gridIndex: at, type: 'value', show: false, max: ({ max }) => max * 1.3 },
    yAxis: {
      gridIndex: at,
      type: 'category',
      inverse: true,
      data: bars.map(({ store }) => labelOf(store)),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { fontSize: 11, color: INK },
    },
    series: [
      {
        type: 'bar',
        ...axes,
        barWidth: '62%',
        data: bars.map(({ store, median }) => ({ value: median, itemStyle: { color: COLORS[store] } })),
      },
      {
        type: 'custom',
        ...axes,
        renderItem: renderWhisker,
        encode: { x: [1, 2], y: 0 },
        data: bars.map(({ lowest, highest }, bar) => [bar, lowest, highest]),
      },
      {
        // The numbers stand behind the whiskers, wherever those end.
        type: 'scatter',
        ...axes,
        symbolSize: 0.1,
        data: bars.map(({ highest }, bar) => [highest, bar]),
        label: {
          show: true,
          position: 'right',
          distance: 6,
          fontSize: 11,
          color: INK,
          formatter: ({ dataIndex }) => compact.format(bars[dataIndex].median),
        },
      },
    ],
  };
}

const headingOf = (text, subtext) => ({
  text,
  subtext,
  left: PANEL.left,
  top: 10,
  itemGap: 6,
  textStyle: { fontSize: 16, color: INK, fontFamily: FONT },
  subtextStyle: { fontSize: 11, color: MUTED, fontFamily: FONT },
});

function barChart(summary, { title, subtitle, panels }, entries) {
  const bars = panels.map((panel) => barsOf(summary, panel));
  const tops = rowTops(bars);
  const drawn = panels.map((panel, at) => panelOf(bars[at], titleOf(panel), at, tops));
  const all = (part) => drawn.flatMap((panel) => panel[part]);
  const option = {
    title: [headingOf(`${title}, ${compact.format(entries)} entries`, subtitle), ...all('title')],
    grid: all('grid'),
    xAxis: all('xAxis'),
    yAxis: all('yAxis'),
    series: all('series'),
  };
  return svgOf(option, tops.at(-1));
}

const logAxis = (name) => ({
  type: 'log',
  name,
  nameLocation: 'middle',
  nameTextStyle: { color: MUTED, fontSize: 11 },
  axisLabel: { fontSize: 11, color: INK, formatter: (value) => compact.format(value) },
  splitLine: { lineStyle: { color: '#eaeef2' } },
});

/** One panel for each trial: the cost of an operation against the entries in the store, both on logarithmic axes. */
function costChart(costs) {
  const leftOf = (at) => LINES.left + at * (LINES.width + LINES.gap);
  const series = costs.flatMap(({ sizes, stores }, at) =>
    stores.map(({ store, costsUs }) => ({
      type: 'line',
      name: STORES[store].title,
      xAxisIndex: at,
      yAxisIndex: at,
      symbol: 'circle',
      symbolSize: 6,
      data: sizes.map((size, point) => [size, costsUs[point]]),
      color: COLORS[store],
      lineStyle: { width: 2 },
    })),
  );
  const option = {
    title: [
      headingOf('Cost against size', 'µs an operation, medians; both axes are logarithmic'),
      ...costs.map(({ name }, at) => ({
        text: COST_TITLES[name],
        left: leftOf(at) - 40,
        top: LINES.top - 34,
        textStyle: { fontSize: 12, color: INK, fontFamily: FONT },
      })),
    ],
    legend: { bottom: 0, left: 'center', itemGap: 26, textStyle: { fontSize: 11, color: INK } },
    grid: costs.map((_, at) => ({
      left: leftOf(at),
      width: LINES.width,
      top: LINES.top + 14,
      height: LINES.height - LINES.top - LINES.bottom - 40,
    })),
    xAxis: costs.map((_, at) => ({ ...logAxis('entries'), nameGap: 24, gridIndex: at, min: 'dataMin' })),
    yAxis: costs.map((_, at) => ({ ...logAxis('µs'), nameGap: 38, gridIndex: at })),
    series,
  };
  return svgOf(option, LINES.height);
}

/** `{ file, title, svg }` of every chart for which this run has all trials. */
export function chartsOf({ options: { entries } }, summary) {
  const has = (name) => summary.trials.some((trial) => trial.name === name && trial.isMain);
  const charts = BAR_CHARTS.filter(({ panels }) => panels.every(([name]) => has(name))).map((chart) => ({
    file: chart.file,
    title: chart.title,
    svg: barChart(summary, chart, entries),
  }));
  if (summary.costs.length > 0)
    charts.push({ file: 'sizes.svg', title: 'Cost against size', svg: costChart(summary.costs) });
  return charts;
}
