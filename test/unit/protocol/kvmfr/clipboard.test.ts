import { describe, expect, it } from 'vitest';
import { KvmfrError } from '../../../../protocol/error.ts';
import {
  CLIPBOARD_STREAM,
  type ClipboardBody,
  ClipboardContents,
  ClipboardPieces,
  type ClipboardSender,
  clipboardFormats,
  clipboardMask,
  decodeClipboardRecord,
  encodeClipboardRecord,
  type RawClipboardStatus,
  readClipboardStatus,
  writeClipboardStatus,
} from '../../../../protocol/kvmfr/index.ts';
import { Region } from '../../../../protocol/memory/region.ts';

const BLOCK = { from: 0x4000, to: 0x400000 };
const GUEST = 2n ** 63n;

function status(changes: Partial<RawClipboardStatus> = {}): RawClipboardStatus {
  return {
    available: true,
    generation: 0x11,
    ownerClientId: 0x22,
    ownerGeneration: 0x33,
    leaseMs: 1000,
    formats: 3,
    hostToClient: { at: 0x8000, direction: 1, ...CLIPBOARD_STREAM },
    clientToHost: { at: 0x110000, direction: 2, ...CLIPBOARD_STREAM },
    ...changes,
  };
}

function statusBytes(changes: Partial<RawClipboardStatus> = {}): Uint8Array<ArrayBuffer> {
  const region = new Region(new ArrayBuffer(128));
  writeClipboardStatus(region, 0, status(changes));
  return region.bytes;
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (KvmfrError.is(error)) return error.code;
    throw error;
  }
  return 'taken';
}

describe('a clipboard status', () => {
  it('is these bytes', () => {
    const expected = [
      '04000000 03000000 11000000 22000000 33000000 e8030000 03000000 00000400',
      '01000000 04000000 00000000 00000000 00000000 00000000 00000000 00000000',
      '4c535452 01002000 00800000 00031000 01000000 01000000 04000000 40000400',
      '4c535452 01002000 00001100 00031000 02000000 01000000 04000000 40000400',
    ];
    expect(Buffer.from(statusBytes()).toString('hex')).toBe(expected.join('').replaceAll(' ', ''));
  });

  it('is read as it was written', () => {
    expect(readClipboardStatus(statusBytes(), BLOCK)).toEqual(status());
    const none = status({ available: false, ownerClientId: 0, ownerGeneration: 0, formats: 0 });
    expect(readClipboardStatus(statusBytes(none), BLOCK)).toEqual(none);
  });

  it.each([
    ['another version', 0, 3],
    ['an unknown flag', 4, 7],
    ['no generation', 8, 0],
    ['an owner who is nobody', 12, 0],
    ['an owner without a generation', 16, 0],
    ['an owner without the flag', 4, 1],
    ['an owner while not available', 4, 2],
    ['no lease', 20, 0],
    ['an unknown format', 24, 64],
    ['other slots', 28, 65536],
    ['another version of streams', 32, 2],
    ['another number of slots', 36, 8],
    ['something in reserved', 40, 1],
    ['something in the last of reserved', 60, 1],
    ['a stream the other way', 64 + 16, 2],
    ['the second stream the other way', 96 + 16, 1],
    ['two streams at one place', 96 + 8, 0x8000],
    ['a stream of another size', 64 + 12, 0x100304],
  ])('is refused with %s', (_, at, value) => {
    const bytes = statusBytes();
    new DataView(bytes.buffer).setUint32(at, value, true);
    expect(codeOf(() => readClipboardStatus(bytes, BLOCK))).toBe('ERR_KVMFR_CORRUPT');
  });

  it('is refused when it is cut, or a stream lies outside of the block', () => {
    expect(codeOf(() => readClipboardStatus(statusBytes().subarray(0, 127), BLOCK))).toBe(
      'ERR_KVMFR_CORRUPT',
    );
    const short = { from: 0x4000, to: 0x110000 + 0x100300 - 1 };
    expect(codeOf(() => readClipboardStatus(statusBytes(), short))).toBe('ERR_KVMFR_BOUNDS');
  });
});

