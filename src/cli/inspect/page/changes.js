// The durable changes as they come, and how many there are a second.

import { area, axis, Chart, lastMinutes, TimeSeries, timeAxis } from './charts.js';
import { byId, counted, el, grouped, spaceText, timeText } from './dom.js';
import { hrefOf } from './route.js';

const LINES_MAX = 300;

const rate = new TimeSeries(1);
let chart;
let countOfSecond = 0;
let countOfAll = 0;
let isPaused = false;
/** Changes that came while the log was paused or out of sight, newest last. */
let waiting = [];

export function startChanges() {
  chart = new Chart(byId('rate'), () => ({
    legend: { show: false },
    cursor: { y: false },
    axes: [timeAxis(), axis({ size: 60 })],
    scales: { x: lastMinutes, y: { range: (_, __, max) => [0, Math.max(10, max * 1.1)] } },
    series: [{}, area('changes', 'accent')],
  }));
  byId('pause').onclick = () => {
    isPaused = !isPaused;
    byId('pause').textContent = isPaused ? 'Go on' : 'Pause';
    byId('pause').ariaPressed = String(isPaused);
    showChanges();
  };
  showChanges();
}

/** Notes the changes of an event. */
export function addChanges({ count, changes }) {
  countOfSecond += count;
  countOfAll += count;
  waiting = [...waiting, ...changes].slice(-LINES_MAX);
}

/** Notes that a second has passed. */
export function tickChanges() {
  rate.add(countOfSecond);
  countOfSecond = 0;
}

/** Draws the changes, when they are in sight. */
export function showChanges() {
  chart.show(rate.data);
  byId('change-count').textContent =
    countOfAll === 0
      ? 'None since this page was opened. The last write to a store is told when the next one proves it durable.'
      : `${counted(countOfAll, 'change')} since this page was opened${isPaused ? `; paused, ${waiting.length} lines wait` : ''}`;
  if (isPaused || waiting.length === 0) return;
  const host = byId('log');
  host.prepend(...waiting.reverse().map(lineOf));
  waiting = [];
  while (host.children.length > LINES_MAX) host.lastChild.remove();
}

function lineOf({ lsn, type, space, key, shown, preview, expiresAt }) {
  const name = key === undefined ? '' : shown;
  return el(
    key === undefined ? 'div' : 'a',
    {
      className: 'change mono',
      href: key === undefined ? undefined : hrefOf({ view: 'keys', space, prefix: '', at: 0, key }),
    },
    el('span', { className: 'lsn' }, grouped(lsn)),
    el('span', { className: `badge ${type}` }, type),
    el('span', { className: 'space' }, space === '' ? '' : spaceText(space)),
    el('span', { className: 'key' }, name),
    el(
      'span',
      { className: 'preview' },
      expiresAt === undefined ? preview : `${preview} expires ${timeText(expiresAt)}`,
    ),
  );
}
