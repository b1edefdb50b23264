import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect } from 'vitest';
import { type PagePixels, TestBrowser } from '../support/chromium.ts';
import { kvmfr, RunningCommand } from '../support/command.ts';
import { DEV_FIXTURE_NAMES, FIXTURE_NAMES, FixtureHost, loadFixture } from '../support/fixture.ts';
import { needs } from '../support/machine.ts';

// Memory that real Looking Glass hosts wrote, shown by the real commands in a real browser.

/** Pixels of a PNG as R, G, B. */
async function pngPixels(png: string | Buffer): Promise<Buffer> {
  return sharp(png).removeAlpha().raw().toBuffer();
}

/** How many pixels differ between a canvas and R, G, B bytes. */
function pixelsOff(shown: PagePixels, expected: Buffer): number {
  let off = 0;
  for (let at = 0, want = 0; want < expected.length; at += 4, want += 3) {
    const same =
      shown.rgba[at] === expected[want] &&
      shown.rgba[at + 1] === expected[want + 1] &&
      shown.rgba[at + 2] === expected[want + 2] &&
      shown.rgba[at + 3] === 255;
    if (!same) off++;
  }
  return off;
}

/** Writes over a file that others have mapped: cutting it would take the memory from under them. */
async function writeInPlace(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.byteLength, 0);
  } finally {
    await file.close();
  }
}

needs('chromium').describe('memory written by Looking Glass', () => {
  let folder = '';
  let browser: TestBrowser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kvmfr-main-job-'));
    browser = await TestBrowser.start();
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  for (const name of [...FIXTURE_NAMES, ...DEV_FIXTURE_NAMES]) {
    needs('chromium').it(
      `${name}: info, snapshot and page show exactly what was on the screen`,
      async () => {
        const fixture = loadFixture(name);
        const region = join(folder, name.replace('/', '-'));
        await fixture.writeTo(region);
        await using _guest = await FixtureHost.start(region);
        const expected = await pngPixels(fixture.pngPath);
        const [frame] = fixture.facts.framesPending;
        const { version, queues } = fixture.facts.lgmp;

        const info = await kvmfr(['info', region, '--json']);
        expect(info.status).toBe(0);
        expect(JSON.parse(info.stdout.toString())).toMatchObject({
          path: region,
          sizeBytes: fixture.facts.shmSize,
          alive: true,
          session: {
            id: fixture.facts.lgmp.sessionID,
            lgmpVersion: version,
            kvmfrVersion: 20,
            release: version === 6 ? 'B7' : 'dev10',
            hostVersion: fixture.facts.kvmfr.hostver,
            vm: { capture: 'XCB', model: 'AMD EPYC', cpus: 2, cores: 2, sockets: 1 },
            os: { kind: 'linux', name: fixture.facts.kvmfr.records[1]?.name },
          },
          queues: [
            { name: 'frame', id: 2, slots: queues[0]?.numMessages },
            { name: 'pointer', id: 1, slots: queues[1]?.numMessages },
          ],
          frame: { format: 'BGRA', widthPx: frame?.frameWidth, heightPx: frame?.frameHeight },
        });

        const png = `${region}.png`;
        const snapshot = await kvmfr(['snapshot', region, '-o', png]);
        expect(snapshot.stderr).toContain(png);
        expect(snapshot.status).toBe(0);
        expect(Buffer.compare(await pngPixels(await readFile(png)), expected)).toBe(0);

        await using view = new RunningCommand(['view', region, '--listen', '127.0.0.1:0']);
        const page = await browser.open(await view.firstLine());
        await page.inState('showing');
        await page.hasPicture({
          widthPx: frame?.frameWidth ?? 0,
          heightPx: frame?.frameHeight ?? 0,
        });
        // The size of a picture is told before its pixels come.
        await page.pixelsOnce((shown) => pixelsOff(shown, expected) === 0);
        expect(page.complaints).toEqual([]);
        await page.page.close();
      },
    );
  }

  needs('chromium').it(
    'a publisher that is killed and started again: stale, then the new picture, without a reload',
    async () => {
      const first = loadFixture('640x480');
      const second = loadFixture('800x600');
      const region = join(folder, 'restart');
      // Both dumps have the same size, so the second life takes place in the same memory.
      await first.writeTo(region);
      const guest = await FixtureHost.start(region);
      await using view = new RunningCommand(['view', region, '--listen', '127.0.0.1:0']);
      const page = await browser.open(await view.firstLine());
      await page.page.evaluate('window.loadedOnce = true');
      const before = await pngPixels(first.pngPath);
      await page.hasPicture({ widthPx: 640, heightPx: 480 });
      await page.pixelsOnce((shown) => pixelsOff(shown, before) === 0);
      await guest.kill();
      await page.inState('stale');
      expect(pixelsOff(await page.pixels(), before)).toBe(0);

      await writeInPlace(region, second.bytes);
      await using _again = await FixtureHost.start(region, { newSession: true });
      await page.inState('showing');
      await page.hasPicture({ widthPx: 800, heightPx: 600 });
      const after = await pngPixels(second.pngPath);
      await page.pixelsOnce((shown) => pixelsOff(shown, after) === 0);
      expect(await page.page.evaluate('window.loadedOnce')).toBe(true);
      expect(page.complaints).toEqual([]);
      await page.page.close();
    },
  );
});
