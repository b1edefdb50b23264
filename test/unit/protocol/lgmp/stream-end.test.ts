import { describe, expect, it, vi } from 'vitest';
import { StreamEnd, type StreamPlace } from '../../../../protocol/lgmp/stream-end.ts';
import { Region } from '../../../../protocol/memory/region.ts';
import { interrupted, wordHook } from '../../../support/word-hook.ts';

vi.mock('../../../../protocol/memory/word.ts', async (original) => {
  const { hookedWords } = await import('../../../support/word-hook.ts');
  return hookedWords(await original());
});

const SESSION_AT = 0;
const SESSION = 0x5e55;
const AT = 64;
const SLOTS = AT + 256;
const CLIENT = 9;
const EPOCH = 5;

/** A stream of four slots of 64 bytes towards the host, bound, byte by byte. */
function bound(): { readonly region: Region; readonly place: StreamPlace } {
  const region = new Region(new ArrayBuffer(AT + 256 + 4 * 128));
  const words: readonly (readonly [at: number, value: number])[] = [
    [SESSION_AT, SESSION],
    [AT, 0x4853_534c],
    [AT + 4, 0x0100_0001],
    [AT + 8, 768],
    [AT + 12, SESSION],
    [AT + 16, 2],
    [AT + 20, 1],
    [AT + 24, 4],
    [AT + 28, 64],
    [AT + 32, 128],
    [AT + 36, 256],
    [AT + 64, 2],
    [AT + 68, EPOCH],
    [AT + 72, CLIENT],
  ];
  for (const [at, value] of words) region.view.setUint32(at, value, true);
  for (const cursor of [AT + 128, AT + 192]) region.view.setUint32(cursor + 16, EPOCH, true);
  const stream = { at: AT, direction: 2, slotCount: 4, slotBytes: 64 } as const;
  return { region, place: { region, stream, sessionIdAt: SESSION_AT, sessionId: SESSION } };
}

function activated(place: StreamPlace): StreamEnd {
  const end = StreamEnd.activate(place, CLIENT);
  if (!(end instanceof StreamEnd)) throw new Error(end);
  return end;
}

function hostEnd(place: StreamPlace): StreamEnd {
  return new StreamEnd(place, { epoch: EPOCH, clientId: CLIENT, by: 'host' });
}

