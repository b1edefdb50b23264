import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Queue } from '../../client/queue.ts';
import { RecoveryWatch } from '../../client/recovery.ts';
import { peekQueue, readQueues } from '../../client/ring.ts';
import { Session, type SessionInfo } from '../../client/session.ts';
import { SessionWatch } from '../../client/session-watch.ts';
import { KvmfrError } from '../../protocol/error.ts';
import { requestRecovery } from '../../protocol/kvmfr/recovery.ts';
import { LGMP_LAYOUTS } from '../../protocol/lgmp/detect.ts';
import { LOCK_SPINS, MAX_RING_SLOTS } from '../../protocol/limits.ts';
import { Region } from '../../protocol/memory/region.ts';
import { CClient } from '../support/c-client.ts';
import { C_VERSIONS, cOffsets } from '../support/c-offsets.ts';
import { CPublisher } from '../support/c-publisher.ts';
import { MADE_LGMPS, writeRegion } from '../support/region-factory.ts';
import { interrupted, wordHook } from '../support/word-hook.ts';
import { noWaiter } from '../unit/client/bare.ts';
import { fuzzed, fuzzTimeoutMs } from './runs.ts';

vi.mock('../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../support/word-hook.ts');
  return hookedWords(await original());
});

const REGION_BYTES = 128 * 1024;
/** No call looks at more words than this: some for each place of the largest ring, and the spins of two locks. */
const MAX_ACCESSES = 6 * MAX_RING_SLOTS + 2 * LOCK_SPINS + 1000;

/**
 * Does something that may refuse what it finds, with an error of ours and no other, after a bounded
 * number of looks inside the region.
 */
function calmly<T>(region: Region, work: () => T): T | undefined {
  let left = MAX_ACCESSES;
  wordHook.before = (at, bytes) => {
    left -= 1;
    if (left < 0) throw new Error(`more than ${MAX_ACCESSES} words were looked at`);
    if (at < 0 || at + bytes > region.byteLength || at % bytes !== 0)
      throw new Error(`${bytes} bytes at ${at} are not in the region`);
  };
  try {
    return work();
  } catch (error) {
    if (KvmfrError.is(error)) return undefined;
    throw error;
  } finally {
    wordHook.before = undefined;
  }
}

/** Everything that a client does with a session, on queues that may be there or not. */
function use(session: Session): void {
  const { region } = session;
  const calm = <T>(work: () => T): T | undefined => calmly(region, work);
  calm(() => readQueues(session));
  for (const id of [1, 2]) {
    for (const { offset, bytes } of calm(() => peekQueue(session, id)) ?? [])
      expect(offset + bytes).toBeLessThanOrEqual(region.byteLength);
    const queue = calm(() => Queue.subscribe(session, id));
    if (!(queue instanceof Queue)) continue;
    for (let i = 0; i < 3; i++) {
      if (calm(() => queue.next()) === 'ok') {
        const { offset, bytes } = queue.message;
        expect(offset).toBeGreaterThanOrEqual(session.payloadFloor);
        expect(offset + bytes).toBeLessThanOrEqual(region.byteLength);
      }
      calm(() => queue.hasNewer());
      calm(() => queue.lent);
      for (const word of calm(() => queue.watch()) ?? [])
        expect(word.offsetBytes + 4).toBeLessThanOrEqual(region.byteLength);
      calm(() => queue.done());
      const serial = calm(() => queue.send(new Uint8Array(12)));
      if (typeof serial === 'number') calm(() => queue.acknowledged(serial));
    }
    calm(() => queue.unsubscribe());
  }
}

const extreme: fc.Arbitrary<Uint8Array> = fc
  .constantFrom(0, 1, 2, 3, 0x7f, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_fffc, 0xffff_ffff)
  .map((value) => new Uint8Array(Uint32Array.of(value).buffer));
/** Where headers and queue headers are, where rings are, and anywhere. */
const place: fc.Arbitrary<number> = fc.oneof(
  fc.nat(120).map((word) => word * 4),
  fc.nat(90).map((word) => 8064 + word * 4),
  fc.nat(90).map((word) => 9664 + word * 4),
  fc.nat(320).map((word) => REGION_BYTES - 65_536 + word * 4),
  fc.nat(REGION_BYTES - 16),
);
const patch = fc.record({
  at: place,
  bytes: fc.oneof(extreme, fc.uint8Array({ minLength: 1, maxLength: 16 })),
});
type Patch = { readonly at: number; readonly bytes: Uint8Array };

function fillWithNoise(region: Region, seed: number): void {
  const words = new Uint32Array(region.buffer);
  let word = seed >>> 0;
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    words[i] = word;
  }
}

function apply(region: Region, { at, bytes }: Patch): void {
  region.bytes.set(bytes, Math.min(at, region.byteLength - bytes.byteLength));
}

