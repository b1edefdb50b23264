import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import { createHost } from '../../host/index.ts';
import { createRegionFile, openMapping } from '../../native/index.ts';
import { type HugeFolder, hugeFolder } from '../support/huge-pages.ts';
import { scratchFolder } from '../unit/native/scratch.ts';
import {
  kvmfrInRoot,
  mountRoot,
  ROOT_DEVICES,
  ROOT_MEMORY_MIB,
  ROOT_MODULES,
} from './machine-root.ts';
import { needsGuest } from './needs-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';

const LIMIT_MS = 480_000;
const REGION_MIB = 16;
const HUGE_PAGE_BYTES = 2 * 2 ** 20;
const WIDTH = 320;
const HEIGHT = 200;

/** B, G, R, 255 of a picture in which hardly a pixel is like its neighbours. */
function manyColors(): Buffer {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 4);
  for (let i = 0; i < WIDTH * HEIGHT; i++)
    pixels.writeUInt32LE((Math.imul(i + 1, 0x9e37_79b1) | 0xff00_0000) >>> 0, i * 4);
  return pixels;
}

/** The same as R, G, B, which is what a PNG has. */
function redFirst(pixels: Buffer): Buffer {
  const rgb = Buffer.alloc(WIDTH * HEIGHT * 3);
  for (let i = 0; i < WIDTH * HEIGHT; i++)
    for (let channel = 0; channel < 3; channel++)
      rgb[i * 3 + channel] = pixels[i * 4 + 2 - channel] ?? 0;
  return rgb;
}

needsGuest().describe('the BAR of a guest, through sysfs', () => {
  const scratch = scratchFolder();
  // Of huge pages where this machine gives some: a guest does not see what its memory is made of.
  let huge: HugeFolder | string = '';
  let region = join(scratch, 'region');
  // Of this machine and not of the guest's own memory: the guest reads a picture there.
  const shared = mkdtempSync(join(tmpdir(), 'kvmfr-bar-'));
  const picture = join(shared, 'desk.png');
  const pixels = manyColors();
  let machine: VirtualMachine;

  beforeAll(async () => {
    huge = hugeFolder((REGION_MIB * 2 ** 20) / HUGE_PAGE_BYTES);
    if (typeof huge === 'string') process.stderr.write(`SKIPPED: a BAR on huge pages: ${huge}\n`);
    else region = join(huge.path, 'region');
    createRegionFile(region, REGION_MIB * 2 ** 20);
    const raw = { width: WIDTH, height: HEIGHT, channels: 3 } as const;
    await sharp(redFirst(pixels), { raw }).png().toFile(picture);
    const size = `size=${REGION_MIB}M`;
    machine = await VirtualMachine.boot({
      limitMs: LIMIT_MS,
      memoryMib: ROOT_MEMORY_MIB,
      modules: ROOT_MODULES,
      devices: [
        ...ROOT_DEVICES,
        ...['-object', `memory-backend-file,id=shared,share=on,mem-path=${region},${size}`],
        ...['-device', 'ivshmem-plain,memdev=shared'],
      ],
    });
    await mountRoot(machine);
  }, LIMIT_MS);

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    rmSync(shared, { recursive: true, force: true });
    if (typeof huge !== 'string') huge[Symbol.dispose]();
  });

  it(
    'what a publisher outside has written is there inside',
    async () => {
      await using _host = await createHost(region, { wire: 'B7', hostVersion: 'outside' });
      const { status, output } = await machine.run(kvmfrInRoot('info pci: --json'));
      const told: unknown = JSON.parse(output.join('\n'));
      expect(told).toMatchObject({
        path: expect.stringMatching(/^pci:0000:00:0\d\.0$/),
        kind: 'pci',
        sizeBytes: REGION_MIB * 2 ** 20,
        alive: true,
        session: { release: 'B7', hostVersion: 'outside' },
      });
      expect(status).toBe(0);
    },
    LIMIT_MS,
  );

  it('lies on huge pages where there are some', async (context) => {
    if (typeof huge === 'string') return context.skip(huge);
    using mapping = openMapping(region);
    expect(mapping.pageBytes).toBe(HUGE_PAGE_BYTES);
    const query = await machine.qmp.execute('query-memdev');
    expect(query).toContainEqual(expect.objectContaining({ id: 'shared', share: true }));
  });

  it(
    'what a publisher inside publishes is read outside, exact to the pixel',
    async () => {
      await machine.run(`${kvmfrInRoot(`host pci: --source image:${picture}`)} >/dev/null 2>&1 &`);
      await using client = await connect(region);
      expect(client.session.vm?.capture).toBe('image');
      for await (const frame of client.frames()) {
        expect(await frame.whenRows(HEIGHT)).toBe(true);
        expect([frame.widthPx, frame.heightPx]).toEqual([WIDTH, HEIGHT]);
        expect(Buffer.compare(frame.pixels, pixels)).toBe(0);
        frame.release();
        break;
      }
      // Power failure: the memory stays, and with it the last picture.
      await machine.kill();
      for await (const state of client.states()) if (state.name === 'stale') break;
      expect(client.state.code).toBe('ERR_KVMFR_NO_HOST');
    },
    LIMIT_MS,
  );
});