describe('a stream', () => {
  it('carries records in order, wraps, and is full with as many as it has slots', () => {
    const { place } = bound();
    const [client, host] = [activated(place), hostEnd(place)];
    const into = new Uint8Array(64);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 4; i++) expect(client.write(Uint8Array.of(round, i))).toBe('ok');
      expect([client.write(Uint8Array.of(9)), host.used]).toEqual(['full', 4]);
      for (let i = 0; i < 4; i++) {
        expect([host.read(into), into[0], into[1]]).toEqual([2, round, i]);
        expect(host.release()).toBe('ok');
      }
      expect([host.read(into), host.release()]).toEqual(['empty', 'empty']);
    }
  });

  it('wraps its numbers', () => {
    const { region, place } = bound();
    for (const cursor of [AT + 128, AT + 192])
      region.view.setUint32(cursor + 20, 0xffff_fffe, true);
    const [client, host] = [activated(place), hostEnd(place)];
    const into = new Uint8Array(64);
    for (let i = 0; i < 4; i++) expect(client.write(Uint8Array.of(i))).toBe('ok');
    expect(client.write(Uint8Array.of(9))).toBe('full');
    for (let i = 0; i < 4; i++) {
      expect([host.read(into), into[0]]).toEqual([1, i]);
      expect(host.release()).toBe('ok');
    }
  });

  it('writes these bytes, and is at work in it only meanwhile', () => {
    const { region, place } = bound();
    const client = activated(place);
    client.write(Uint8Array.of(0xaa, 0xbb));
    const hex = (from: number, to: number): string =>
      Buffer.from(region.bytes.subarray(from, to)).toString('hex');
    expect(hex(SLOTS, SLOTS + 16)).toBe('05000000000000000200000000000000');
    expect(hex(SLOTS + 64, SLOTS + 67)).toBe('aabb00');
    expect(hex(AT + 128, AT + 160)).toBe(
      `01000000${'00'.repeat(12)}05000000000000000500000001000000`,
    );
    const { acted } = interrupted(
      () => client.write(Uint8Array.of(1)),
      20,
      () => expect(region.view.getUint32(AT + 136, true)).toBe(EPOCH),
    );
    expect([acted, region.view.getUint32(AT + 136, true)]).toEqual([true, 0]);
  });

  it.each([
    ['another session', SESSION_AT, 1, 'session-lost'],
    ['a stream of another session', AT + 12, 1, 'corrupted'],
    ['no magic', AT, 0, 'corrupted'],
    ['another version', AT + 4, 0x0100_0002, 'corrupted'],
    ['another size', AT + 8, 896, 'corrupted'],
    ['another direction', AT + 16, 1, 'corrupted'],
    ['another policy', AT + 20, 2, 'corrupted'],
    ['more slots', AT + 24, 8, 'corrupted'],
    ['larger slots', AT + 28, 128, 'corrupted'],
    ['another stride', AT + 32, 256, 'corrupted'],
    ['slots elsewhere', AT + 36, 512, 'corrupted'],
    ['nobody bound', AT + 64, 0, 'unbound'],
    ['a binding that is not complete', AT + 64, 1, 'unbound'],
    ['no epoch', AT + 68, 0, 'unbound'],
    ['somebody else', AT + 72, 8, 'stale'],
    ['a cursor of another binding', AT + 128 + 16, 4, 'corrupted'],
    ['more records than slots', AT + 128 + 20, 5, 'corrupted'],
    ['fewer records than none', AT + 192 + 20, 1, 'corrupted'],
  ])('is not activated with %s', (_, at, value, outcome) => {
    const { region, place } = bound();
    region.view.setUint32(at, value, true);
    expect(StreamEnd.activate(place, CLIENT)).toBe(outcome);
  });

  it('that is drained takes no new record, and gives up those that it has', () => {
    const { region, place } = bound();
    const [client, host] = [activated(place), hostEnd(place)];
    client.write(Uint8Array.of(7));
    region.view.setUint32(AT + 64, 3, true);
    expect(client.write(Uint8Array.of(8))).toBe('unbound');
    expect([host.read(new Uint8Array(64)), host.release()]).toEqual([1, 'ok']);
    expect(StreamEnd.activate(place, CLIENT)).toBeInstanceOf(StreamEnd);
  });

  it('whose positions never stand still is given up after eight looks', () => {
    const { region, place } = bound();
    const client = activated(place);
    let looks = 0;
    wordHook.before = (at) => {
      if (at === AT + 192) region.view.setUint32(at, looks++, true);
    };
    expect(client.write(Uint8Array.of(1))).toBe('corrupted');
    wordHook.before = undefined;
    // Before and after each copy.
    expect(looks).toBe(16);
    region.view.setUint32(AT + 192, 0, true);
    expect(client.write(Uint8Array.of(1))).toBe('ok');
  });

  // Every step of ours, and whatever the other side may do right before it.
  it.each([
    ['is bound to another client', [[AT + 72, 8]]],
    ['is bound anew', [[AT + 68, 6]]],
    ['is unbound', [[AT + 64, 0]]],
    ['is of another session', [[SESSION_AT, 1]]],
    ['has our position changed', [[AT + 128 + 20, 2]]],
    ['has its other position changed', [[AT + 192 + 20, 3]]],
    ['is full of nonsense', Array.from({ length: 48 }, (_, i) => [AT + 64 + i * 4, 0xdead_beef])],
  ] as const)('that %s before any step of a write ends it orderly', (_, changes) => {
    for (let nth = 0; ; nth++) {
      const { region, place } = bound();
      const client = activated(place);
      const { result, acted } = interrupted(
        () => client.write(Uint8Array.of(1)),
        nth,
        () => {
          for (const [at, value] of changes) region.view.setUint32(at ?? 0, value ?? 0, true);
        },
      );
      expect(['ok', 'unbound', 'stale', 'session-lost', 'corrupted']).toContain(result);
      if (!acted) {
        expect(nth).toBeGreaterThan(20);
        return;
      }
      // The next one is refused, unless all that was changed has no meaning for it.
      const after = client.write(Uint8Array.of(2));
      expect(['ok', 'unbound', 'stale', 'session-lost', 'corrupted']).toContain(after);
      if (changes[0]?.[0] !== AT + 128 + 20 && changes[0]?.[0] !== AT + 192 + 20)
        expect(after).not.toBe('ok');
    }
  });
});
