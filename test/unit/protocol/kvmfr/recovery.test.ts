import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  RECOVERY_REGION_BYTES,
  type RecoveryView,
  Region,
  readRecovery,
  readRecoveryStatus,
  requestRecovery,
} from '../../../../protocol/index.ts';

/** The region before the recovery region: what LGMP has for itself. */
const LGMP_BYTES = 128 * 1024;
const AT = LGMP_BYTES;
const TICKET = AT + 128;
const STATUS = AT + 1216;
const SESSION = 0x1122_3344_5566_7788n;

/** Where request slots are. */
function slotAt(index: number): number {
  return AT + 192 + index * 64;
}

/** A recovery region at literal offsets, as a sound publisher writes it. */
function sound(): Region {
  const region = new Region(new ArrayBuffer(LGMP_BYTES + 65536));
  const { view, bytes } = region;
  bytes.set(Buffer.from('KVMFRRCV', 'latin1'), AT);
  view.setUint16(AT + 8, 1, true);
  view.setUint16(AT + 10, 1280, true);
  view.setUint32(AT + 12, 1, true);
  view.setUint32(AT + 16, 12, true);
  view.setUint32(AT + 20, 34, true);
  view.setBigUint64(AT + 24, SESSION, true);
  bytes.set(Buffer.from('00112233445566778899aabbccddeeff', 'hex'), AT + 32);
  view.setUint32(AT + 48, 77, true);
  view.setUint32(AT + 60, 1, true);
  bytes.set(Buffer.from('B7-500-gdeadbeef', 'latin1'), AT + 64);
  return region;
}

function viewOf(region: Region): RecoveryView {
  const view = readRecovery(region);
  if (view === undefined) throw new Error('there is no recovery region');
  return view;
}

describe('readRecovery', () => {
  it('reads the last 64 KiB of the region', () => {
    expect(RECOVERY_REGION_BYTES).toBe(65536);
    expect(readRecovery(sound())).toEqual({
      at: AT,
      lgmpVersion: 12,
      kvmfrVersion: 34,
      session: SESSION,
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      hostVersion: 'B7-500-gdeadbeef',
      heartbeat: 77,
      canSwitch: true,
    });
  });

  it('keeps what it read: later writes do not reach it', () => {
    const region = sound();
    const view = viewOf(region);
    region.bytes.fill(0xff, AT);
    expect(view).toMatchObject({ lgmpVersion: 12, session: SESSION, heartbeat: 77 });
  });

  it.each([0, 2, 3, 0x100, 0x8000_0001, 0xffff_ffff])('sees none while ready is %i', (ready) => {
    const region = sound();
    region.view.setUint32(AT + 60, ready, true);
    expect(readRecovery(region)).toBeUndefined();
  });

  it('sees one again when it is ready again', () => {
    const region = sound();
    region.view.setUint32(AT + 60, 0, true);
    region.view.setBigUint64(AT + 24, 9n, true);
    expect(readRecovery(region)).toBeUndefined();
    region.view.setUint32(AT + 60, 1, true);
    expect(readRecovery(region)?.session).toBe(9n);
  });

  it.each([
    ['the magic of something else', (v: DataView) => v.setUint8(AT + 7, 0x57)],
    ['the magic of a session blob', (v: DataView) => v.setUint32(AT + 4, 0x2d2d_2d52, true)],
    ['no magic', (v: DataView) => v.setBigUint64(AT, 0n, true)],
    ['ABI 0', (v: DataView) => v.setUint16(AT + 8, 0, true)],
    ['ABI 2', (v: DataView) => v.setUint16(AT + 8, 2, true)],
    ['ABI 65535', (v: DataView) => v.setUint16(AT + 8, 0xffff, true)],
    ['a structure one byte short', (v: DataView) => v.setUint16(AT + 10, 1279, true)],
    ['a structure of no size', (v: DataView) => v.setUint16(AT + 10, 0, true)],
    ['no session', (v: DataView) => v.setBigUint64(AT + 24, 0n, true)],
  ] as const)('sees none with %s', (_, lie) => {
    const region = sound();
    lie(region.view);
    expect(readRecovery(region)).toBeUndefined();
  });

  it.each([1280, 1281, 0xffff])('takes a structure of %i bytes for one it knows', (size) => {
    const region = sound();
    region.view.setUint16(AT + 10, size, true);
    expect(readRecovery(region)).toMatchObject({ at: AT, lgmpVersion: 12 });
  });

  it('does not know the machine when its uuid is zero', () => {
    const region = sound();
    region.bytes.fill(0, AT + 32, AT + 48);
    expect(viewOf(region).uuid).toBeUndefined();
  });

  it('cuts a version without an end, and shows no control characters', () => {
    const region = sound();
    region.bytes.fill(0x41, AT + 64, AT + 128);
    expect(viewOf(region).hostVersion).toBe('A'.repeat(48));
    region.bytes.set([0x1b, 0x5b, 0x32, 0x4a], AT + 64);
    expect(viewOf(region).hostVersion).not.toContain('\u001b');
  });

  it('says whether the display can be switched', () => {
    const region = sound();
    region.view.setUint32(AT + 12, 0xffff_fffe, true);
    expect(viewOf(region).canSwitch).toBe(false);
  });

  it.each([0, 64, 1280, 65535, 65536 + 4, 65536 + 60])(
    'is safe in a region of %i bytes',
    (size) => {
      expect(readRecovery(new Region(new ArrayBuffer(size)))).toBeUndefined();
    },
  );

  it('survives any header', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 128, maxLength: 128 }),
        fc.boolean(),
        (noise, ready) => {
          const region = sound();
          region.bytes.set(noise, AT);
          if (ready) region.view.setUint32(AT + 60, 1, true);
          const view = readRecovery(region);
          expect(view === undefined || view.at === AT).toBe(true);
        },
      ),
    );
  });
});

