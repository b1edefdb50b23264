import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeartbeatWatch, type Sighting } from '../../../client/detect.ts';
import { unsupportedLgmp } from '../../../client/session.ts';
import { stateOfAttachError } from '../../../client/state.ts';
import { Region } from '../../../protocol/memory/region.ts';
import { BareRegion } from './bare.ts';

const MAGIC = 0x504d_474c;
/** Where each version keeps magic and heartbeat. Source: the description's table of offsets. */
const PLACES = [
  { version: 7, magicAt: 0, timestampAt: 16 },
  { version: 8, magicAt: 0, timestampAt: 16 },
  { version: 9, magicAt: 8, timestampAt: 0 },
  { version: 10, magicAt: 8, timestampAt: 0 },
  { version: 10, magicAt: 8064, timestampAt: 0 },
  { version: 11, magicAt: 8064, timestampAt: 0 },
  { version: 12, magicAt: 9664, timestampAt: 0 },
] as const;

function blank(): Region {
  return new Region(new ArrayBuffer(64 * 1024));
}

function writeHeader(region: Region, at: number, version: number): void {
  region.view.setUint32(at, MAGIC, true);
  region.view.setUint32(at + 4, version, true);
}

/** The ring of the first queue lies behind the session blob of the version. */
function writeRing(region: Region, offset: number): void {
  region.view.setUint32(64 + 304, offset, true);
}

function beat(region: Region, at: number): void {
  region.view.setBigUint64(at, region.view.getBigUint64(at, true) + 10n, true);
}

/** Looks every 20 ms while a heartbeat moves, and gives the last sighting. */
function watch(region: Region, beatsAt: number | undefined, looks = 4): Sighting {
  const heartbeats = new HeartbeatWatch(region);
  let sighting = heartbeats.look(0);
  for (let i = 1; i < looks; i++) {
    if (beatsAt !== undefined) beat(region, beatsAt);
    sighting = heartbeats.look(i * 20);
  }
  return sighting;
}

function versionOf(sighting: Sighting): number | undefined {
  return sighting.kind === 'alive' ? sighting.candidate.version : undefined;
}

