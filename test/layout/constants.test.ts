import { describe, expect, it } from 'vitest';
import {
  CLIENT_MESSAGE_BYTES,
  CLIENT_MESSAGE_TYPES,
  CLIPBOARD_ALL_FORMATS,
  CLIPBOARD_CANCEL_REASONS,
  CLIPBOARD_FILE_ERRORS,
  CLIPBOARD_FILE_OPS,
  CLIPBOARD_FILE_READ_BYTES,
  CLIPBOARD_FILE_TYPES,
  CLIPBOARD_FORMATS,
  CLIPBOARD_GUEST_TRANSFER,
  CLIPBOARD_LEASE_MS,
  CLIPBOARD_PIECE_BYTES,
  CLIPBOARD_QUEUE_TYPES,
  CLIPBOARD_RECORD_FLAGS,
  CLIPBOARD_RECORDS,
  CLIPBOARD_SIZE_UNKNOWN,
  CLIPBOARD_SLOT_BYTES,
  CLIPBOARD_STATUS_FLAGS,
  CLIPBOARD_STREAM,
  CLIPBOARD_VERSION,
  COLOR_LUT_ENTRIES,
  COLOR_TRANSFORM_FLAGS,
  ColorTransform,
  CURSOR_FLAGS,
  CURSOR_KINDS,
  FEATURES,
  FRAME_FLAGS,
  FRAME_LAYOUTS,
  findLgmpHeaders,
  HEARTBEAT_TIMEOUT_MS,
  INPUT_ABSOLUTE_MAX,
  INPUT_BUTTONS,
  INPUT_CAPABILITIES,
  INPUT_ENDPOINT_FLAGS,
  INPUT_ENDPOINTS,
  INPUT_FLAGS,
  INPUT_KEYS,
  INPUT_LEASE_MS,
  INPUT_LEDS,
  INPUT_RECORDS,
  INPUT_STREAM,
  INPUT_USAGE_MAX,
  INPUT_VERSION,
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
  RECOVERY_ERRORS,
  RECOVERY_HEARTBEAT_MS,
  RECOVERY_MAGIC,
  RECOVERY_REGION_BYTES,
  RECOVERY_REQUESTS,
  RECOVERY_STATES,
  Recovery,
  Region,
  releaseName,
  SCHEDULE_FLAGS,
  STREAM_ALIGN_BYTES,
  STREAM_DIRECTIONS,
  STREAM_MAGIC,
  STREAM_POLICIES,
  STREAM_SHARED_MAGIC,
  STREAM_STATES,
  STREAM_VERSION,
  TIMING_PHASE_VALID,
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

const LGMP_VERSIONS = ['5', '6', '7', '10', '12'] as const;

describe.each(LGMP_VERSIONS.map((version) => [version, constants.lgmp[version]] as const))(
  'LGMP %s',
  (version, frozen) => {
    const lgmp = LGMP_LAYOUTS.get(Number(version));

    it('has its limits and its rules of rings', () => {
      expect({
        version: lgmp?.version,
        maxQueues: lgmp?.maxQueues,
        maxClients: lgmp?.maxSubscribers,
        clientMessageSlots: lgmp?.clientMessageSlots,
        clientMessageBytes: CLIENT_MESSAGE_BYTES,
        ringRule: lgmp?.powerOfTwoRings ? 'powerOfTwo' : 'configured+1',
        // Two words, or the two halves of one.
        subsBits: lgmp?.subs.on === lgmp?.subs.bad ? 2 * (lgmp?.subs.onShift ?? 0) : 64,
        udataBits: 8 * ((lgmp?.message.size ?? 0) - (lgmp?.message.udata ?? 0)),
      }).toEqual(frozen);
    });

    it('keeps its magic where it is looked for', () => {
      const region = new Region(new ArrayBuffer(16 * 1024));
      const at = constants.magicOffsets[version] ?? Number.NaN;
      region.view.setUint32(at, constants.lgmp.magic, true);
      region.view.setUint32(at + 4, Number(version), true);
      expect(findLgmpHeaders(region)).toMatchObject([
        { version: Number(version), magicAt: at, layout: lgmp },
      ]);
    });
  },
);

it('has the layouts of these LGMP versions and of no other', () => {
  expect([...LGMP_LAYOUTS.keys()].map(String)).toEqual([...LGMP_VERSIONS]);
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
    const development = constants.releases['development-2026-08'];
    expect(releaseName(development?.lgmp ?? 0, development?.kvmfr ?? 0)).toBe('dev12');
    expect(releaseName(7, 20)).toBe('dev7');
    expect(releaseName(10, 20)).toBe('dev10');
    for (const [lgmp, kvmfr] of [
      [6, 19],
      [5, 20],
      [7, 19],
      [10, 24],
      [11, 30],
      [12, 33],
      [12, 20],
    ] as const)
      expect(releaseName(lgmp, kvmfr), `${kvmfr} on ${lgmp}`).toBeUndefined();
  });
});

