// The page of `keelson inspect` as a person uses it, in headless Chromium, from dist/. With KEELSON_WRITE_DOCS it also makes
// the picture of the guide.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { msgpack, open, type Store } from '../../src/index.js';
import { startPage } from './inspect-tools.js';

const executablePath = spawnSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).stdout.trim();
const reason = executablePath === '' ? 'there is no chromium' : null;

const PICTURE = 'docs/guide/inspect.webp';
const SCRIPT = '<img src=x onerror="document.title=1"><script>alert(1)</script>';

let browser: Browser;
let db: Store<string, unknown>;
let served: Awaited<ReturnType<typeof startPage>>;

/** Fills a store with what a shop may have: goods, users with values of every kind, visits that expire, and pictures. */
async function fill(): Promise<void> {
  const goods = Array.from({ length: 12_000 }, (_, n) => ({
    type: 'put' as const,
    key: `goods:${String(n).padStart(6, '0')}`,
    value: { title: `Lamp no. ${n}`, cents: 1900 + ((n * 37) % 8000), tags: ['lamp', 'brass'] },
  }));
  await db.batch(goods);
  const users = db.namespace('users');
  for (const [n, name] of ['ada', 'alan', 'barbara', 'edsger', 'frances', 'grace', 'leslie'].entries()) {
    for (const logins of [1, 2, 3])
      await users.put(`user:${name}`, {
        name,
        logins: logins * (n + 1),
        since: new Date(Date.UTC(2024, n, 9)),
        balance: 2n ** 60n + BigInt(n),
        roles: new Set(['reader', 'editor']),
        address: { city: 'London', lines: ['12 St James’s Square'] },
        key: Uint8Array.from({ length: 20 }, (_, at) => (at * 37 + n) % 256),
      });
  }
  for (let n = 100; n < 140; n++) void users.put(`user:guest-${n}`, { name: `guest ${n}`, logins: 0 });
  await db.namespace('texts').put(SCRIPT, { [SCRIPT]: SCRIPT });
  const visits = db.namespace('visits', { keyEncoding: 'tuple' });
  for (let n = 0; n < 300; n++)
    void visits.put(
      ['ada', n],
      { page: `/goods/${n}` },
      { expiresAt: 4_000_000_000_000, durability: 'memory' },
    );
  const pictures = db.namespace('pictures', { keyEncoding: 'bytes', valueEncoding: 'bytes' });
  await pictures.put(
    Uint8Array.of(0xca, 0xfe),
    Uint8Array.from({ length: 3000 }, (_, at) => at % 251),
  );
  await db.checkpoint();
  await users.put('user:ada', { name: 'ada', logins: 4 });
  await users.delete('user:leslie');
}

/** Opens the page. Whatever it complains about fails the test. */
async function openPage(fragment = '', width = 1280): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  onTestFinished(() => page.close());
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('request', (request) => {
    if (!request.url().startsWith(served.url)) complaints.push(`asks for ${request.url()}`);
  });
  onTestFinished(() => expect(complaints).toEqual([]));
  await page.goto(served.url + fragment);
  await page.getByText('live', { exact: true }).waitFor();
  return page;
}

const rowsOf = (page: Page) => page.locator('#rows a');

