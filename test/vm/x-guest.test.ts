import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, connect, type Frame } from '../../client/index.ts';
import { createRegionFile } from '../../native/index.ts';
import { toolPath } from '../support/machine.ts';
import { scratchFolder } from '../unit/native/scratch.ts';
import { startInGuest } from './background.ts';
import {
  inRoot,
  kvmfrInRoot,
  mountRoot,
  ROOT_DEVICES,
  ROOT_MEMORY_MIB,
  ROOT_MODULES,
} from './machine-root.ts';
import { needsGuest } from './needs-guest.ts';
import { VirtualMachine } from './virtual-machine.ts';
import { awaited, firstOf, VM_LIMIT_MS } from './waits.ts';

const REGION_MIB = 16;
const PAINTER = fileURLToPath(new URL('guest/painter.mjs', import.meta.url));

/** Over R, G, B of each pixel. */
function sumOf({ pixels, widthPx, heightPx, pitchBytes }: Frame): string {
  const rgb = Buffer.alloc(widthPx * heightPx * 3);
  for (let y = 0, to = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++, to += 3) {
      const from = y * pitchBytes + x * 4;
      rgb[to] = pixels[from + 2] ?? 0;
      rgb[to + 1] = pixels[from + 1] ?? 0;
      rgb[to + 2] = pixels[from] ?? 0;
    }
  return createHash('sha256').update(rgb).digest('hex');
}

needsGuest('xvfb').describe('an X server in a guest, published from inside it', () => {
  const region = join(scratchFolder(), 'region');
  let machine: VirtualMachine;
  let client: Client;

  beforeAll(async () => {
    createRegionFile(region, REGION_MIB * 2 ** 20);
    machine = await VirtualMachine.boot({
      limitMs: 2 * VM_LIMIT_MS,
      memoryMib: ROOT_MEMORY_MIB,
      modules: ROOT_MODULES,
      devices: [
        ...ROOT_DEVICES,
        ...[
          '-object',
          `memory-backend-file,id=shared,share=on,mem-path=${region},size=${REGION_MIB}M`,
        ],
        ...['-device', 'ivshmem-plain,memdev=shared'],
      ],
    });
    await mountRoot(machine);
    const xvfb = `${toolPath('xvfb')} :9 -screen 0 640x480x24 -nolisten tcp -noreset`;
    await startInGuest(machine, inRoot(xvfb), '[ -S /machine/tmp/.X11-unix/X9 ]');
    const host = kvmfrInRoot('host pci: --source x11:9');
    await startInGuest(machine, host, 'grep -q publishing $log');
    client = await connect(region);
  }, 2 * VM_LIMIT_MS);

  afterAll(async () => {
    await client?.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it(
    'shows a window that moves, exact to the pixel, and the pointer of that window',
    async () => {
      const sums: string[] = [];
      let wanted: string | undefined;
      const seen = firstOf('the picture of the X server', client.frames(), (frame) => {
        sums.push(sumOf(frame));
        return sums.at(-1) === wanted;
      });
      const pointer = firstOf(
        'the pointer of the window',
        client.cursor(),
        ({ shape }) => shape?.widthPx === 13,
      );
      await machine.run(`${inRoot(`${process.execPath} ${PAINTER} :9`)} &`);
      const painted = awaited('the painter', machine, machine.events.take(/^painted /));
      wanted = (await painted).replace('painted ', '');
      // The newest may have come before we knew what to wait for.
      if (sums.at(-1) !== wanted) await awaited('its picture', machine, seen);
      else seen.catch(() => undefined);
      const cursor = await awaited('its pointer', machine, pointer);
      expect(cursor).toMatchObject({ x: 244, y: 66, visible: true });
      expect([...(cursor.shape?.rgba.subarray(0, 4) ?? [])]).toEqual([255, 0, 0, 255]);
      expect(new Set(sums).size).toBeGreaterThan(1);
    },
    VM_LIMIT_MS,
  );
});