describe.each([
  ['19', constants.kvmfr[19]],
  ['20', constants.kvmfr[20]],
  ['34', constants.kvmfr[34]],
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

  // Later versions added names and never gave an old one another number.
  it('has its flags', () => {
    expect(spelled(CURSOR_FLAGS)).toMatchObject(spelled(frozen.cursorFlags));
    expect(spelled(FRAME_FLAGS)).toMatchObject(spelled(frozen.frameFlags));
    expect(spelled(FEATURES)).toMatchObject(spelled(frozen.features));
  });

  it('has its queues', () => {
    expect(spelled(QUEUE_IDS)).toMatchObject(spelled(frozen.queueIds));
  });
});

describe('KVMFR of every version', () => {
  const newest = constants.kvmfr[34];

  it('has no flag, feature or queue that 34 does not have', () => {
    expect(spelled(CURSOR_FLAGS)).toEqual(spelled(newest.cursorFlags));
    expect(spelled(COLOR_TRANSFORM_FLAGS)).toEqual(spelled(newest.colorTransformFlags));
    expect(COLOR_LUT_ENTRIES * 16).toBe(ColorTransform.lut.sizeBytes);
    expect(spelled(FRAME_FLAGS)).toEqual(spelled(newest.frameFlags));
    expect(spelled(FEATURES)).toEqual(spelled(newest.features));
    expect(spelled(QUEUE_IDS)).toEqual(spelled(newest.queueIds));
    expect(TIMING_PHASE_VALID).toBe(newest.timingFlags['PHASE_VALID']);
  });

  it('has the client messages of 19 and 20, and none that 34 does not have', () => {
    for (const version of [19, 20] as const)
      expect(spelled(CLIENT_MESSAGE_TYPES)).toMatchObject(
        spelled(constants.kvmfr[version].messages),
      );
    expect(spelled(CLIENT_MESSAGE_TYPES)).toEqual(spelled(newest.messages));
    expect(spelled(SCHEDULE_FLAGS)).toEqual(spelled(newest.frameScheduleFlags));
  });

  it('has the lengths of queues that 19 and 20 have', () => {
    for (const version of [19, 20] as const)
      expect(spelled(QUEUE_LENGTHS)).toEqual(spelled(constants.kvmfr[version].queueLengths));
  });
});

describe('streams and input', () => {
  const { stream } = constants.lgmp;
  const { input } = constants.kvmfr[34];

  it('have the magics, directions, policies and states of streams', () => {
    expect(STREAM_MAGIC).toBe(stream.descriptorMagic);
    expect(STREAM_SHARED_MAGIC).toBe(stream.sharedMagic);
    expect(STREAM_VERSION).toBe(stream.descriptorVersion);
    expect(STREAM_VERSION).toBe(stream.sharedVersion);
    expect(STREAM_ALIGN_BYTES).toBe(stream.alignment);
    expect(spelled(STREAM_DIRECTIONS)).toEqual(spelled(stream.direction));
    expect(spelled(STREAM_POLICIES)).toEqual(spelled(stream.policy));
    expect(spelled(STREAM_STATES)).toEqual(spelled(stream.state));
  });

  it('have the numbers of input', () => {
    expect({
      version: INPUT_VERSION,
      endpoints: INPUT_ENDPOINTS,
      slotCount: INPUT_STREAM.slotCount,
      slotSize: INPUT_STREAM.slotBytes,
      mouseButtons: INPUT_BUTTONS,
      absoluteMax: INPUT_ABSOLUTE_MAX,
      keys: INPUT_KEYS,
      usageMax: INPUT_USAGE_MAX,
      leaseMs: INPUT_LEASE_MS,
    }).toEqual({
      version: input.version,
      endpoints: input.endpoints,
      slotCount: input.slotCount,
      slotSize: input.slotSize,
      mouseButtons: input.mouseButtons,
      absoluteMax: input.absoluteMax,
      keys: input.keys,
      usageMax: input.usageMax,
      leaseMs: input.leaseMs,
    });
    expect(spelled(INPUT_RECORDS)).toEqual(spelled(input.message));
    expect(spelled(INPUT_CAPABILITIES)).toEqual(spelled(input.cap));
    expect(spelled(INPUT_FLAGS)).toEqual(spelled(input.status));
    expect(spelled(INPUT_LEDS)).toEqual(spelled(input.led));
    expect(spelled(INPUT_ENDPOINT_FLAGS)).toEqual(spelled(input.endpoint));
  });
});

