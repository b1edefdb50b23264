import { describe, expect, it } from 'vitest';
import { addressBlock, isLoopbackAddress } from '../../../viewer/relay/address-block.ts';
import {
  Attempts,
  FIRST_LOCK_MS,
  LONGEST_LOCK_MS,
  MAX_BLOCKS,
  MAX_WRONG,
} from '../../../viewer/relay/attempts.ts';

describe('Attempts', () => {
  it('make a block wait after ten different wrong secrets, and nobody else', () => {
    const attempts = new Attempts(() => 1000);
    for (let i = 1; i < MAX_WRONG; i++)
      expect(attempts.wrong('10.0.0.1', `guess ${i}`)).toBe(false);
    expect(attempts.waitS('10.0.0.1')).toBe(0);
    expect(attempts.wrong('10.0.0.1', 'the tenth')).toBe(true);
    expect(attempts.waitS('10.0.0.1')).toBe(60);
    expect(attempts.waitS('10.0.0.2')).toBe(0);
  });

  it('count the same wrong secret once, however often it comes', () => {
    const attempts = new Attempts(() => 0);
    for (let i = 0; i < 1000; i++) expect(attempts.wrong('10.0.0.1', 'of yesterday')).toBe(false);
    expect(attempts.knows('10.0.0.1', 'of yesterday')).toBe(true);
    expect(attempts.knows('10.0.0.1', 'of today')).toBe(false);
    expect(attempts.knows('10.0.0.2', 'of yesterday')).toBe(false);
  });

  it('listen again after the wait, and wait twice as long each time, at most a quarter of an hour', () => {
    let nowMs = 0;
    const attempts = new Attempts(() => nowMs);
    const waits: number[] = [];
    for (let lock = 0; lock < 7; lock++) {
      for (let i = 0; i < MAX_WRONG; i++) attempts.wrong('10.0.0.1', `guess ${lock} ${i}`);
      waits.push(attempts.waitS('10.0.0.1'));
      nowMs += attempts.waitS('10.0.0.1') * 1000;
      expect(attempts.waitS('10.0.0.1')).toBe(0);
    }
    expect(waits).toEqual([60, 120, 240, 480, 900, 900, 900]);
    expect([FIRST_LOCK_MS, LONGEST_LOCK_MS]).toEqual([60_000, 900_000]);
  });

  it('forget a block that brought nothing wrong for an hour', () => {
    let nowMs = 0;
    const attempts = new Attempts(() => nowMs);
    for (let i = 1; i < MAX_WRONG; i++) attempts.wrong('10.0.0.1', `guess ${i}`);
    nowMs += 60 * 60_000;
    expect(attempts.wrong('10.0.0.1', 'the tenth')).toBe(false);
  });

  it('remember a bounded number of blocks, and those longest that came last', () => {
    const attempts = new Attempts(() => 0);
    for (let i = 0; i < MAX_WRONG; i++) attempts.wrong('first', `guess ${i}`);
    for (let i = 0; i < MAX_BLOCKS - 1; i++) attempts.wrong(`block ${i}`, 'guess');
    expect(attempts.waitS('first')).toBe(60);
    for (let i = 0; i < MAX_BLOCKS; i++) attempts.wrong(`another ${i}`, 'guess');
    expect(attempts.size).toBe(MAX_BLOCKS);
    expect(attempts.waitS('first')).toBe(0);
  });
});

describe('addressBlock()', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['', ''],
  ])('of %s is %s', (address, block) => {
    expect(addressBlock(address)).toBe(block);
  });

  it.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::ffff:127.0.0.1', true],
    ['::1', true],
    ['128.0.0.1', false],
    ['::2', false],
    [undefined, false],
  ])('%s is loopback: %s', (address, loopback) => {
    expect(isLoopbackAddress(address)).toBe(loopback);
  });
});
