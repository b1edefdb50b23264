import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Body } from '../../../client/spice/wire/body.ts';
import { decodeNotify, encodePong, MessageSplitter } from '../../../client/spice/wire/message.ts';
import { fuzzed } from '../../fuzz/runs.ts';
import { fields, frame } from './fake-server.ts';

function bodyOf(bytes: Buffer): Body {
  return new Body().reset('a message', bytes, 0, bytes.length);
}

function split(chunks: readonly Buffer[], maxBytes = 1000): readonly [number, string][] {
  const found: [number, string][] = [];
  const splitter = new MessageSplitter({
    channel: 'TEST',
    maxBytes,
    sink: {
      message: (type, body) => found.push([type, body.view(body.left, 'all').toString('hex')]),
    },
  });
  for (const chunk of chunks) {
    splitter.push(chunk, 0, chunk.length);
    // Whoever gave the bytes uses their memory for something else.
    chunk.fill(0xee);
  }
  return found;
}

describe('messages in a stream', () => {
  it('are found in one piece and in pieces of one byte', () => {
    const stream = Buffer.concat([
      frame(1, Buffer.from('abc')),
      frame(2),
      frame(300, Buffer.from('d')),
    ]);
    const expected = [
      [1, '616263'],
      [2, ''],
      [300, '64'],
    ];
    expect(split([Buffer.from(stream)])).toEqual(expected);
    expect(split([...stream].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  it('are found wherever the stream was cut', () => {
    const message = fc.record({ type: fc.nat(0xffff), body: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(
        fc.array(message),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map(({ type, body }) => frame(type, body)));
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(Buffer.from(stream.subarray(at, at + cut)));
            at = Math.min(stream.length, at + cut);
          }
          chunks.push(Buffer.from(stream.subarray(at)));
          expect(split(chunks)).toEqual(
            messages.map(({ type, body }) => [type, Buffer.from(body).toString('hex')]),
          );
        },
      ),
      fuzzed(200),
    );
  });

  it('are refused when they are larger than the channel has, before they came', () => {
    expect(() => split([fields([2, 304], [4, 1001])])).toThrow(
      'a message of TEST has at most 1000 bytes, but type 304 has 1001',
    );
  });

  it('take the memory of what came, not of what was announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const splitter = new MessageSplitter({
      channel: 'TEST',
      maxBytes: 0x7fff_ffff,
      sink: { message: () => {} },
    });
    splitter.push(fields([2, 304], [4, 0x4000_0000], [4, 0]), 0, 10);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 24);
  });
});

describe('a body', () => {
  it('gives its fields one after the other', () => {
    const body = bodyOf(Buffer.from('01020003000000fffffffffeff0102030405060708', 'hex'));
    expect(body.u8('a')).toBe(1);
    expect(body.u16('b')).toBe(2);
    expect(body.u32('c')).toBe(3);
    expect(body.i32('d')).toBe(-1);
    expect(body.i16('e')).toBe(-2);
    expect(body.u64('f')).toBe(0x0807_0605_0403_0201n);
    expect(body.left).toBe(0);
  });

  it('is not read beyond its end, though its buffer goes on', () => {
    const body = new Body().reset('message 7', Buffer.alloc(100), 10, 13);
    body.u16('first');
    expect(() => body.u32('width')).toThrow('width of message 7 needs 4 bytes at 2, but it has 3');
    expect(() => body.seek(4, 'offset')).toThrow(
      'offset of message 7 must point within its 3 bytes, but is 4',
    );
  });
});

describe('messages that every channel has', () => {
  it('PONG repeats the first twelve bytes of a PING', () => {
    const ping = Buffer.concat([Buffer.from('0102030405060708090a0b0c', 'hex'), Buffer.alloc(100)]);
    expect(encodePong(bodyOf(ping)).toString('hex')).toBe('03000c0000000102030405060708090a0b0c');
  });

  it('NOTIFY is text without control characters, up to its NUL', () => {
    const head = fields([8, 0], [4, 1], [4, 2], [4, 9]);
    const text = Buffer.from('a\u001b[2Jb\0hidden');
    const body = Buffer.concat([head, fields([4, text.length]), text]);
    expect(decodeNotify(bodyOf(body), 100)).toEqual({
      severity: 'warning',
      what: 9,
      text: 'a [2Jb',
    });
  });

  it('NOTIFY that announces more text than it has is refused', () => {
    const body = fields([8, 0], [4, 1], [4, 2], [4, 9], [4, 0xffff_ffff]);
    expect(() => decodeNotify(bodyOf(body), 100)).toThrow(
      /text of a message needs 4294967295 bytes/,
    );
  });
});
