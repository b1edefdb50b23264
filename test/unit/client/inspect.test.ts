import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Inspection, inspectRegion } from '../../../client/inspect.ts';
import { createHost, type HostOptions } from '../../../host/index.ts';
import { createRegionFile, Mapping } from '../../../native/index.ts';
import { BareRegion } from './bare.ts';
import { picture, temporaryPath } from './guest.ts';

const VM = {
  uuid: '00112233-4455-6677-8899-aabbccddeeff',
  capture: 'test',
  cpus: 8,
  cores: 4,
  sockets: 1,
  model: 'A CPU',
} as const;
const OS = { kind: 'windows', name: 'Windows 11' } as const;

/** Looks at a region in which a publisher runs and somebody reads. */
async function inspected(
  options: HostOptions,
  prepare: (path: string) => void = () => {},
): Promise<Inspection & { readonly unchanged: boolean }> {
  const path = temporaryPath();
  createRegionFile(path, 8 * 2 ** 20);
  await using host = await createHost(path, { vm: VM, os: OS, hostVersion: 'B7-x', ...options });
  using mapping = Mapping.open(path);
  // A reader that keeps one frame and the pointer: what is looked at lies in the rings.
  const view = new DataView(mapping.buffer);
  for (const at of [32, 32 + 1144]) view.setUint32(at + 420, 1, true);
  const shape = {
    kind: 'masked-color',
    widthPx: 3,
    heightPx: 2,
    hotspotX: 1,
    hotspotY: 1,
  } as const;
  host.publish({ ...picture(1), rotation: 1 });
  host.setCursor({
    position: { x: -4, y: 7 },
    visible: true,
    shape: { ...shape, pitchBytes: 12, bytes: new Uint8Array(24) },
  });
  host.setCursor({ position: { x: 11, y: 12 } });
  prepare(path);
  const rings = new Uint8Array(mapping.buffer).slice(32, 5756);
  const found = await inspectRegion(path);
  const now = new Uint8Array(mapping.buffer).slice(32, 5756);
  return { ...found, unchanged: Buffer.compare(rings, now) === 0 };
}

describe('inspectRegion()', () => {
  it.each([
    ['B6', 5, 19],
    ['B7', 6, 20],
  ] as const)(
    'tells all about a publisher of %s, and writes nothing',
    async (wire, lgmp, kvmfr) => {
      const found = await inspected({ wire, features: 1 });
      expect(found.unchanged).toBe(true);
      expect(found).toMatchObject({
        kind: 'file',
        sizeBytes: 8 * 2 ** 20,
        headers: [{ lgmpVersion: lgmp, offsetBytes: 0 }],
        alive: true,
        problem: undefined,
        session: {
          lgmpVersion: lgmp,
          kvmfrVersion: kvmfr,
          release: wire,
          hostVersion: 'B7-x',
          features: 1,
          vm: VM,
          os: OS,
        },
        queues: [
          { id: 2, slots: 3, used: 1, position: 1, subscribers: 1, timedOut: 0, maxTimeMs: 1000 },
          { id: 1, slots: 21, used: 2, position: 2, subscribers: 1, timedOut: 0, maxTimeMs: 1000 },
        ],
        frame: {
          serial: 0,
          format: 'BGRA',
          widthPx: 64,
          heightPx: 48,
          dataHeightPx: 48,
          pitchBytes: 256,
          rotation: 1,
          damageRects: 0,
          truncated: false,
          dataBytes: 48 * 256,
          writtenBytes: 48 * 256,
        },
        cursor: {
          visible: true,
          x: 11,
          y: 12,
          shape: { kind: 'masked-color', widthPx: 3, heightPx: 2, hotspotX: 1, hotspotY: 1 },
        },
      });
    },
  );

  it('leaves out what it cannot read', async () => {
    const found = await inspected({}, (path) => {
      using mapping = Mapping.open(path);
      const view = new DataView(mapping.buffer);
      const ring = view.getUint32(32 + 20, true);
      const frame = view.getUint32(ring + 8, true);
      view.setUint32(frame + 44, 1, true);
    });
    expect(found.frame).toBeUndefined();
    expect(found.session).toBeDefined();
    expect(found.cursor).toBeDefined();
  });

  it('tells what a dead publisher has left, and that it is dead', async () => {
    const path = temporaryPath();
    writeFileSync(path, new BareRegion(6).region.bytes);
    const found = await inspectRegion(path);
    expect(found.alive).toBe(false);
    expect(found.session?.hostVersion).toBe('bare');
    expect(found.problem?.code).toBe('ERR_KVMFR_NO_HOST');
  });

  it('names a version that it does not read', async () => {
    const path = temporaryPath();
    const { region } = new BareRegion(6);
    region.view.setUint32(4, 8, true);
    writeFileSync(path, region.bytes);
    const found = await inspectRegion(path);
    expect(found.problem?.code).toBe('ERR_KVMFR_LGMP_VERSION');
    expect(found.problem?.message).toContain('LGMP 8');
    expect(found.headers).toEqual([{ lgmpVersion: 8, offsetBytes: 0 }]);
  });

  it('finds nothing in zeros', async () => {
    const path = temporaryPath();
    createRegionFile(path, 2 ** 20);
    const found = await inspectRegion(path);
    expect(found).toMatchObject({
      headers: [],
      alive: false,
      session: undefined,
      queues: [],
      frame: undefined,
      cursor: undefined,
    });
    expect(found.problem?.code).toBe('ERR_KVMFR_NO_HOST');
  });

  it('throws what cannot be opened', async () => {
    await expect(inspectRegion(`${temporaryPath()}-not`)).rejects.toMatchObject({
      code: 'ERR_KVMFR_ABSENT',
    });
  });

  it('throws what the signal was aborted with', async () => {
    const path = temporaryPath();
    createRegionFile(path, 2 ** 20);
    const stop = new AbortController();
    const looking = inspectRegion(path, { signal: stop.signal });
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(looking).rejects.toBe(reason);
  });
});