/** Writes a status at literal offsets. */
function writeStatus(region: Region, words: { readonly [offset: number]: number }): void {
  for (const [offset, value] of Object.entries(words))
    region.view.setUint32(STATUS + Number(offset), value, true);
}

describe('readRecoveryStatus', () => {
  const whole = { 0: 10, 4: 2, 8: 3, 12: 0, 16: 0x5566_7788, 20: 0x1122_3344, 24: 4 };

  it('reads what the publisher says of its display', () => {
    const region = sound();
    writeStatus(region, whole);
    expect(readRecoveryStatus(region, AT)).toEqual({
      state: 'active',
      error: 'none',
      ackSerial: 10,
      session: SESSION,
    });
  });

  it.each([
    [0, 'unknown'],
    [1, 'normal'],
    [2, 'switching'],
    [3, 'active'],
    [4, 'failed'],
    [5, 'unknown'],
    [0xffff_ffff, 'unknown'],
  ])('calls state %i %s', (wire, name) => {
    const region = sound();
    writeStatus(region, { ...whole, 8: wire });
    expect(readRecoveryStatus(region, AT)?.state).toBe(name);
  });

  it.each([
    [0, 'none'],
    [1, 'unsupported'],
    [2, 'helper-unavailable'],
    [3, 'topology-failed'],
    [4, 'no-fallback-display'],
    [5, 'busy'],
    [6, 'capacity'],
    [7, 'unknown'],
    [0xffff_ffff, 'unknown'],
  ])('calls error %i %s', (wire, name) => {
    const region = sound();
    writeStatus(region, { ...whole, 12: wire });
    expect(readRecoveryStatus(region, AT)?.error).toBe(name);
  });

  it.each([0, 1, 3, 5, 0xffff_ffff])('is nothing while its serial is %i', (serial) => {
    const region = sound();
    writeStatus(region, { ...whole, 24: serial });
    expect(readRecoveryStatus(region, AT)).toBeUndefined();
  });

  it('is there again when the change is over', () => {
    const region = sound();
    writeStatus(region, { ...whole, 24: 5, 8: 4 });
    expect(readRecoveryStatus(region, AT)).toBeUndefined();
    writeStatus(region, { 24: 6 });
    expect(readRecoveryStatus(region, AT)?.state).toBe('failed');
    writeStatus(region, { 24: 0xffff_fffe });
    expect(readRecoveryStatus(region, AT)?.state).toBe('failed');
  });
});

