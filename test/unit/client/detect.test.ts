import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeartbeatWatch, type Sighting } from '../../../client/detect.ts';
import { unsupportedLgmp } from '../../../client/session.ts';
import { stateOfAttachError } from '../../../client/state.ts';
import { LGMP_LAYOUTS, neighbourPairs } from '../../../protocol/lgmp/detect.ts';
import { Region } from '../../../protocol/memory/region.ts';
import {
  beat as beatOf,
  MADE_LGMPS,
  type MadeLgmp,
  magicAt,
  makeRegion,
  sessionBytes,
  timestampAt,
  udataAt,
  versionNumber,
  writeRegion,
} from '../../support/region-factory.ts';
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

/** The same for a made region, at the pace of its version. */
function watchMade(region: Region, version: MadeLgmp): Sighting {
  return watch(region, timestampAt(version));
}

/** What there is to tell of a live publisher: its number, its place, and whether it can be read. */
function found(sighting: Sighting): unknown {
  if (sighting.kind !== 'alive') return sighting;
  const { version, magicAt, layout } = sighting.candidate;
  return { version, magicAt, layout };
}

function expected(version: MadeLgmp): unknown {
  return {
    version: versionNumber(version),
    magicAt: magicAt(version),
    layout: typeof version === 'number' ? LGMP_LAYOUTS.get(version) : undefined,
  };
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

  it.each(MADE_LGMPS)('finds a live LGMP %s', (version) => {
    expect(found(watchMade(makeRegion({ version }), version))).toEqual(expected(version));
  });

  it.each([
    [0, 0, 16],
    [13, 0, 16],
    [99, 8, 0],
    [13, 8064, 0],
    [13, 9664, 0],
    [0xffff_ffff, 9664, 0],
  ])('finds an unknown version %i at %i, without a way to read it', (version, at, beatsAt) => {
    const region = blank();
    writeHeader(region, at, version);
    const sighting = watch(region, beatsAt);
    expect(versionOf(sighting)).toBe(version);
    expect(sighting.kind === 'alive' && sighting.candidate.layout).toBeUndefined();
  });

  it('names a header with too many queues or no session blob only where no other one is', () => {
    const spoil: readonly ((region: BareRegion) => void)[] = [
      (b) => b.view.setUint32(24, 6, true),
      ...[0, 47, 64 * 1024 + 1, 0xffff_ffff].map(
        (bytes) => (b: BareRegion) => b.view.setUint32(5752, bytes, true),
      ),
    ];
    for (const breakIt of spoil) {
      const alone = new BareRegion(6);
      breakIt(alone);
      expect(watch(alone.region, 16)).toMatchObject({
        kind: 'alive',
        candidate: { version: 6, plausible: false },
      });
      const other = new BareRegion(6);
      breakIt(other);
      other.view.setUint32(9664, 0x504d474c, true);
      other.view.setUint32(9668, 13, true);
      expect(watch(other.region, 16)).toMatchObject({ kind: 'silent' });
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

describe('a publisher that starts where another one was', () => {
  const pairs = MADE_LGMPS.flatMap((old) => MADE_LGMPS.map((live) => [old, live] as const));

  it.each(pairs)('is found: after LGMP %s, LGMP %s', (old, live) => {
    const region = makeRegion({ version: old, sessionId: 1, heartbeat: 5_000_000n });
    writeRegion(region, { version: live, sessionId: 2 });
    expect(found(watchMade(region, live))).toEqual(expected(live));
  });

  it.each(pairs)('is found while we look: LGMP %s dies, LGMP %s starts', (old, live) => {
    const region = makeRegion({ version: old, sessionId: 1, heartbeat: 5_000_000n });
    const heartbeats = new HeartbeatWatch(region);
    let nowMs = 0;
    const look = (version: MadeLgmp | undefined, looks: number): Sighting => {
      let sighting = heartbeats.look(nowMs);
      for (let i = 0; i < looks; i++) {
        nowMs += 250;
        if (version !== undefined) beatOf(region, version, 250n);
        sighting = heartbeats.look(nowMs);
      }
      return sighting;
    };
    expect(found(look(old, 3))).toEqual(expected(old));
    expect(look(undefined, 5).kind).toBe('silent');
    writeRegion(region, { version: live, sessionId: 2 });
    expect(found(look(live, 4))).toEqual(expected(live));
  });

  it.each(pairs)('is found: LGMP %s did not get to its queues, LGMP %s lives', (old, live) => {
    const region = makeRegion({ version: old, queues: [], heartbeat: 5_000_000n });
    writeRegion(region, { version: live });
    expect(found(watchMade(region, live))).toEqual(expected(live));
  });

  it('is found behind any row of others', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...MADE_LGMPS), { maxLength: 12 }),
        fc.constantFrom(...MADE_LGMPS),
        (others, live) => {
          const region = blank();
          for (const version of others) writeRegion(region, { version });
          writeRegion(region, { version: live });
          expect(found(watchMade(region, live))).toEqual(expected(live));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is found in memory full of pixels that look like headers', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MADE_LGMPS),
        fc.infiniteStream(fc.nat(0xffff_ffff)),
        fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }),
        (live, noise, versions) => {
          const region = blank();
          const words = new Uint32Array(region.buffer);
          for (let i = 0; i < 4096; i++) words[i] = noise.next().value;
          [0, 8, 8064, 9664].forEach((at, i) => {
            writeHeader(region, at, versions[i] ?? 0);
          });
          writeRegion(region, { version: live });
          expect(found(watchMade(region, live))).toEqual(expected(live));
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([5, 6, 7, 8] as const)('is not what its session blob spells: LGMP %i', (live) => {
    for (const spelled of [10, 11, 12] as const) {
      const udata = new Uint8Array(16 * 1024);
      udata.set(sessionBytes());
      const other = makeRegion({ version: spelled }).bytes;
      const at = magicAt(spelled);
      udata.set(other.subarray(at, at + 100), at - udataAt(live));
      const region = makeRegion({ version: live, udata });
      expect(region.view.getUint32(at + 4, true)).toBe(spelled);
      expect(found(watchMade(region, live))).toEqual(expected(live));
    }
  });

  it.each([10, 12] as const)('is found as its clock passes the magic: LGMP %i', (version) => {
    const region = makeRegion({ version, heartbeat: 0x504d_474bn });
    const heartbeats = new HeartbeatWatch(region);
    const seen = [0, 20, 40, 60, 80].map((nowMs) => {
      const sighting = heartbeats.look(nowMs);
      beatOf(region, version, 1n);
      return sighting.kind === 'alive' ? sighting.candidate.version : undefined;
    });
    expect(seen).toEqual([undefined, undefined, version, version, version]);
  });

  it('is LGMP 12 although the next client would have the magic for its id', () => {
    const region = makeRegion({ version: 12 });
    writeHeader(region, 8, 9);
    expect(found(watchMade(region, 12))).toEqual(expected(12));
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
    expect(state.message).toContain(neighbourPairs(version, undefined));
    expect(state.hint).toContain('B7');
  });
});
