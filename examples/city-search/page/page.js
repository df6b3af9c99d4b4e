/// <reference lib="dom" />
// @ts-check
// The page: asks at every letter, and shows the last answer that was asked for.

/** @typedef {{ name: string, country: string, population: number, place: [longitude: number, latitude: number] }} City */

const query = /** @type {HTMLInputElement} */ (document.querySelector('#query'));
const list = /** @type {HTMLOListElement} */ (document.querySelector('#found'));
const took = /** @type {HTMLOutputElement} */ (document.querySelector('#took'));
const map = /** @type {HTMLCanvasElement} */ (document.querySelector('#map'));
const pen = /** @type {CanvasRenderingContext2D} */ (map.getContext('2d'));

/** @type {City[]} */
let found = [];
const places = new Float32Array(await (await fetch('places')).arrayBuffer());

/** Draws every city as a dot, and those that were found as circles. */
function draw() {
  map.width = map.clientWidth * devicePixelRatio;
  map.height = map.width / 2;
  const x = (/** @type {number} */ longitude) => ((longitude + 180) / 360) * map.width;
  const y = (/** @type {number} */ latitude) => ((90 - latitude) / 180) * map.height;
  const color = getComputedStyle(document.body).color;
  pen.fillStyle = color;
  pen.globalAlpha = 0.25;
  for (let at = 0; at < places.length; at += 2)
    pen.fillRect(x(places[at] ?? 0), y(places[at + 1] ?? 0), 1, 1);
  pen.globalAlpha = 1;
  pen.strokeStyle = '#d1242f';
  pen.lineWidth = 2 * devicePixelRatio;
  for (const { place } of found) {
    pen.beginPath();
    pen.arc(x(place[0]), y(place[1]), 5 * devicePixelRatio, 0, 2 * Math.PI);
    pen.stroke();
  }
}

let asked = 0;
async function ask() {
  const number = ++asked;
  const answer = await (await fetch(`search?q=${encodeURIComponent(query.value)}`)).json();
  if (number !== asked) return;
  found = answer.found;
  took.value = query.value === '' ? '' : `${found.length} found in ${answer.ms.toFixed(2)} ms`;
  list.replaceChildren(
    ...found.map(({ name, country, population }) => {
      const item = document.createElement('li');
      const size = document.createElement('span');
      size.textContent = population.toLocaleString();
      item.append(`${name}, ${country}`, size);
      return item;
    }),
  );
  draw();
}

query.addEventListener('input', ask);
addEventListener('resize', draw);
draw();
