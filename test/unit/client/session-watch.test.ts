import { describe, expect, it } from 'vitest';
import { Queue } from '../../../client/queue.ts';
import { type Look, SessionWatch } from '../../../client/session-watch.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import type { Region } from '../../../protocol/memory/region.ts';
import {
  beat,
  MADE_LGMPS,
  type MadeLgmp,
  makeRegion,
  sessionBytes,
  versionNumber,
  writeRegion,
} from '../../support/region-factory.ts';
import { noWaiter } from './bare.ts';

const SPOKEN = [5, 6, 7, 10, 12] as const;
const SESSION_ID = 0x1234_5678;
/** Between two beats of the heart. */
const BEAT_MS: (version: MadeLgmp) => number = (version) =>
  version === 5 || version === 6 || version === 7 ? 10 : 250;

/** A region, its publisher's heart, and a watch that looks at the pace of a client; no real time passes. */
class Stage {
  readonly region: Region;
  readonly #watch: SessionWatch;
  #live: MadeLgmp | undefined;
  #nowMs = 0;
  #lookMs = 0;
  #seen: Look | undefined;

  constructor(region: Region, live: MadeLgmp | undefined) {
    this.region = region;
    this.#live = live;
    this.#watch = new SessionWatch({ mapping: noWaiter, region });
  }

  /** Somebody else beats from now on. */
  replace(live: MadeLgmp | undefined): void {
    this.#live = live;
  }

  get look(): Look {
    this.#lookMs = this.#nowMs;
    this.#seen = this.#watch.look(this.#nowMs);
    return this.#seen;
  }

