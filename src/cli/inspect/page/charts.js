// The charts, by uPlot, which the page loads before its modules: in the colours of the page, and as wide as their place.

import { bytesText } from './dom.js';

/** Returns a colour of the style sheet as it is now. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const HEIGHT = 200;

/** A chart in an element. `options` makes the options of uPlot from colours, which may change. */
export class Chart {
  #host;
  #options;
  #plot = null;
  #data = null;

  constructor(host, options) {
    this.#host = host;
    this.#options = options;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  /** Shows data: arrays of numbers, first those of the axis below. */
  show(data) {
    this.#data = data;
    if (this.#host.clientWidth === 0) return;
    if (this.#plot === null) this.#draw();
    else this.#plot.setData(data);
  }

  #size() {
    return { width: Math.max(200, this.#host.clientWidth), height: HEIGHT };
  }

  #draw() {
    if (this.#data === null) return;
    this.#plot?.destroy();
    this.#plot = new uPlot({ ...this.#options(colour), ...this.#size() }, this.#data, this.#host);
  }
}

/** Returns an axis in the colours of the page. */
export function axis(rest = {}) {
  const grid = { stroke: colour('line'), width: 1 };
  return {
    stroke: colour('dim'),
    grid,
    ticks: grid,
    font: '12px system-ui',
    labelFont: '12px system-ui',
    ...rest,
  };
}

/** Returns the axis of a time, whose scale is `lastMinutes`. */
export const timeAxis = () =>
  axis({ values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString('en-GB')) });

/** The scale of a time: half a minute, which grows to the last two minutes. */
export const lastMinutes = { range: (_, min, max) => [Math.max(max - 120, Math.min(min, max - 30)), max] };

/** Returns an axis of bytes. */
export const byteAxis = (rest = {}) =>
  axis({
    size: 74,
    incrs: Array.from({ length: 44 }, (_, power) => 2 ** power),
    values: (_, ticks) => ticks.map(bytesText),
    ...rest,
  });

/** Returns a line with a filled area. */
export function area(label, name, value) {
  return {
    label,
    stroke: colour(name),
    fill: `color-mix(in srgb, ${colour(name)} 18%, transparent)`,
    width: 1.5,
    value,
    points: { show: false },
  };
}

/** Returns bars. */
export function bars(label, name, value) {
  return {
    label,
    stroke: colour(name),
    fill: `color-mix(in srgb, ${colour(name)} 55%, transparent)`,
    width: 0,
    value,
    paths: uPlot.paths.bars({ size: [0.7, 60] }),
    points: { show: false },
  };
}

/** Numbers over time: the last ten minutes, a second each. */
export class TimeSeries {
  #columns;

  constructor(count) {
    this.#columns = Array.from({ length: count + 1 }, () => []);
  }

  add(...values) {
    for (const [column, value] of [Date.now() / 1000, ...values].entries()) {
      this.#columns[column].push(value);
      if (this.#columns[column].length > 600) this.#columns[column].shift();
    }
    return this.#columns.map((column) => [...column]);
  }

  get data() {
    return this.#columns.map((column) => [...column]);
  }
}