describe('requestRecovery', () => {
  it.each([
    ['normal', 1],
    ['recovery', 2],
  ] as const)('writes a request for %s into the first slot', (name, wire) => {
    const region = sound();
    region.view.setUint32(TICKET, 8, true);
    const before = region.bytes.slice();
    expect(requestRecovery(region, viewOf(region), name)).toBe(10);
    const slot = slotAt(0);
    expect(region.view.getUint32(TICKET, true)).toBe(10);
    expect(region.view.getUint32(slot, true)).toBe(10);
    expect(region.view.getUint32(slot + 4, true)).toBe(wire);
    expect(region.view.getBigUint64(slot + 8, true)).toBe(SESSION);
    for (let at = 0; at < before.length; at++) {
      const ours = (at >= TICKET && at < TICKET + 4) || (at >= slot && at < slot + 16);
      if (!ours && before[at] !== region.bytes[at]) throw new Error(`wrote to ${at}`);
    }
  });

  it('leaves the slots of others alone and takes the first that is free', () => {
    const region = sound();
    // One is published, one is half written, perhaps by a client that is gone.
    region.view.setUint32(slotAt(0), 2, true);
    region.view.setUint32(slotAt(1), 5, true);
    region.view.setUint32(TICKET, 4, true);
    expect(requestRecovery(region, viewOf(region), 'recovery')).toBe(6);
    expect([0, 1, 2, 3].map((i) => region.view.getUint32(slotAt(i), true))).toEqual([2, 5, 6, 0]);
    expect(region.view.getUint32(slotAt(1) + 4, true)).toBe(0);
  });

  it('gives each request a ticket and a slot of its own, sixteen of them', () => {
    const region = sound();
    const view = viewOf(region);
    const tickets = Array.from({ length: 16 }, () => requestRecovery(region, view, 'recovery'));
    expect(tickets).toEqual(Array.from({ length: 16 }, (_, i) => 2 + 2 * i));
    for (let i = 0; i < 16; i++) expect(region.view.getUint32(slotAt(i), true)).toBe(2 + 2 * i);
    const status = region.bytes.slice(STATUS);
    expect(requestRecovery(region, view, 'normal')).toBe('busy');
    expect(region.bytes.slice(STATUS)).toEqual(status);
    region.view.setUint32(slotAt(9), 0, true);
    expect(requestRecovery(region, view, 'normal')).toBe(36);
    expect(region.view.getUint32(slotAt(9) + 4, true)).toBe(1);
  });

  it('takes its request back when the publisher is another one by now', () => {
    const region = sound();
    const view = viewOf(region);
    region.view.setBigUint64(AT + 24, SESSION + 1n, true);
    expect(requestRecovery(region, view, 'recovery')).toBe('ended');
    for (let i = 0; i < 16; i++) expect(region.view.getUint32(slotAt(i), true)).toBe(0);
    expect(requestRecovery(region, viewOf(region), 'recovery')).toBe(4);
    expect(region.view.getBigUint64(slotAt(0) + 8, true)).toBe(SESSION + 1n);
  });

  it('never has ticket 0: the counter goes round', () => {
    const region = sound();
    region.view.setUint32(TICKET, 0xffff_fffe, true);
    expect(requestRecovery(region, viewOf(region), 'recovery')).toBe(2);
    expect(region.view.getUint32(slotAt(0), true)).toBe(2);
  });

  it.each([1, 7, 0x7fff_ffff, 0xffff_fffd, 0xffff_ffff])(
    'publishes an even ticket that is not 0 although the counter is odd: %i',
    (counter) => {
      const region = sound();
      region.view.setUint32(TICKET, counter, true);
      const ticket = requestRecovery(region, viewOf(region), 'recovery');
      if (typeof ticket === 'string') throw new Error(ticket);
      expect(ticket % 2).toBe(0);
      expect(ticket).toBeGreaterThan(0);
      expect(region.view.getUint32(slotAt(0), true)).toBe(ticket);
    },
  );
});