  /** Lets time pass until a look is as wanted; gives the time that took. */
  until(wanted: (look: Look) => boolean, withinMs = 10_000): number {
    const beganMs = this.#nowMs;
    while (this.#nowMs - beganMs <= withinMs) {
      if (wanted(this.look)) return this.#nowMs - beganMs;
      const pause = this.#seen?.kind === 'none' ? 20 : 100;
      for (; this.#nowMs < this.#lookMs + pause; this.#nowMs += 10)
        if (this.#live !== undefined && this.#nowMs % BEAT_MS(this.#live) === 0)
          beat(this.region, this.#live, BigInt(BEAT_MS(this.#live)));
    }
    throw new Error(`not seen within ${withinMs} ms; the last look was ${this.#seen?.kind}`);
  }
}

/** Whether a look found a live publisher of this layout: attached where it is read, else named. */
function found(look: Look, version: MadeLgmp): boolean {
  if (look.kind === 'attached')
    return isSpoken(version) && look.session.lgmp.version === versionNumber(version);
  return (
    look.kind === 'unread' &&
    look.error?.code === 'ERR_KVMFR_LGMP_VERSION' &&
    look.error.message.includes(`LGMP ${versionNumber(version)} `)
  );
}

const isSpoken = (version: MadeLgmp): boolean => SPOKEN.some((spoken) => spoken === version);

describe('SessionWatch', () => {
  it.each(SPOKEN)('attaches to LGMP %i and stays while its heart beats', (version) => {
    const stage = new Stage(makeRegion({ version }), version);
    stage.until((look) => found(look, version));
    const first = stage.look;
    for (let i = 0; i < 50; i++) stage.until(() => true);
    const later = stage.look;
    expect(later).toMatchObject({ kind: 'attached', pulse: 'alive' });
    expect(later.kind === 'attached' && first.kind === 'attached' && later.session).toBe(
      first.kind === 'attached' && first.session,
    );
  });

  it('says that the heart stopped, and stays attached', () => {
    const stage = new Stage(makeRegion(), 6);
    stage.until((look) => found(look, 6));
    stage.replace(undefined);
    const ms = stage.until((look) => look.kind === 'attached' && look.pulse === 'stale');
    expect(ms).toBeGreaterThan(1000);
    expect(ms).toBeLessThanOrEqual(1200);
    stage.replace(6);
    stage.until((look) => look.kind === 'attached' && look.pulse === 'alive');
  });

  it('says what cannot be read, and attaches when it can', () => {
    const region = makeRegion({ udata: sessionBytes({ version: 21 }) });
    const stage = new Stage(region, 6);
    stage.until((look) => look.kind === 'unread');
    expect(stage.look).toMatchObject({ error: { code: 'ERR_KVMFR_KVMFR_VERSION' } });
    region.view.setUint32(5756 + 8, 20, true);
    stage.until((look) => found(look, 6));
  });
});

describe('a publisher that is replaced while its clock runs on', () => {
  const pairs = SPOKEN.flatMap((old) =>
    MADE_LGMPS.filter((live) => live !== old).map((live) => [old, live] as const),
  );

  it.each(pairs)('LGMP %s by LGMP %s, with the same session id: in 1.2 s', (old, live) => {
    const region = makeRegion({ version: old, sessionId: SESSION_ID, heartbeat: 5_000_000n });
    const stage = new Stage(region, old);
    stage.until((look) => found(look, old));
    const { look } = stage;
    if (look.kind !== 'attached') throw new Error('not attached');
    // What C publishers leave as it is, is left: other headers, other queues' memory.
    writeRegion(region, { version: live, sessionId: SESSION_ID, heartbeat: 5_000_010n });
    stage.replace(live);
    const ms = stage.until((seen) => found(seen, live));
    expect(ms).toBeLessThanOrEqual(1200);
    expect(look.session.holds()).toBe(false);
    expect(look.session.ended).toBe(true);
  });

  it.each([
    [10, 12],
    [12, 10],
  ] as const)('LGMP %s by LGMP %s: nobody subscribes by the old rules', (old, live) => {
    const region = makeRegion({ version: old, sessionId: SESSION_ID, heartbeat: 5_000_000n });
    const stage = new Stage(region, old);
    stage.until((look) => found(look, old));
    const { look } = stage;
    if (look.kind !== 'attached') throw new Error('not attached');
    expect(Queue.subscribe(look.session, 2)).toBeInstanceOf(Queue);
    // The first of its two queues is all there is yet.
    writeRegion(region, { version: live, heartbeat: 5_000_010n, numQueues: 1 });
    const before = region.copyOut(0, 16 * 1024);
    expect(Queue.subscribe(look.session, 2)).toBe('session-lost');
    expect(region.copyOut(0, 16 * 1024)).toEqual(before);
  });

  it('ends the session of LGMP 6 at the first look when only the version changes', () => {
    const region = makeRegion({ version: 6, heartbeat: 5_000_000n });
    const stage = new Stage(region, 6);
    stage.until((look) => found(look, 6));
    const { look } = stage;
    region.view.setUint32(4, 5, true);
    expect(look.kind === 'attached' && look.session.present()).toBe(false);
    expect(stage.look.kind).toBe('none');
    region.view.setUint32(5756 + 8, 19, true);
    stage.until((seen) => found(seen, 5));
  });
});

describe('a session blob that is large', () => {
  /** Records up to this many bytes, the last of which names the system. */
  function blobOf(bytes: number, kvmfr: number): Uint8Array<ArrayBuffer> {
    const blob = new Uint8Array(bytes);
    const view = new DataView(blob.buffer);
    blob.set(sessionBytes({ version: kvmfr }));
    const last = bytes - 8 - 12;
    // A record of an unknown kind, and behind it the one of the system.
    view.setUint8(48, 99);
    view.setUint32(52, last - 56, true);
    blob.fill(0x4c, 56, last);
    view.setUint8(last, 2);
    view.setUint32(last + 4, 12, true);
    blob.set(Buffer.from('\x00large blob\x00'), last + 8);
    return blob;
  }

  const KVMFR = { 5: 19, 6: 20, 7: 20, 10: 20, 12: 34 } as const;

  it.each(
    SPOKEN.flatMap((version) =>
      [1500, 1599, 1600, 1601, 1664, 8192, 65_536].map((bytes) => [version, bytes] as const),
    ),
  )('is read whole, over any dead header: LGMP %s, %i bytes', (version, bytes) => {
    for (const dead of MADE_LGMPS) {
      const region = makeRegion({ version: dead, sessionId: 1, heartbeat: 5_000_000n });
      writeRegion(region, { version, udata: blobOf(bytes, KVMFR[version]) });
      const stage = new Stage(region, version);
      stage.until((look) => found(look, version));
      const { look } = stage;
      expect(look.kind === 'attached' && look.session.info.os).toEqual({
        kind: 'linux',
        name: 'large blob',
      });
    }
  });

  it.each(SPOKEN)('is refused a byte above 64 KiB, with both numbers: LGMP %i', (version) => {
    const udata = blobOf(65_537, KVMFR[version]);
    const stage = new Stage(makeRegion({ version, udata }), version);
    stage.until((look) => look.kind === 'unread');
    const { look } = stage;
    const error = look.kind === 'unread' ? look.error : undefined;
    expect(KvmfrError.is(error) && error.code).toBe('ERR_KVMFR_BOUNDS');
    expect(error?.message).toContain('may be 65536, but is 65537');
  });
});