const PIECE = { sequence: 0, offset: 0, size: 5, isFirst: true, isLast: true, bytes: 5 } as const;

/** Every type of record, who sends it, and its 64 bytes in words. */
const RECORDS: readonly (readonly [ClipboardSender, ClipboardBody, string])[] = [
  [
    'client',
    { kind: 'claim', endpoint: 0x99 },
    '04000000 01000000 07000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 99000000 00000000',
  ],
  [
    'client',
    { kind: 'release' },
    '04000000 02000000 07000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000',
  ],
  [
    'client',
    { kind: 'keepalive' },
    '04000000 03000000 07000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000',
  ],
  [
    'host',
    { kind: 'offer', content: 0x0102n, formats: 0x23 },
    '04000000 04000000 07000000 00000000 02010000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 23000000 00000000',
  ],
  [
    'client',
    { kind: 'clear', content: 0x0102n },
    '04000000 05000000 07000000 00000000 02010000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000',
  ],
  [
    'host',
    { kind: 'request', content: 0x0102n, transfer: GUEST + 4n, format: 'png' },
    '04000000 06000000 07000000 00000000 02010000 00000000 04000000 00000080 00000000 00000000 00000000 00000000 02000000 00000000 00000000 00000000',
  ],
  [
    'client',
    {
      kind: 'data',
      content: 0x0102n,
      transfer: GUEST + 4n,
      format: 'text',
      piece: {
        sequence: 2,
        offset: 0x20000,
        size: undefined,
        isFirst: false,
        isLast: false,
        bytes: 0x10000,
      },
    },
    '04000000 07000000 07000000 02000000 02010000 00000000 04000000 00000080 00000200 00000000 ffffffff ffffffff 01000000 00000000 00000000 00000100',
  ],
  [
    'host',
    { kind: 'data', content: 0x0102n, transfer: 4n, format: 'jpeg', piece: PIECE },
    '04000000 07000000 07000000 00000000 02010000 00000000 04000000 00000000 00000000 00000000 05000000 00000000 05000000 03000000 00000000 05000000',
  ],
  [
    'client',
    { kind: 'cancel', transfer: 4n, reason: 'invalid', content: 0x0102n, format: 'text' },
    '04000000 08000000 07000000 00000000 02010000 00000000 04000000 00000000 00000000 00000000 00000000 00000000 01000000 00000000 03000000 00000000',
  ],
  [
    'client',
    { kind: 'fileAcquire', content: 0x0102n, transfer: 4n },
    '04000000 09000000 07000000 00000000 02010000 00000000 04000000 00000000 00000000 00000000 00000000 00000000 06000000 00000000 00000000 00000000',
  ],
  [
    'client',
    { kind: 'fileAcquired', content: 0x0102n, transfer: GUEST + 4n, error: 'notSupported' },
    '04000000 0a000000 07000000 00000000 02010000 00000000 04000000 00000080 00000000 00000000 00000000 00000000 06000000 00000000 0b000000 00000000',
  ],
  [
    'host',
    { kind: 'fileRelease', content: 0x0102n, transfer: GUEST + 4n },
    '04000000 0b000000 07000000 00000000 02010000 00000000 04000000 00000080 00000000 00000000 00000000 00000000 06000000 00000000 00000000 00000000',
  ],
  [
    'host',
    {
      kind: 'fileRequest',
      content: 0x0102n,
      transfer: GUEST + 4n,
      node: 9n,
      op: 'read',
      offset: 3,
      bytes: 0x100000,
    },
    '04000000 0c000000 07000000 00000000 02010000 00000000 04000000 00000080 03000000 00000000 09000000 00000000 06000000 00001000 02000000 00000000',
  ],
  [
    'host',
    { kind: 'fileData', content: 0x0102n, transfer: 4n, op: 'list', piece: PIECE },
    '04000000 0d000000 07000000 00000000 02010000 00000000 04000000 00000000 00000000 00000000 05000000 00000000 06000000 03000000 01000000 05000000',
  ],
  [
    'client',
    { kind: 'fileCancel', content: 0x0102n, transfer: GUEST + 4n, error: 'stale' },
    '04000000 0e000000 07000000 00000000 02010000 00000000 04000000 00000080 00000000 00000000 00000000 00000000 06000000 00000000 0c000000 00000000',
  ],
];

function recordOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

describe('a clipboard record', () => {
  it.each(RECORDS)('from the %s, %o, is these bytes, and is read from them', (from, body, hex) => {
    expect(Buffer.from(encodeClipboardRecord({ generation: 7, body })).toString('hex')).toBe(
      hex.replaceAll(' ', ''),
    );
    expect(decodeClipboardRecord(recordOf(hex), from)).toEqual({ generation: 7, body });
  });

  it.each(RECORDS)('from the %s, %o, has nothing in its other fields', (from, body, hex) => {
    // Which words a type leaves alone. A cancel may say all that it can.
    const words = hex.split(' ');
    for (const [index, word] of words.entries()) {
      if (word !== '00000000' || (body.kind === 'cancel' && [4, 5, 12].includes(index))) continue;
      // The upper halves of numbers that it does use.
      if ('content' in body && index === 5) continue;
      if ('transfer' in body && index === 7) continue;
      if (body.kind === 'fileRequest' && (index === 9 || index === 11)) continue;
      if (body.kind === 'data' && !body.piece.isFirst && index === 9) continue;
      const bytes = recordOf(hex);
      bytes.writeUInt32LE(1, index * 4);
      expect([index, codeOf(() => decodeClipboardRecord(bytes, from))]).toEqual([
        index,
        'ERR_KVMFR_CORRUPT',
      ]);
    }
  });

  const at = (kind: ClipboardBody['kind']): readonly [ClipboardSender, Buffer] => {
    const found = RECORDS.find(([, body]) => body.kind === kind);
    if (found === undefined) throw new Error(`there must be a record ${kind}`);
    return [found[0], recordOf(found[2])];
  };

  it.each([
    ['another version', 'claim', 0, 3],
    ['type 0', 'claim', 4, 0],
    ['type 15', 'fileAcquire', 4, 15],
    ['no generation', 'keepalive', 8, 0],
    ['a claim of no endpoint', 'claim', 56, 0],
    ['an offer of nothing', 'offer', 56, 0],
    ['an offer of an unknown format', 'offer', 56, 64],
    ['an offer without a content', 'offer', 16, 0],
    ['a clear without a content', 'clear', 16, 0],
    ['a request of no format', 'request', 48, 0],
    ['a request of files', 'request', 48, 6],
    ['a request with the id of a client', 'request', 28, 0],
    ['data with the id of a client', 'data', 28, 0],
    ['data with an unknown flag', 'data', 52, 4],
    ['more data than a piece may have', 'data', 60, 0x10001],
    ['data that is neither first nor last, and empty', 'data', 60, 0],
    ['a number of 0 for what is not the first', 'data', 12, 0],
    ['a size in the middle', 'data', 40, 5],
    ['a reason that is none', 'cancel', 56, 4],
    ['a cancel of no transfer', 'cancel', 24, 0],
    ['a cancel of an unknown format', 'cancel', 48, 7],
    ['an error that is none', 'fileAcquired', 56, 13],
    ['a request for files with the format of text', 'fileRequest', 48, 1],
    ['a request for no bytes of a file', 'fileRequest', 52, 0],
    ['a request for too many bytes of a file', 'fileRequest', 52, 0x100001],
    ['a request for bytes of no file', 'fileRequest', 40, 0],
    ['an operation that is none', 'fileRequest', 56, 3],
    ['a list from the middle', 'fileRequest', 56, 1],
    ['a last piece whose size is not its end', 'fileData', 40, 6],
    ['a file cancelled for nothing', 'fileCancel', 56, 0],
  ] as const)('is refused with %s', (_, kind, offset, value) => {
    const [from, bytes] = at(kind);
    bytes.writeUInt32LE(value, offset);
    expect(codeOf(() => decodeClipboardRecord(bytes, from))).toBe('ERR_KVMFR_CORRUPT');
  });

  it('is refused when it is cut or long, and a claim when a host says it', () => {
    const [, claim] = at('claim');
    for (const bytes of [claim.subarray(0, 63), Buffer.concat([claim, Buffer.alloc(1)])])
      expect(codeOf(() => decodeClipboardRecord(bytes, 'client'))).toBe('ERR_KVMFR_CORRUPT');
    expect(codeOf(() => decodeClipboardRecord(claim, 'host'))).toBe('ERR_KVMFR_CORRUPT');
  });

  it('has formats as bits in their order', () => {
    expect(clipboardMask(['files', 'text'])).toBe(33);
    expect(clipboardFormats(42)).toEqual(['png', 'tiff', 'files']);
  });
});

