import { describe, expect, it } from 'vitest';
import { readQueues } from '../../../client/ring.ts';
import { Session } from '../../../client/session.ts';
import { stateOfAttachError } from '../../../client/state.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import { LGMP_V6 } from '../../../protocol/lgmp/v6.ts';
import { BARE_BYTES, BareRegion, noWaiter, QUEUE_AT, RING_AT } from './bare.ts';

function attachError(b: BareRegion): KvmfrError {
  try {
    b.attach();
  } catch (error) {
    if (KvmfrError.is(error)) return error;
    throw error;
  }
  throw new Error('it was attached to');
}

describe('Session.attach()', () => {
  it.each([
    [5, 19, 'B6'],
    [6, 20, 'B7'],
  ] as const)('knows LGMP %i with KVMFR %i as %s', (lgmp, kvmfr, release) => {
    const session = new BareRegion(lgmp).attach();
    expect(session.info).toEqual({
      id: 0xcafe_f00d,
      lgmpVersion: lgmp,
      kvmfrVersion: kvmfr,
      release,
      hostVersion: 'bare',
      features: 0,
      vm: undefined,
      os: undefined,
    });
    expect(session.payloadFloor).toBe(5756 + 48);
  });

  it('refuses a blob that does not begin with KVMFR---, and says what it begins with', () => {
    const b = new BareRegion(6);
    b.region.bytes.set([0x4e, 0x4f, 0x50, 0x45], 5756);
    const error = attachError(b);
    expect(error.code).toBe('ERR_KVMFR_MAGIC');
    expect(error.message).toContain('NOPER---');
    expect(stateOfAttachError(error).name).toBe('failed');
  });

  it.each([
    [6, 19],
    [6, 24],
    [5, 20],
    [6, 34],
  ] as const)('refuses LGMP %i with KVMFR %i, and names both', (lgmp, kvmfr) => {
    const b = new BareRegion(lgmp);
    b.view.setUint32(5756 + 8, kvmfr, true);
    const error = attachError(b);
    expect(error.code).toBe('ERR_KVMFR_KVMFR_VERSION');
    expect(error.message).toContain(`KVMFR ${kvmfr} on LGMP ${lgmp},`);
    expect(stateOfAttachError(error).name).toBe('incompatible');
  });

  it.each([65537, BARE_BYTES - 5755, 0xffff_ffff])('refuses a blob of %i bytes', (bytes) => {
    const b = new BareRegion(6);
    b.view.setUint32(5752, bytes, true);
    expect(attachError(b).code).toBe('ERR_KVMFR_BOUNDS');
  });

  it('asks to look again when the header changes while it is read', () => {
    const b = new BareRegion(6);
    const { region } = b;
    // The copy of the blob is the moment in between.
    const copyOut = region.copyOut.bind(region);
    region.copyOut = (at, bytes) => {
      b.view.setUint32(8, 0x1111, true);
      return copyOut(at, bytes);
    };
    expect(Session.attach({ mapping: noWaiter, region, lgmp: LGMP_V6 }, 0)).toBeUndefined();
  });
});

describe('Session', () => {
  it('is alive while its heartbeat moves, stale after a second without, and alive again', () => {
    const b = new BareRegion(6);
    const session = b.attach();
    expect(session.pulse(1000)).toBe('alive');
    expect(session.pulse(1001)).toBe('stale');
    b.timestamp = 5010n;
    expect(session.pulse(9000)).toBe('alive');
    expect(session.pulse(10_000)).toBe('alive');
    expect(session.pulse(10_001)).toBe('stale');
    expect(session.ended).toBe(false);
  });

  it.each([
    ['its id changes', 8],
    ['its magic goes', 0],
  ] as const)('ends when %s, and does not come back', (_, at) => {
    const b = new BareRegion(6);
    const session = b.attach();
    const before = b.view.getUint32(at, true);
    b.view.setUint32(at, 1, true);
    expect(session.holds()).toBe(false);
    expect(session.present()).toBe(false);
    expect(session.pulse(0)).toBe('ended');
    b.view.setUint32(at, before, true);
    expect(session.present()).toBe(true);
    expect(session.holds()).toBe(false);
    expect(session.ended).toBe(true);
  });

  it('tells once that there are fewer queues than before, and goes by what is there', () => {
    const b = new BareRegion(6);
    const session = b.attach();
    b.view.setUint32(24, 4, true);
    expect(session.queueCount()).toBe(4);
    b.view.setUint32(24, 1, true);
    expect(() => session.queueCount()).toThrow('from 4 to 1');
    expect(session.queueCount()).toBe(1);
  });

  it('ends when its blob has another size than was read: its rings lie behind that', () => {
    const b = new BareRegion(6);
    const { view } = b;
    view.setUint32(5752, 4096, true);
    const session = b.attach();
    expect(session.payloadFloor).toBe(5756 + 4096);
    expect(session.pulse(0)).toBe('alive');
    view.setUint32(5752, 48, true);
    expect(session.pulse(10)).toBe('ended');
    expect(b.attach().payloadFloor).toBe(5756 + 48);
  });

  it('ends when time runs backwards: ids of publishers have few bits', () => {
    const b = new BareRegion(6);
    const session = b.attach();
    b.timestamp = 3n;
    expect(session.pulse(0)).toBe('ended');
    expect(session.holds()).toBe(false);
  });

  it('ends with its mapping, and touches nothing afterwards', () => {
    const b = new BareRegion(6);
    const session = b.attach();
    structuredClone(b.region.buffer, { transfer: [b.region.buffer] });
    expect(session.ended).toBe(true);
    expect(session.present()).toBe(false);
    expect(session.pulse(0)).toBe('ended');
  });
});

describe('readQueues()', () => {
  it('tells of queues and their subscribers, and writes nothing', () => {
    const b = new BareRegion(6);
    b.setField('on', 0b111);
    b.setField('bad', 0b10);
    b.post();
    const before = b.snapshot();
    expect(readQueues(b.attach())).toEqual([
      {
        id: 2,
        slots: 3,
        used: 1,
        position: 1,
        subscribers: 0b111,
        timedOut: 0b10,
        maxTimeMs: 1000,
      },
    ]);
    expect(b.changedSince(before)).toEqual([]);
    expect(b.view.getUint32(QUEUE_AT + 20, true)).toBe(RING_AT);
  });
});
