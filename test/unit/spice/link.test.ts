import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText, parseSpiceAddress } from '../../../client/spice/address.ts';
import { encodeTicket } from '../../../client/spice/ticket.ts';
import {
  capabilityWords,
  decodeLinkHeader,
  decodeLinkReply,
  encodeLinkRequest,
  hasCapability,
} from '../../../client/spice/wire/link.ts';
import { KvmfrError } from '../../../protocol/index.ts';
import { fuzzed } from '../../fuzz/runs.ts';
import { fields } from './fake-server.ts';

describe('the link request', () => {
  it('names the channel, the session and the capabilities', () => {
    const request = encodeLinkRequest({
      connectionId: 0x0403_0201,
      channel: 'display',
      channelId: 7,
      capabilities: [0, 1, 6, 33],
    });
    expect(request.toString('hex')).toBe(
      [
        '52454451', // REDQ
        '02000000',
        '02000000',
        '1e000000', // 30 bytes follow
        '01020304', // connection id
        '02', // DISPLAY
        '07',
        '01000000', // common words
        '02000000', // channel words
        '12000000', // offset 18
        '0b000000', // auth selection, auth spice, mini header
        '43000000',
        '02000000',
      ].join(''),
    );
  });

  it('says bits in words, as many as there are', () => {
    expect(capabilityWords([])).toEqual([]);
    expect(capabilityWords([31])).toEqual([0x8000_0000]);
    expect([0, 31, 32, 99].map((bit) => hasCapability([0x8000_0000, 1], bit))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('the link reply', () => {
  const header = (...words: readonly number[]): Buffer =>
    Buffer.concat([Buffer.from('REDQ'), fields(...words.map((word) => [4, word] as const))]);
  const reply = (common: number, own: number, offset: number): Buffer =>
    Buffer.concat([
      fields([4, 0]),
      Buffer.alloc(162, 0xab),
      fields([4, common], [4, own], [4, offset], [4, 0b1011], [4, 0x42]),
    ]);

  it('is measured by its header', () => {
    expect(decodeLinkHeader(header(2, 2, 186))).toBe(186);
  });

  it('is of a SPICE server, of its major version, and of a size that can be', () => {
    const code = (bytes: Buffer): string => {
      try {
        decodeLinkHeader(bytes);
        return 'none';
      } catch (error) {
        return KvmfrError.is(error) ? error.code : String(error);
      }
    };
    expect(code(Buffer.from('HTTP/1.1 400 Bad'))).toBe('ERR_KVMFR_MAGIC');
    expect(code(header(1, 2, 186))).toBe('ERR_KVMFR_UNSUPPORTED');
    expect(code(header(2, 2, 177))).toBe('ERR_KVMFR_SPICE');
    expect(code(header(2, 2, 0xffff_ffff))).toBe('ERR_KVMFR_SPICE');
  });

  it('has a key, and words where it says', () => {
    const decoded = decodeLinkReply(reply(1, 1, 178));
    expect(decoded.error).toBe(0);
    expect(decoded.publicKey.equals(Buffer.alloc(162, 0xab))).toBe(true);
    expect([decoded.common, decoded.capabilities]).toEqual([[0b1011], [0x42]]);
  });

  it.each([
    [1, 2, 178],
    [0xffff_ffff, 0xffff_ffff, 178],
    [1, 1, 0xffff_fff0],
    [1, 1, 182],
  ])('is refused when %i + %i words at %i are outside of it', (common, own, offset) => {
    expect(() => decodeLinkReply(reply(common, own, offset))).toThrow(
      /the link reply has 186 bytes/,
    );
  });

  it('of any bytes is read or refused, and no more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => {
        try {
          const { common, capabilities } = decodeLinkReply(Buffer.from(bytes));
          expect((common.length + capabilities.length) * 4).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_KVMFR_SPICE' });
        }
      }),
      fuzzed(300),
    );
  });
});

describe('the ticket', () => {
  it.each([
    ['no key at all', Buffer.alloc(162)],
    ['a key of another kind', ed25519()],
  ])('is not made for %s', (_, key) => {
    expect(() => encodeTicket(key, 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_SPICE' }),
    );
  });

  it('holds no longer password than the protocol has, and says none of it', () => {
    const long = 'sesame'.repeat(11);
    try {
      encodeTicket(Buffer.alloc(162), long);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_KVMFR_ARGUMENT' });
      expect(String(error)).not.toContain('sesame');
    }
  });

  function ed25519(): Buffer {
    return Buffer.from(`302a300506032b6570032100${'11'.repeat(32)}`, 'hex');
  }
});

describe('an address', () => {
  it.each([
    ['localhost:5900', { kind: 'tcp', host: 'localhost', port: 5900 }],
    ['127.0.0.1:1', { kind: 'tcp', host: '127.0.0.1', port: 1 }],
    ['[::1]:65535', { kind: 'tcp', host: '::1', port: 65535 }],
    ['unix:/run/a b:1.sock', { kind: 'unix', path: '/run/a b:1.sock' }],
  ])('%s is read, and written the same', (text, address) => {
    expect(parseSpiceAddress(text)).toEqual(address);
    expect(addressText(parseSpiceAddress(text))).toBe(text);
  });

  it.each([
    '',
    'localhost',
    ':5900',
    '::1:5900',
    '[::1]',
    '[x]:1',
    'a:0',
    'a:65536',
    'unix:',
    'a b:1',
  ])('%j is none', (text) => {
    expect(() => parseSpiceAddress(text)).toThrow(
      expect.objectContaining({ code: 'ERR_KVMFR_ARGUMENT' }),
    );
  });
});