describe('HeartbeatWatch', () => {
  it.each([5, 6] as const)(
    'finds a publisher of LGMP %i when its heartbeat moved twice',
    (lgmp) => {
      const { region } = new BareRegion(lgmp);
      const heartbeats = new HeartbeatWatch(region);
      expect(heartbeats.look(0).kind).toBe('silent');
      beat(region, 16);
      expect(heartbeats.look(20).kind).toBe('silent');
      expect(heartbeats.look(40).kind).toBe('silent');
      beat(region, 16);
      const sighting = heartbeats.look(60);
      expect(versionOf(sighting)).toBe(lgmp);
      expect(sighting.kind === 'alive' && sighting.candidate.layout?.version).toBe(lgmp);
    },
  );

  it('sees nothing in zeros', () => {
    expect(watch(blank(), 16)).toEqual({ kind: 'nothing' });
  });

  it('sees a header without life as silent, and names it', () => {
    const { region } = new BareRegion(6);
    const sighting = watch(region, undefined);
    expect(sighting.kind).toBe('silent');
    expect(sighting.kind === 'silent' && sighting.candidates.map(({ version }) => version)).toEqual(
      [6],
    );
  });

  it('does not take a word for a heartbeat that is none of its version', () => {
    const { region } = new BareRegion(6);
    expect(watch(region, 2000).kind).toBe('silent');
  });

  it('sees a publisher die: alive no longer than a second after the last beat', () => {
    const { region } = new BareRegion(6);
    const heartbeats = new HeartbeatWatch(region);
    for (const nowMs of [0, 20, 40]) {
      heartbeats.look(nowMs);
      beat(region, 16);
    }
    expect(heartbeats.look(60).kind).toBe('alive');
    expect(heartbeats.look(1060).kind).toBe('alive');
    expect(heartbeats.look(1061).kind).toBe('silent');
    beat(region, 16);
    expect(heartbeats.look(1081).kind).toBe('silent');
    beat(region, 16);
    expect(heartbeats.look(1101).kind).toBe('alive');
  });

  it('forgets a header that went away and came back', () => {
    const { region } = new BareRegion(6);
    const heartbeats = new HeartbeatWatch(region);
    for (const nowMs of [0, 20, 40]) {
      heartbeats.look(nowMs);
      beat(region, 16);
    }
    region.view.setUint32(0, 0, true);
    expect(heartbeats.look(60)).toEqual({ kind: 'nothing' });
    region.view.setUint32(0, MAGIC, true);
    expect(heartbeats.look(80).kind).toBe('silent');
  });

  it.each(PLACES)('finds a live LGMP $version with its magic at $magicAt', (place) => {
    const region = blank();
    writeHeader(region, place.magicAt, place.version);
    const sighting = watch(region, place.timestampAt);
    expect(versionOf(sighting)).toBe(place.version);
    expect(sighting.kind === 'alive' && sighting.candidate.layout).toBeUndefined();
  });

  it.each([0, 13, 99, 0xffff_ffff])('finds an unknown version %i', (version) => {
    const region = blank();
    writeHeader(region, 0, version);
    expect(versionOf(watch(region, 16))).toBe(version);
  });

  it.each([
    [6, 12, 9664],
    [6, 10, 8064],
    [5, 10, 8064],
  ] as const)('finds LGMP %i beside a dead header of LGMP %i', (lgmp, dead, deadAt) => {
    const { region } = new BareRegion(lgmp);
    writeHeader(region, deadAt, dead);
    expect(versionOf(watch(region, 16))).toBe(lgmp);
  });

  it('finds LGMP 10 before a dead LGMP 12, and LGMP 12 behind a dead LGMP 10', () => {
    const region = blank();
    writeHeader(region, 8064, 10);
    writeHeader(region, 9664, 12);
    writeRing(region, 8320);
    expect(versionOf(watch(region, 0))).toBe(10);
    writeRing(region, 9920);
    expect(versionOf(watch(region, 0))).toBe(12);
  });

  it('finds LGMP 10 although a publisher of LGMP 6 has left its numbers', () => {
    const { region } = new BareRegion(6);
    // It keeps its heartbeat where the old magic was.
    region.view.setBigUint64(0, 1000n, true);
    writeHeader(region, 8064, 10);
    expect(versionOf(watch(region, 0))).toBe(10);
  });

  it('takes no header for one that has more queues than fit, or no session blob', () => {
    const queues = new BareRegion(6);
    queues.view.setUint32(24, 6, true);
    expect(watch(queues.region, 16)).toEqual({ kind: 'nothing' });
    for (const bytes of [0, 47, 64 * 1024 + 1, 0xffff_ffff]) {
      const b = new BareRegion(6);
      b.view.setUint32(5752, bytes, true);
      expect(watch(b.region, 16)).toEqual({ kind: 'nothing' });
    }
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 256, maxLength: 256 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 2500 }), fc.nat(0xffff_ffff)), {
          maxLength: 12,
        }),
        (noise, words) => {
          const { region } = new BareRegion(6);
          const heartbeats = new HeartbeatWatch(region);
          heartbeats.look(0);
          for (const [word, value] of words) {
            region.view.setUint32(word * 4, value, true);
            region.bytes.set(noise, (value % 200) * 64);
            expect(['alive', 'silent', 'nothing']).toContain(heartbeats.look(20).kind);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a version that is not read', () => {
  it.each(PLACES)('is named: LGMP $version', ({ version, magicAt }) => {
    const state = stateOfAttachError(
      unsupportedLgmp({ version, magicAt, timestampAt: 0, layout: undefined, plausible: true }),
    );
    expect(state.name).toBe('incompatible');
    expect(state.code).toBe('ERR_KVMFR_LGMP_VERSION');
    expect(state.message).toContain(`LGMP ${version} `);
    expect(state.message).toContain('LGMP 6 (B7)');
    expect(state.hint).toContain('B7');
  });
});