describe('pieces of clipboard contents', () => {
  function travel(bytes: Uint8Array, maxBytes = 2 ** 30): { outcome: string; pieces: number } {
    const pieces = new ClipboardPieces(bytes);
    const contents = new ClipboardContents(maxBytes);
    let outcome = '';
    let count = 0;
    for (let next = pieces.next; next !== undefined; next = pieces.next) {
      // As they are read on the other side.
      const body = {
        kind: 'data',
        content: 1n,
        transfer: 2n,
        format: 'text',
        piece: next.piece,
      } as const;
      const record = decodeClipboardRecord(encodeClipboardRecord({ generation: 1, body }), 'host');
      if (record.body.kind !== 'data') throw new Error('must be data');
      outcome = contents.take(record.body.piece, next.contents);
      count += 1;
      if (outcome === 'too-large') break;
      pieces.sent();
    }
    if (outcome === 'whole') expect(Buffer.compare(contents.join(), bytes)).toBe(0);
    return { outcome, pieces: count };
  }

  it.each([
    [0, 1],
    [1, 1],
    [65535, 1],
    [65536, 1],
    [65537, 2],
    [1_000_000, 16],
  ])('put together are the %i bytes they were', (bytes, pieces) => {
    const contents = Uint8Array.from({ length: bytes }, (_, i) => i * 7 + (i >> 8));
    expect(travel(contents)).toEqual({ outcome: 'whole', pieces });
  });

  it('are refused by what is promised, before anything is kept', () => {
    expect(travel(new Uint8Array(200_000), 199_999)).toEqual({ outcome: 'too-large', pieces: 1 });
  });

  it('are refused by what has come when nothing was promised', () => {
    const contents = new ClipboardContents(10);
    const middle = { size: undefined, isLast: false, bytes: 6 };
    const bytes = new Uint8Array(6);
    const first = { ...middle, sequence: 0, offset: 0, isFirst: true };
    expect(contents.take(first, bytes)).toBe('more');
    expect(contents.take({ ...middle, sequence: 1, offset: 6, isFirst: false }, bytes)).toBe(
      'too-large',
    );
    expect(contents.bytes).toBe(6);
  });

  it.each([
    ['a gap in the numbers', { sequence: 2 }],
    ['the same piece twice', { sequence: 0 }],
    ['a gap in the bytes', { offset: 7 }],
    ['other bytes than it says', { bytes: 5 }],
    ['more than was promised', { isLast: true, size: 12 }],
  ])('are refused with %s', (_, changes) => {
    const contents = new ClipboardContents(100);
    const first = { sequence: 0, offset: 0, size: 11, isFirst: true, isLast: false, bytes: 6 };
    contents.take(first, new Uint8Array(6));
    const next = {
      sequence: 1,
      offset: 6,
      size: undefined,
      isFirst: false,
      isLast: false,
      bytes: 6,
    };
    expect(codeOf(() => contents.take({ ...next, ...changes }, new Uint8Array(6)))).toBe(
      'ERR_KVMFR_CORRUPT',
    );
  });
});
