import { describe, expect, it } from 'vitest';
import { KvmfrError } from '../../../../protocol/error.ts';
import {
  type RawInputStatus,
  readInputStatus,
  writeInputStatus,
} from '../../../../protocol/kvmfr/input.ts';
import {
  decodeInputRecord,
  encodeInputRecord,
  type InputBody,
} from '../../../../protocol/kvmfr/input-record.ts';
import { Region } from '../../../../protocol/memory/region.ts';

const BLOCK = { from: 0x4000, to: 0x100000 };

function status(changes: Partial<RawInputStatus> = {}): RawInputStatus {
  return {
    version: 3,
    capabilities: 7,
    available: true,
    generation: 0x11,
    ownerClientId: 0x22,
    ownerGeneration: 0x33,
    leaseMs: 500,
    maxButtons: 32,
    streamGeneration: 0x44,
    leds: 3,
    endpoints: Array.from({ length: 8 }, (_, index) => ({
      stream: { at: 0x8000 + index * 16640, direction: 2, slotCount: 128, slotBytes: 64 },
      boundClientId: index === 1 ? 0x22 : 0,
      bindingGeneration: index === 1 ? 0x55 : 0,
    })),
    ...changes,
  };
}

function bytesOf(changes: Partial<RawInputStatus> = {}): Uint8Array<ArrayBuffer> {
  const region = new Region(new ArrayBuffer(448));
  writeInputStatus(region, 0, status(changes));
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

/** Reads the status with one word of it changed. */
function withWord(at: number, value: number, changes: Partial<RawInputStatus> = {}): string {
  const bytes = bytesOf(changes);
  new DataView(bytes.buffer).setUint32(at, value, true);
  return codeOf(() => readInputStatus(bytes, BLOCK));
}

describe('an input status', () => {
  it('is these bytes', () => {
    const head = [
      '03000000 07000000 07000000 11000000 22000000 33000000 f4010000 20000000',
      '01000000 08000000 44000000 03000000 00000000 00000000 00000000 00000000',
    ];
    const free =
      '4c535452 01002000 00800000 00410000 02000000 01000000 80000000 40000000 00000000 00000000 01000000 00000000';
    const bound =
      '4c535452 01002000 00c10000 00410000 02000000 01000000 80000000 40000000 22000000 55000000 03000000 00000000';
    const hex = Buffer.from(bytesOf()).toString('hex');
    expect(hex.slice(0, 128)).toBe(head.join('').replaceAll(' ', ''));
    expect(hex.slice(128, 128 + 96)).toBe(free.replaceAll(' ', ''));
    expect(hex.slice(224, 224 + 96)).toBe(bound.replaceAll(' ', ''));
  });

  it('is read as it was written', () => {
    expect(readInputStatus(bytesOf(), BLOCK)).toEqual(status());
    const none = status({
      available: false,
      capabilities: 0,
      ownerClientId: 0,
      ownerGeneration: 0,
    });
    expect(readInputStatus(bytesOf(none), BLOCK)).toEqual(none);
    const noLights = status({ leds: undefined, version: 1 });
    expect(readInputStatus(bytesOf(noLights), BLOCK)).toEqual(noLights);
  });

  it.each([
    ['a version of 0', 0, 0],
    ['a version of 4', 0, 4],
    ['lights in version 2', 0, 2],
    ['an unknown capability', 4, 15],
    ['an unknown flag', 8, 15],
    ['no generation', 12, 0],
    ['no lease', 24, 0],
    ['no buttons', 28, 0],
    ['33 buttons', 28, 33],
    ['another version of streams', 32, 2],
    ['seven endpoints', 36, 7],
    ['nine endpoints', 36, 9],
    ['no stream generation', 40, 0],
    ['something in statusReserved', 44, 0x0100_0003],
    ['something in streamReserved', 48, 1],
    ['something in the last of streamReserved', 60, 1],
    ['an endpoint that is not available', 64 + 40, 0],
    ['an endpoint with an unknown flag', 64 + 40, 5],
    ['an endpoint that is bound to nobody', 64 + 40, 3],
    ['a client of an endpoint that is not bound', 64 + 32, 9],
    ['a binding of an endpoint that is not bound', 64 + 36, 9],
    ['a bound endpoint without a client', 112 + 32, 0],
    ['a bound endpoint without a binding', 112 + 36, 0],
    ['something in reserved of an endpoint', 64 + 44, 1],
    ['two endpoints at one place', 112 + 8, 0x8000],
    ['a flag of an owner who is nobody', 16, 0],
    ['an owner without a generation', 20, 0],
    ['an owner without the flag', 8, 5],
    ['an owner while not available', 8, 6],
    ['no relative mouse', 4, 6],
    ['no keyboard', 4, 3],
    ['a stream without its magic', 64, 0],
    ['a stream of another version', 68, 0x0020_0002],
    ['a descriptor of another size', 68, 0x0021_0001],
    ['a stream that is not on a line', 72, 0x8020],
    ['a stream of a wrong size', 76, 0x4140],
    ['a stream towards the client', 80, 1],
    ['a stream of the reserved policy', 84, 2],
    ['a stream of 127 slots', 88, 127],
    ['a stream of no slots', 88, 0],
    ['slots of no bytes', 92, 0],
  ])('is refused with %s', (_, at, value) => {
    expect(withWord(at, value)).toBe('ERR_KVMFR_CORRUPT');
  });

  it('is refused with a stream before or behind the block', () => {
    expect(withWord(72, 0x3fc0)).toBe('ERR_KVMFR_BOUNDS');
    expect(withWord(72, 0x100000 - 16640 + 0x40)).toBe('ERR_KVMFR_BOUNDS');
    expect(withWord(72, 0xffff_ffc0)).toBe('ERR_KVMFR_BOUNDS');
    expect(withWord(72, 0x100000 - 16640)).toBe('taken');
  });

  it('is refused with two endpoints of one client', () => {
    const { endpoints } = status();
    const two = endpoints.map((endpoint) => ({
      ...endpoint,
      boundClientId: 0x22,
      bindingGeneration: 1,
    }));
    expect(codeOf(() => readInputStatus(bytesOf({ endpoints: two }), BLOCK))).toBe(
      'ERR_KVMFR_CORRUPT',
    );
  });

  it('is refused with capabilities, or an owner, while it is not available', () => {
    const away = { available: false, ownerClientId: 0, ownerGeneration: 0 };
    expect(codeOf(() => readInputStatus(bytesOf(away), BLOCK))).toBe('ERR_KVMFR_CORRUPT');
    const owned = { available: false, capabilities: 0 };
    expect(codeOf(() => readInputStatus(bytesOf(owned), BLOCK))).toBe('ERR_KVMFR_CORRUPT');
  });

  it('is refused when it is too short', () => {
    expect(codeOf(() => readInputStatus(bytesOf().subarray(0, 447), BLOCK))).toBe(
      'ERR_KVMFR_CORRUPT',
    );
  });
});

const RECORDS: readonly (readonly [string, InputBody])[] = [
  ['01000000 07000000 09000000 00000000 00000000 00000000 00000000 00000000', { kind: 'claim' }],
  ['02000000 07000000 09000000 00000000 00000000 00000000 00000000 00000000', { kind: 'release' }],
  [
    '03000000 07000000 09000000 00000000 00000000 00000000 00000000 00000000',
    { kind: 'keepalive' },
  ],
  ['04000000 07000000 09000000 00000000 00000000 00000000 00000000 00000000', { kind: 'reset' }],
  [
    '05000000 07000000 09000000 00000000 05000000 0000feff fcff0100 04feffff',
    { kind: 'relative', buttons: 5, deltaX: -131072, deltaY: 131068, wheel: -508 },
  ],
  [
    '06000000 07000000 09000000 00000000 01000080 ff7f0100 ffffffff 00000000',
    { kind: 'absolute', buttons: 0x8000_0001, x: 32767, y: 1, wheel: -1 },
  ],
  [
    '07000000 07000000 09000000 00000000 2204e700 00000000 00000000 00000000',
    { kind: 'keyboard', modifiers: 0x22, keys: [4, 0xe7] },
  ],
];

describe('an input record', () => {
  it.each(RECORDS)('is %s', (hex, body) => {
    const record = { generation: 7, sequence: 9, body };
    const bytes = encodeInputRecord(record);
    expect(Buffer.from(bytes).toString('hex')).toBe(hex.replaceAll(' ', ''));
    expect(decodeInputRecord(bytes)).toEqual(record);
  });

  it.each([
    ['a type of 0', 0, 0, 0],
    ['an unknown type', 0, 0, 8],
    ['no generation', 0, 4, 0],
    ['no sequence', 0, 8, 0],
    ['something in reserved', 0, 12, 1],
    ['something in the payload of a claim', 0, 28, 1],
    ['too far a step to the right', 4, 20, 131069],
    ['too far a step to the left', 4, 20, -131073],
    ['too far a step down', 4, 24, 131069],
    ['too much of the wheel', 4, 28, 509],
    ['a place beyond the screen', 5, 20, 0x8000],
    ['a place below the screen', 5, 20, 0x8000_0000],
    ['too much of the wheel with a place', 5, 24, -509],
    ['something reserved with a place', 5, 28, 1],
    ['a usage that is no key', 6, 16, 0x0000_e800],
    ['something reserved with keys', 6, 20, 0x0100_0000],
    ['something reserved at the end', 6, 28, 0x0100_0000],
  ])('is refused with %s', (_, index, at, value) => {
    const [hex] = RECORDS[index] ?? [''];
    const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    expect(codeOf(() => decodeInputRecord(bytes))).toBe('taken');
    new DataView(bytes.buffer).setUint32(at, value, true);
    expect(codeOf(() => decodeInputRecord(bytes))).toBe('ERR_KVMFR_CORRUPT');
  });

  it('is refused with another length', () => {
    for (const length of [0, 31, 33, 64])
      expect(codeOf(() => decodeInputRecord(new Uint8Array(length)))).toBe('ERR_KVMFR_CORRUPT');
  });
});