describe.skipIf(reason !== null)(`the page${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  beforeAll(async () => {
    const directory = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-page-')), 'shop');
    db = await open(directory, { valueEncoding: msgpack<unknown>() });
    await fill();
    served = await startPage(directory);
    browser = await chromium.launch({
      executablePath,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
  });

  afterAll(async () => {
    await browser.close();
    await served.close();
    await db.close();
    fs.rmSync(path.dirname(served.store.db.directory), { recursive: true });
  });

  test('is used by the keyboard: search, pages, entries, views', async () => {
    const page = await openPage();
    await rowsOf(page).first().waitFor();
    expect(await page.locator('#place').textContent()).toBe('0–99 of 12,000');
    await page.keyboard.press('End');
    await page.getByText('11,900–11,999 of 12,000').waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.getByText('11,800–11,899 of 12,000').waitFor();
    await page.keyboard.press('Home');
    await page.getByText('0–99 of 12,000').waitFor();

    await page.keyboard.press('/');
    await page.keyboard.type('goods:0119');
    await page.getByText('100 keys with this prefix').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.getByRole('heading', { name: 'goods:011900' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.getByRole('heading', { name: 'goods:011901' }).waitFor();
    expect(await page.locator('#entry .value').textContent()).toContain('"Lamp no. 11901"');
    await page.goBack();
    await page.getByText('Choose a key').waitFor();
    await page.goBack();
    await page.getByText('0–99 of 12,000').waitFor();

    await page.getByLabel('Go to').fill('goods:011950');
    await page.keyboard.press('Enter');
    await page.getByText('11,950–11,999 of 12,000').waitFor();
    for (const [key, view] of [
      ['2', 'Changes'],
      ['3', 'Memory'],
      ['4', 'Journal'],
      ['1', 'Keys'],
    ] as const) {
      await page.keyboard.press('Escape');
      await page.keyboard.press(key);
      await page.getByRole('region', { name: view, exact: true }).waitFor();
    }
  });

  test('shows values of every kind, and text that looks like a page as text', async () => {
    const page = await openPage('#/keys?space=users&key=%22user%3Aalan%22');
    const value = page.locator('#entry .value');
    await value.waitFor();
    const text = (await value.textContent())!;
    for (const part of [
      '1152921504606846977n',
      '2024-02-09T00:00:00.000Z',
      '"reader"',
      '"London"',
      '000000  01 26',
    ])
      expect(text).toContain(part);
    await page.getByRole('link', { name: 'texts' }).click();
    await rowsOf(page).filter({ hasText: '<img' }).click();
    await page.getByRole('heading', { name: SCRIPT }).waitFor();
    expect(await page.locator('#entry img, #rows img, main script').count()).toBe(0);
    expect(await page.title()).toBe('shop · Keelson inspect');

    await page.getByRole('link', { name: 'pictures' }).click();
    await page.getByText('ca fe').click();
    await page.getByRole('button', { name: 'more' }).click();
    expect(await page.locator('.v-bytes').textContent()).toContain('0007f8');
  });

  test('shows the history of a key, and what the owner writes', async () => {
    const page = await openPage('#/keys?space=users&key=%22user%3Aada%22');
    await page.getByText('History', { exact: true }).click();
    await page.getByText(/durable changes since the store was made/).waitFor();
    const versions = page.locator('.version');
    expect(await versions.count()).toBe(4);
    expect(await versions.first().textContent()).toContain('logins: 4');
    await versions.nth(1).click();
    await versions.nth(1).getByText('1152921504606846976n').first().waitFor();

    const users = db.namespace('users');
    await users.put('user:ada', { name: 'ada', logins: 5 });
    await users.put('user:alan', { name: 'alan', logins: 1 });
    await page.locator('.row.changed', { hasText: 'user:ada' }).waitFor();
    await versions.filter({ hasText: 'logins: 5' }).waitFor();
    await page.keyboard.press('2');
    const change = page.locator('.change', { hasText: 'user:ada' });
    await change.waitFor();
    expect(await change.textContent()).toContain('logins: 5');
    await page.getByRole('button', { name: 'Pause' }).click();
    await users.put('user:grace', { name: 'grace', logins: 6 });
    await users.put('user:alan', { name: 'alan', logins: 2 });
    await page.getByText(/paused, [1-9]\d* lines wait/).waitFor();
    expect(await page.locator('.change', { hasText: 'grace' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.locator('.change', { hasText: 'grace' }).click();
    await page.getByRole('heading', { name: 'user:grace' }).waitFor();
  });

  test('draws memory and journal', async () => {
    const page = await openPage('#/memory');
    await page.locator('#memory-spaces canvas').waitFor();
    await page.locator('#memory-time canvas').waitFor();
    expect(await page.locator('#memory-parts tbody tr').count()).toBe(5);
    await page.keyboard.press('4');
    await page.locator('#segments-chart canvas').waitFor();
    await page.locator('#commits-chart canvas').waitFor();
    await page.getByText(/commits? with [\d,]+ records/).waitFor();
    await page.locator('#segments button').first().click();
    await page.getByText('of segment 1', { exact: true }).waitFor();
    expect(await page.locator('#images').textContent()).toContain('header is whole');
  });

  test('fits narrow windows, and is dark where the system is', async () => {
    const page = await openPage('', 360);
    for (const view of ['keys', 'changes', 'memory', 'journal']) {
      await page.goto(`${served.url}#/${view}`);
      await page.locator(`#${view}`).waitFor();
      const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
      expect(widths).toEqual([360, 360]);
    }
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).not.toBe(light);
  });

  test('names all that can be used', async () => {
    const page = await openPage('#/keys?space=users&key=%22user%3Aalan%22');
    await page.locator('#entry .value').waitFor();
    const snapshot = await page.locator('body').ariaSnapshot();
    expect(snapshot).not.toMatch(
      /^\s*- (button|link|textbox|searchbox|slider|img|navigation|region)(:|$| \[)/m,
    );
    for (const name of [
      'searchbox "Search"',
      'textbox "Go to"',
      'slider "Rank of the first key of the page"',
    ])
      expect(snapshot).toContain(name);
  });

  test('says when the server has ended', async () => {
    const other = await startPage(served.store.db.directory);
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(other.url);
    await page.getByText('live', { exact: true }).waitFor();
    await other.close();
    await page.getByText('not connected').waitFor();
  });

  test.runIf(process.env['KEELSON_WRITE_DOCS'] !== undefined)('is in the guide', async () => {
    const { directory } = served.store.db;
    Object.assign(served.store.db, { directory: '/srv/shop' });
    const page = await openPage('#/keys?space=users&key=%22user%3Abarbara%22');
    await page.getByText('History', { exact: true }).click();
    await page.locator('.version').nth(2).waitFor();
    const session = await page.context().newCDPSession(page);
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 85 });
    fs.writeFileSync(PICTURE, Buffer.from(data, 'base64'));
    Object.assign(served.store.db, { directory });
    expect(fs.statSync(PICTURE).size).toBeLessThan(150_000);
  });
});
