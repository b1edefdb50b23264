import { describe, expect, it } from 'vitest';
import {
  CLIENT_MESSAGE_BYTES,
  CLIENT_MESSAGE_TYPES,
  CURSOR_FLAGS,
  CURSOR_KINDS,
  FEATURES,
  FRAME_FLAGS,
  FRAME_LAYOUTS,
  findLgmpHeaders,
  HEARTBEAT_TIMEOUT_MS,
  KVMFR_MAGIC,
  LGMP_LAYOUTS,
  LGMP_MAGIC,
  LGMP_STATUS,
  MAX_DAMAGE_RECTS,
  OS_KINDS,
  PIXEL_FORMATS,
  pixelFormatName,
  QUEUE_IDS,
  QUEUE_LENGTHS,
  RECORD_TYPES,
  Region,
  releaseName,
} from '../../protocol/index.ts';
import { readFrozen } from './frozen.ts';

const { constants } = readFrozen();

/** Our names in upstream's spelling: `requestActivation` and `REQUEST_ACTIVATION` are one name. */
function spelled(names: { readonly [name: string]: number }): { [name: string]: number } {
  return Object.fromEntries(
    Object.entries(names).map(([name, value]) => [plain(name), value] as const),
  );
}

function plain(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}

function numbered(names: readonly string[]): { [name: string]: number } {
  return Object.fromEntries(names.map((name, value) => [name, value]));
}

describe.each([
  ['5', constants.lgmp[5]],
  ['6', constants.lgmp[6]],
] as const)('LGMP %s', (version, frozen) => {
  const lgmp = LGMP_LAYOUTS.get(Number(version));

  it('has its limits and its rules of rings', () => {
    expect({
      version: lgmp?.version,
      maxQueues: lgmp?.maxQueues,
      maxClients: lgmp?.maxSubscribers,
      clientMessageSlots: lgmp?.clientMessageSlots,
      clientMessageBytes: CLIENT_MESSAGE_BYTES,
      ringRule: lgmp?.powerOfTwoRings ? 'powerOfTwo' : 'configured+1',
      subsBits: 2 * 8 * ((lgmp?.subs.on ?? 0) - (lgmp?.subs.bad ?? 0)),
      udataBits: 8 * ((lgmp?.message.size ?? 0) - (lgmp?.message.udata ?? 0)),
    }).toEqual(frozen);
  });

  it('keeps its magic where it is looked for', () => {
    const region = new Region(new ArrayBuffer(16 * 1024));
    const at = constants.magicOffsets[version] ?? Number.NaN;
    region.view.setUint32(at, constants.lgmp.magic, true);
    region.view.setUint32(at + 4, Number(version), true);
    expect(findLgmpHeaders(region)).toMatchObject([{ version: Number(version), magicAt: at }]);
  });
});

describe('LGMP of every version', () => {
  it('has its magic, its heartbeat time and its status codes', () => {
    expect(LGMP_MAGIC).toBe(constants.lgmp.magic);
    expect(HEARTBEAT_TIMEOUT_MS).toBe(constants.lgmp.heartbeatTimeoutMs);
    expect(numbered(LGMP_STATUS)).toEqual(constants.lgmp.status);
  });

  it('is found at its offset, also where we only name it', () => {
    for (const [version, at] of Object.entries(constants.magicOffsets)) {
      const region = new Region(new ArrayBuffer(16 * 1024));
      region.view.setUint32(at, constants.lgmp.magic, true);
      region.view.setUint32(at + 4, Number(version), true);
      const found = findLgmpHeaders(region).map((candidate) => candidate.version);
      expect(found, `LGMP ${version}`).toEqual([Number(version)]);
    }
  });

  it('has the names of the releases that speak it', () => {
    for (const release of ['B6', 'B7']) {
      const pair = constants.releases[release];
      expect(releaseName(pair?.lgmp ?? 0, pair?.kvmfr ?? 0)).toBe(release);
    }
    expect(releaseName(7, 20)).toBeUndefined();
    expect(releaseName(6, 19)).toBeUndefined();
  });
});

describe.each([
  ['19', constants.kvmfr[19]],
  ['20', constants.kvmfr[20]],
] as const)('KVMFR %s', (version, frozen) => {
  const layout = FRAME_LAYOUTS.get(Number(version));

  it('has its magic, version and bounds', () => {
    expect(layout?.kvmfrVersion).toBe(frozen.version);
    expect(KVMFR_MAGIC).toBe(frozen.magic);
    expect(MAX_DAMAGE_RECTS).toBe(frozen.maxDamageRects);
    expect(frozen.framebuffer.writePointerBytes).toBe(4);
  });

  it('has its pixel formats and no later one', () => {
    const { INVALID, ...types } = frozen.frameType;
    expect(pixelFormatName(INVALID ?? Number.NaN)).toBeUndefined();
    expect(layout?.maxType).toBe(Math.max(...Object.values(types)));
    for (const [name, value] of Object.entries(types)) expect(pixelFormatName(value)).toBe(name);
    expect(PIXEL_FORMATS).toMatchObject(types);
  });

  it('has its kinds of cursor, record, system and turn', () => {
    expect(spelled(numbered(CURSOR_KINDS))).toEqual(spelled(frozen.cursorType));
    expect(spelled(RECORD_TYPES)).toEqual(spelled(frozen.recordType));
    expect(spelled(numbered(OS_KINDS))).toEqual(spelled(frozen.os));
    expect(Object.values(frozen.rotation)).toEqual([0, 1, 2, 3]);
  });

  it('has its flags', () => {
    expect(spelled(CURSOR_FLAGS)).toEqual(spelled(frozen.cursorFlags));
    // HDR and HDR_PQ came with 20; a publisher of 19 never sets them.
    expect(spelled(FRAME_FLAGS)).toMatchObject(spelled(frozen.frameFlags));
    expect(spelled(FEATURES)).toEqual(spelled(frozen.features));
  });

  it('has its queues and client messages', () => {
    expect(spelled(QUEUE_IDS)).toEqual(spelled(frozen.queueIds));
    expect(spelled(QUEUE_LENGTHS)).toEqual(spelled(frozen.queueLengths));
    expect(spelled(CLIENT_MESSAGE_TYPES)).toEqual(spelled(frozen.messages));
  });
});

it('has no frame flag that KVMFR 20 does not have', () => {
  expect(spelled(FRAME_FLAGS)).toEqual(spelled(constants.kvmfr[20].frameFlags));
});
