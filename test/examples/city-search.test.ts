// The example with a page, as a person uses it: in headless Chromium.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';

const SERVER = path.resolve(import.meta.dirname, '../../examples/city-search/server.js');
const executablePath = spawnSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).stdout.trim();
const reason = executablePath === '' ? ' (skipped: there is no chromium)' : '';

/** Starts the server on a store of its own, and returns its address. */
async function startServer(): Promise<string> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-city-search-'));
  const server = spawn(process.execPath, [SERVER, '0', directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  onTestFinished(async () => {
    server.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    fs.rmSync(directory, { recursive: true });
  });
  const [said] = (await once(server.stdout, 'data')) as [Buffer];
  return /http:\S+/.exec(said.toString())![0];
}

test.skipIf(executablePath === '')(
  `a city is found while it is typed, and is on the map${reason}`,
  async () => {
    const address = await startServer();
    const browser = await chromium.launch({
      executablePath,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(address);
    const first = page.locator('#found li').first();

    await page.getByLabel('Find a city').pressSequentially('reykj');
    await page.getByText('Reykjavík, IS').waitFor();
    await page.getByLabel('Find a city').fill('new y');
    await page.getByText('New York City, US').waitFor();
    expect(await first.textContent()).toMatch(/^New York City, US/);
    await page.getByLabel('Find a city').fill('nowhere at all');
    await page.getByText('0 found in').waitFor();

    // The dots of the map are there: not every pixel has one color.
    const colors = await page.evaluate(`(() => {
    const map = document.querySelector('canvas');
    const { data } = map.getContext('2d').getImageData(0, 0, map.width, map.height);
    return new Set(new Uint32Array(data.buffer)).size;
  })()`);
    expect(colors).toBeGreaterThan(1);
    expect(errors).toEqual([]);
  },
);
