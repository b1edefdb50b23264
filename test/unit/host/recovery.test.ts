import { describe, expect, it } from 'vitest';
import { readRecovery, readRecoveryStatus, requestRecovery } from '../../../protocol/index.ts';
import { hostOnMemory } from './fixture.ts';
import { hexAt, u32, zeros } from './wire-bytes.ts';

describe('the recovery region of dev12', () => {
  const AT = 4 * 2 ** 20 - 65536;

  it('begins with these bytes', async () => {
    const { region } = await hostOnMemory({
      wire: 'dev12',
      vm: { uuid: '00112233-4455-6677-8899-aabbccddeeff' },
    });
    const session = hexAt(region, AT + 24, 8);
    expect(session).not.toBe(zeros(8));
    expect(hexAt(region, AT, 64)).toBe(
      [
        Buffer.from('KVMFRRCV').toString('hex'),
        '01000005',
        u32(1, 12, 34),
        session,
        '00112233445566778899aabbccddeeff',
        u32(0, 0, 0, 1),
      ].join(''),
    );
    expect(hexAt(region, AT + 64, 64)).toBe(`${Buffer.from('host 1').toString('hex')}${zeros(58)}`);
    expect(hexAt(region, AT + 128, 64 + 1024)).toBe(zeros(64 + 1024));
    expect(hexAt(region, AT + 1216, 64)).toBe(`${u32(0, 0, 1, 0)}${session}${u32(2)}${zeros(36)}`);
  });

  it('has a heartbeat of its own, every quarter of a second', async () => {
    const { region, advance } = await hostOnMemory({ wire: 'dev12' });
    const beats: number[] = [];
    for (let i = 0; i < 5; i++) {
      advance(125);
      beats.push(region.view.getUint32(AT + 48, true));
    }
    expect(beats).toEqual([0, 1, 1, 2, 2]);
  });

  it('answers a request with switching, then with the display that was asked for', async () => {
    const { region, host, advance } = await hostOnMemory({ wire: 'dev12' });
    const asked: string[] = [];
    host.on('recovery-request', (request) => asked.push(request));
    const view = readRecovery(region);
    if (view === undefined) throw new Error('no recovery region');
    const state = () => readRecoveryStatus(region, view.at);
    expect(state()).toMatchObject({ state: 'normal', ackSerial: 0 });
    expect(requestRecovery(region, view, 'recovery')).toBe(2);
    advance(10);
    expect(state()).toMatchObject({ state: 'switching', ackSerial: 2, session: view.session });
    expect(region.view.getUint32(AT + 192, true)).toBe(2);
    advance(10);
    expect(state()).toMatchObject({ state: 'active', ackSerial: 2 });
    // Only now the slot is free again.
    expect(region.view.getUint32(AT + 192, true)).toBe(0);
    expect(requestRecovery(region, view, 'normal')).toBe(4);
    advance(10);
    advance(10);
    expect(state()).toMatchObject({ state: 'normal', ackSerial: 4 });
    expect(asked).toEqual(['recovery', 'normal']);
  });

  it('takes the newest of many requests, also where the counter wraps, and frees all', async () => {
    const { region, host, advance } = await hostOnMemory({ wire: 'dev12' });
    const asked: string[] = [];
    host.on('recovery-request', (request) => asked.push(request));
    const view = readRecovery(region);
    if (view === undefined) throw new Error('no recovery region');
    region.view.setUint32(AT + 128, 0xfffffff0, true);
    expect(requestRecovery(region, view, 'recovery')).toBe(0xfffffff2);
    for (let i = 0; i < 2; i++) advance(10);
    for (let i = 0; i < 15; i++) requestRecovery(region, view, 'recovery');
    expect(requestRecovery(region, view, 'normal')).not.toBe('busy');
    expect(requestRecovery(region, view, 'normal')).toBe('busy');
    for (let i = 0; i < 3; i++) advance(10);
    expect(asked).toEqual(['recovery', 'normal']);
    for (let slot = 0; slot < 16; slot++)
      expect(region.view.getUint32(AT + 192 + slot * 64, true)).toBe(0);
  });

  it('refuses a request of an unknown kind, and frees what was meant for another run', async () => {
    const { region, advance } = await hostOnMemory({ wire: 'dev12' });
    const view = readRecovery(region);
    if (view === undefined) throw new Error('no recovery region');
    requestRecovery(region, view, 'recovery');
    region.view.setUint32(AT + 192 + 4, 77, true);
    requestRecovery(region, { ...view, session: view.session }, 'normal');
    region.view.setBigUint64(AT + 192 + 64 + 8, view.session + 1n, true);
    advance(10);
    expect(readRecoveryStatus(region, view.at)).toMatchObject({
      state: 'failed',
      error: 'unsupported',
      ackSerial: 2,
    });
    advance(10);
    expect(hexAt(region, AT + 192, 4)).toBe(u32(0));
    expect(hexAt(region, AT + 256, 4)).toBe(u32(0));
  });

  it('keeps tickets, half-written requests and the display over a new run', async () => {
    const { region, advance } = await hostOnMemory({ wire: 'dev12' });
    const view = readRecovery(region);
    if (view === undefined) throw new Error('no recovery region');
    requestRecovery(region, view, 'recovery');
    advance(10);
    advance(10);
    requestRecovery(region, view, 'normal');
    region.view.setUint32(AT + 192 + 64, 7, true);
    const next = await hostOnMemory({ wire: 'dev12', region });
    expect(readRecovery(region)?.session).not.toBe(view.session);
    expect(readRecoveryStatus(region, AT)?.state).toBe('switching');
    expect(region.view.getUint32(AT + 128, true)).toBe(4);
    expect([0, 1].map((slot) => region.view.getUint32(AT + 192 + slot * 64, true))).toEqual([0, 7]);
    next.advance(10);
    expect(readRecoveryStatus(region, AT)?.state).toBe('active');
  });

  it('is written again when somebody wiped it', async () => {
    const { region, advance } = await hostOnMemory({ wire: 'dev12' });
    const before = readRecovery(region);
    region.bytes.fill(0, AT, AT + 1280);
    advance(10);
    expect(readRecovery(region)).toEqual(before);
    for (const field of [24, 48]) {
      region.view.setUint32(AT + field, 0x1234567, true);
      advance(10);
      expect(readRecovery(region)).toEqual(before);
    }
  });

  it('is left out when it is not wanted: its memory is for frames', async () => {
    const { region } = await hostOnMemory({ wire: 'dev12', recovery: false });
    expect(hexAt(region, AT, 1280)).toBe(zeros(1280));
  });
});