describe('a client that meets any bytes', () => {
  it(
    'refuses by errors of ours or goes on, in bounded looks inside the region; and finds who starts there then',
    () => {
      fc.assert(
        fc.property(
          fc.option(fc.integer(), { nil: undefined }),
          fc.array(fc.constantFrom(...MADE_LGMPS), { maxLength: 3 }),
          fc.array(fc.array(patch, { maxLength: 8 }), { minLength: 1, maxLength: 8 }),
          fc.constantFrom(0, 16),
          fc.constantFrom(...C_VERSIONS),
          (noise, headers, rounds, heart, next) => {
            const region = new Region(new ArrayBuffer(REGION_BYTES));
            if (noise !== undefined) fillWithNoise(region, noise);
            for (const version of headers) writeRegion(region, { version });
            const watch = new SessionWatch({ mapping: noWaiter, region });
            const recovery = new RecoveryWatch(region);
            let nowMs = 0;
            const look = (): Session | undefined => {
              nowMs += 50;
              const seen = calmly(region, () => watch.look(nowMs));
              expect(seen).toBeDefined();
              return seen?.kind === 'attached' ? seen.session : undefined;
            };
            for (const patches of rounds) {
              for (const each of patches) apply(region, each);
              for (let beats = 0; beats < 3; beats++) {
                const at = region.view.getBigUint64(heart, true);
                region.view.setBigUint64(heart, BigInt.asUintN(64, at + 10n), true);
                const session = look();
                if (session !== undefined) use(session);
                const rescue = calmly(region, () => recovery.look(nowMs));
                if (rescue !== undefined)
                  calmly(region, () => requestRecovery(region, rescue.view, 'normal'));
              }
            }
            // A publisher of C starts in what is left: it writes its header and its queue, no more.
            const p = CPublisher.started(next, { region, sessionId: 0x7777, nowMs: 77_000 });
            let session = look();
            for (let ms = 0; ms < 3000 && session?.info.id !== 0x7777; ms += 50) {
              p.pass(50);
              session = look();
            }
            expect(session?.lgmp.version).toBe(next);
            if (session === undefined) return;
            const queue = Queue.subscribe(session, 2);
            if (!(queue instanceof Queue)) throw new Error(queue);
            expect(p.post({ udata: 5 })).toBe(true);
            expect(queue.next()).toBe('ok');
            expect(queue.message.udata).toBe(5);
          },
        ),
        fuzzed(500),
      );
    },
    fuzzTimeoutMs(),
  );
});

describe.each(C_VERSIONS)('a version that changes while we read (LGMP %i)', (lgmp) => {
  const layout = LGMP_LAYOUTS.get(lgmp);
  if (layout === undefined) throw new Error('no such version');
  const c = cOffsets(lgmp);
  const flips: readonly (readonly [string, number])[] = [
    ['version', c.version],
    ['magic', c.magic],
    ['session id', c.sessionID],
  ];

  it.each(flips)('%s: what is attached is all of one header, and over when it is not', (_, at) => {
    for (const value of [0, 5, 6, 7, 10, 12, 13, 0xffff_ffff])
      for (let nth = 0, acted = true; acted; nth++) {
        const p = CPublisher.started(lgmp);
        if (p.region.view.getUint32(at, true) === value) break;
        const place = { mapping: noWaiter, region: p.region, lgmp: layout };
        const flip = (): void => p.region.view.setUint32(at, value, true);
        const race = interrupted(() => Session.attach(place, 0), nth, flip);
        ({ acted } = race);
        const info: SessionInfo | undefined = race.result?.info;
        if (info === undefined) continue;
        expect([info.lgmpVersion, info.kvmfrVersion]).toEqual([lgmp, c.kvmfr]);
        // Read all before the change, or all after it.
        const now = p.region.view.getUint32(c.sessionID, true);
        const whole = !acted || (at === c.sessionID && info.id === now);
        expect(race.result?.holds()).toBe(whole);
      }
  });

  it.each(flips)('%s: at the next look nothing is read or written any more', (_, at) => {
    const calls: readonly ((queue: Queue, session: Session) => unknown)[] = [
      (queue) => queue.next(),
      (queue) => queue.done(),
      (queue) => queue.send(Uint8Array.of(1)),
      (queue) => queue.unsubscribe(),
      (_queue, session) => Queue.subscribe(session, 2),
    ];
    for (const call of calls)
      for (let nth = 0, acted = true; acted; nth++) {
        const p = CPublisher.started(lgmp);
        const session = Session.attach({ mapping: noWaiter, region: p.region, lgmp: layout }, 0);
        if (session === undefined) throw new Error('not attached');
        const queue = Queue.subscribe(session, 2);
        if (!(queue instanceof Queue)) throw new Error(queue);
        CClient.subscribe(p.region, lgmp);
        p.post({ udata: 1 });
        queue.next();
        const race = interrupted(
          () => calmlyUnhooked(() => call(queue, session)),
          nth,
          () => p.region.view.setUint32(at, 0x55, true),
        );
        ({ acted } = race);
        if (!acted) continue;
        expect(p.queue.get('lock') & 0xff).toBe(0);
        const before = Buffer.from(p.region.copyOut(0, p.region.byteLength));
        expect([session.holds(), queue.check(), queue.lent]).toEqual([
          false,
          expect.stringMatching(/^(session-lost|unsubscribed)$/),
          false,
        ]);
        for (const later of calls)
          expect(later(queue, session)).toMatch(/^(session-lost|unsubscribed)$/);
        expect(before.equals(p.region.bytes)).toBe(true);
      }
  });
});

function calmlyUnhooked<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (KvmfrError.is(error)) return undefined;
    throw error;
  }
}
