import { describe, expect, it } from 'vitest';
import { Subscription } from '../../../client/subscription.ts';
import { QUEUE_IDS } from '../../../protocol/kvmfr/index.ts';
import { Guest, picture } from './guest.ts';

const FRAME_AT = 32;
const POINTER_AT = 32 + 1144;
const LOCK = 408;

describe('Subscription', () => {
  it('tells of a lock that nobody gives back, and that it was given back', async () => {
    const guest = await Guest.start();
    const { region } = guest;
    region.view.setUint32(FRAME_AT + LOCK, 1, true);
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.told(1);
    expect(guest.issues).toEqual([
      expect.objectContaining({ name: 'failed', code: 'ERR_KVMFR_LOCK' }),
    ]);
    expect(guest.issues[0]?.message).toContain('frame queue');
    expect(guest.issues[0]?.message).toContain('held by the publisher or a client without a slot');
    region.view.setUint32(FRAME_AT + LOCK, 0, true);
    await guest.subscriber();
    expect(guest.issues).toEqual([expect.anything(), undefined]);
    guest.host.publish(picture(0));
    expect((await message)?.check()).toBe('ok');
    await stream.close();
  });

  it('tells who may hold a lock that nobody gives back', async () => {
    const guest = await Guest.start();
    const { view } = guest.region;
    view.setUint32(FRAME_AT + LOCK, 1, true);
    // Slots 2 and 5 are taken.
    view.setUint32(FRAME_AT + 420, 0b10_0100, true);
    view.setUint32(FRAME_AT + 280 + 2 * 4, 0x1234, true);
    view.setUint32(FRAME_AT + 280 + 5 * 4, 0xfffe, true);
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.told(1);
    expect(guest.issues[0]?.message).toContain(
      'it is held by the publisher, a client without a slot, or one of the clients 0x1234, 0xfffe,',
    );
    view.setUint32(FRAME_AT + LOCK, 0, true);
    await stream.close();
    expect(await message).toBeUndefined();
  });

  it('tells of a queue whose 32 slots are taken, and takes the first that is free', async () => {
    const guest = await Guest.start();
    const { region } = guest;
    region.view.setUint32(FRAME_AT + 420, 0xffff_ffff, true);
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.told(1);
    expect(guest.issues[0]).toMatchObject({ name: 'failed', code: 'ERR_KVMFR_QUEUE_FULL' });
    expect(guest.issues[0]?.message).toContain('32');
    region.view.setUint32(FRAME_AT + 420, 0xffff_fffb, true);
    await guest.subscriber();
    expect(guest.subscribers()).toBe(0xffff_ffff);
    expect(guest.issues.at(-1)).toBeUndefined();
    await stream.close();
    expect(await message).toBeUndefined();
    expect(guest.subscribers()).toBe(0xffff_fffb);
  });

  it.each([
    ['numMessages', 4, 0, 'ERR_KVMFR_BOUNDS'],
    ['queueID', 0, 9, 'ERR_KVMFR_NO_QUEUE'],
  ] as const)('tells of a frame queue whose %s cannot be', async (_, at, value, code) => {
    const guest = await Guest.start();
    const { view } = guest.region;
    const before = view.getUint32(FRAME_AT + at, true);
    view.setUint32(FRAME_AT + at, value, true);
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.told(1);
    expect(guest.issues[0]).toMatchObject({ name: 'failed', code });
    view.setUint32(FRAME_AT + at, before, true);
    await guest.subscriber();
    expect(guest.issues.at(-1)).toBeUndefined();
    await stream.close();
    await message;
  });

  it('waits without a word for a pointer queue that is not there', async () => {
    const guest = await Guest.start();
    const { view } = guest.region;
    view.setUint32(POINTER_AT, 9, true);
    const stream = new Subscription(guest, QUEUE_IDS.pointer, undefined);
    const message = stream.message();
    view.setUint32(FRAME_AT + LOCK, 1, true);
    const frames = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const locked = frames.message();
    // By the time the lock is told of, a missing queue would have been.
    await guest.told(1);
    expect(guest.issues.map((issue) => issue?.code)).toEqual(['ERR_KVMFR_LOCK']);
    view.setUint32(FRAME_AT + LOCK, 0, true);
    await Promise.all([stream.close(), frames.close()]);
    await Promise.all([message, locked]);
  });

  it('tells of a position that is none, keeps its slot, and goes on when it is one', async () => {
    const guest = await Guest.start();
    const { view } = guest.region;
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.subscriber();
    view.setUint32(FRAME_AT + 16, 3, true);
    await guest.told(1);
    expect(guest.issues[0]).toMatchObject({ name: 'failed', code: 'ERR_KVMFR_BOUNDS' });
    expect(guest.stats.messagesRefused).toBe(16);
    expect(guest.subscribers()).toBe(1);
    view.setUint32(FRAME_AT + 16, 0, true);
    guest.host.publish(picture(0));
    expect((await message)?.message.bytes).toBeGreaterThan(0);
    expect(guest.issues).toEqual([expect.anything(), undefined]);
    await stream.close();
  });

  it('gives back the slot that it lost with a header which then came back', async () => {
    const guest = await Guest.start();
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.subscriber();
    expect(guest.subscribers()).toBe(1);
    const { view } = guest.region;
    view.setUint32(0, 0, true);
    expect(guest.session.holds()).toBe(false);
    view.setUint32(0, 0x504d_474c, true);
    guest.attachAgain();
    await guest.subscriber();
    expect(guest.subscribers()).toBe(1);
    await stream.close();
    await message;
    expect(guest.subscribers()).toBe(0);
  });

  it('gives its slot back when the region goes away, and subscribes on the next', async () => {
    const guest = await Guest.start();
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.subscriber();
    guest.session.end();
    await stream.leave();
    expect(guest.subscribers()).toBe(0);
    guest.attachAgain();
    await guest.subscriber();
    expect(guest.subscribers()).toBe(1);
    await stream.close();
    await message;
  });

  it('closes within a second or so although its lock is never given back', async () => {
    const guest = await Guest.start();
    const stream = new Subscription(guest, QUEUE_IDS.frame, undefined);
    const message = stream.message();
    await guest.subscriber();
    guest.region.view.setUint32(FRAME_AT + LOCK, 7, true);
    await stream.close();
    expect(await message).toBeUndefined();
    expect(guest.subscribers()).toBe(1);
    expect(guest.streams.size).toBe(0);
  });

  it('leaves no listener on the signal of its caller', async () => {
    const guest = await Guest.start();
    const stop = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = stop.signal;
    stop.signal.addEventListener = (...rest: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(stop.signal, rest);
    };
    stop.signal.removeEventListener = (...rest: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(stop.signal, rest);
    };
    const stream = new Subscription(guest, QUEUE_IDS.frame, stop.signal);
    const message = stream.message();
    await guest.subscriber();
    await stream.close();
    await message;
    expect(listeners).toBe(0);
  });
});