describe('the clipboard', () => {
  const { clipboard } = constants.kvmfr[34];

  it('has its version, sizes, bits and lease', () => {
    expect(CLIPBOARD_VERSION).toBe(clipboard.version);
    expect(CLIPBOARD_STREAM).toEqual({
      slotCount: clipboard.slotCount,
      slotBytes: clipboard.recordBytes,
    });
    expect(CLIPBOARD_SLOT_BYTES).toBe(clipboard.slotBytes);
    expect(CLIPBOARD_PIECE_BYTES).toBe(clipboard.representationBytes);
    expect(CLIPBOARD_SIZE_UNKNOWN).toBe(BigInt(clipboard.sizeUnknown));
    expect(CLIPBOARD_GUEST_TRANSFER).toBe(BigInt(clipboard.helperTransferBit));
    expect(CLIPBOARD_FILE_READ_BYTES).toBe(clipboard.fileReadBytes);
    expect(CLIPBOARD_LEASE_MS).toBe(clipboard.leaseMs);
    expect(CLIPBOARD_ALL_FORMATS).toBe(clipboard.formatMask['ALL']);
  });

  it('has its records, formats, flags, reasons and errors', () => {
    const { NONE, ...formats } = clipboard.format;
    expect(NONE).toBe(0);
    expect(spelled(CLIPBOARD_FORMATS)).toEqual(spelled(formats));
    expect(spelled(CLIPBOARD_RECORDS)).toEqual(spelled(clipboard.message));
    expect(spelled(CLIPBOARD_RECORD_FLAGS)).toEqual(spelled(clipboard.flag));
    expect(spelled(CLIPBOARD_STATUS_FLAGS)).toEqual(spelled(clipboard.status));
    expect(spelled(CLIPBOARD_QUEUE_TYPES)).toEqual(spelled(clipboard.queueType));
    expect(spelled(CLIPBOARD_FILE_OPS)).toEqual(spelled(clipboard.fileOp));
    expect(spelled(CLIPBOARD_FILE_TYPES)).toEqual(spelled(clipboard.fileType));
    expect(spelled(CLIPBOARD_CANCEL_REASONS)).toEqual(spelled(clipboard.cancelReason));
    expect(spelled(CLIPBOARD_FILE_ERRORS)).toEqual(spelled(clipboard.fileError));
  });
});

describe('the recovery region', () => {
  const { recovery } = constants.kvmfr[34];

  it('has its place, magic and pace', () => {
    expect(RECOVERY_MAGIC).toBe(recovery.magic);
    expect(RECOVERY_REGION_BYTES).toBe(recovery.regionBytes);
    expect(RECOVERY_HEARTBEAT_MS).toBe(recovery.heartbeatMs);
    expect(Recovery.requests.sizeBytes).toBe(recovery.requestSlots * recovery.lineBytes);
  });

  it('has its requests, states and errors', () => {
    const { NONE, ...requests } = recovery.request;
    expect(NONE).toBe(0);
    expect(spelled(RECOVERY_REQUESTS)).toEqual(spelled(requests));
    expect(spelled(numbered(RECOVERY_STATES))).toEqual(spelled(recovery.state));
    expect(spelled(numbered(RECOVERY_ERRORS))).toEqual(spelled(recovery.error));
  });
});
