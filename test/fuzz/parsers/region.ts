import { peekQueue, readQueues } from '../../../client/ring.ts';
import { Session } from '../../../client/session.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import {
  CLIPBOARD_STREAM,
  ClipboardContents,
  CURSOR_LAYOUTS,
  checkFrame,
  clipboardFormats,
  cursorBitmap,
  decodeClientMessage,
  decodeClipboardRecord,
  encodeClipboardRecord,
  encodeFrameSchedule,
  encodeSession,
  encodeSetCursorPos,
  encodeWindowSize,
  FRAME_LAYOUTS,
  type FrameLayout,
  newFrameHeader,
  parseSession,
  readClipboardStatus,
  readDamage,
  readPointerMessage,
  readRecovery,
  readRecoveryStatus,
  requestRecovery,
  toneMapOf,
  writeClipboardStatus,
} from '../../../protocol/kvmfr/index.ts';
import { findLgmpHeaders, LGMP_LAYOUTS } from '../../../protocol/lgmp/detect.ts';
import { MAX_CURSOR_PX, MAX_GUEST_STRING, MAX_PICTURE_PX } from '../../../protocol/limits.ts';
import { Region } from '../../../protocol/memory/region.ts';
import { C_VERSIONS, type CVersion, cOffsets } from '../../support/c-offsets.ts';
import { MADE_LGMPS, makeRegion } from '../../support/region-factory.ts';
import type { ParserTarget } from '../loop/parser-target.ts';
import { claim } from './claim.ts';

const KVMFR_VERSIONS = [19, 20, 34] as const;

function regionOf(bytes: Uint8Array): Region {
  return Region.copyOf(bytes);
}

function frameLayout(version: number): FrameLayout {
  const layout = FRAME_LAYOUTS.get(version);
  if (layout === undefined) throw new Error('no such version');
  return layout;
}

const SESSION_SEEDS = [
  encodeSession({ kvmfrVersion: 20, hostVersion: 'B7', features: 3, vm: undefined, os: undefined }),
  encodeSession({
    kvmfrVersion: 34,
    hostVersion: 'B7-1-gabcdef',
    features: 0xffff_ffff,
    vm: {
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      capture: 'D3D12',
      cpus: 8,
      cores: 4,
      sockets: 1,
      model: 'a processor of a machine',
    },
    os: { kind: 'windows', name: 'Windows 11' },
  }),
];

const SESSION_BLOB: ParserTarget = {
  name: 'kvmfr: session blob',
  words: ['KVMFR---'],
  maxBytes: 1024,
  seeds: SESSION_SEEDS,
  read: (bytes) => {
    const { hostVersion, vm, os } = parseSession(bytes);
    for (const text of [hostVersion, vm?.capture, vm?.model, os?.name])
      claim((text?.length ?? 0) <= MAX_GUEST_STRING, 'a text has a bound');
    return `${vm === undefined}, ${os?.kind}`;
  },
};

/** The version is in the first byte of an input; the header follows at 64. */
const HEADER_AT = 64;

function frameSeed(version: (typeof KVMFR_VERSIONS)[number]): Uint8Array {
  const layout = frameLayout(version);
  const region = new Region(new ArrayBuffer(HEADER_AT + layout.frameBytes + 4 + 8 * 4 * 4));
  region.bytes[0] = KVMFR_VERSIONS.indexOf(version);
  layout.write(region, HEADER_AT, {
    ...newFrameHeader(),
    formatVer: 1,
    frameSerial: 2,
    type: 1,
    screenWidth: 8,
    screenHeight: 4,
    dataWidth: 8,
    dataHeight: 4,
    frameWidth: 8,
    frameHeight: 4,
    rotation: 0,
    stride: 8,
    pitch: 32,
    offset: layout.frameBytes,
    damageRectsCount: 2,
    flags: 0,
  });
  return region.bytes;
}

const FRAME_HEADER: ParserTarget = {
  name: 'kvmfr: frame header and damage',
  maxBytes: 2048,
  seeds: KVMFR_VERSIONS.map(frameSeed),
  read: (bytes) => {
    const region = regionOf(bytes);
    const version = KVMFR_VERSIONS[(bytes[0] ?? 0) % 3] ?? 20;
    const layout = frameLayout(version);
    if (region.byteLength < HEADER_AT + layout.frameBytes) return 'short';
    const header = newFrameHeader();
    layout.read(region, HEADER_AT, header);
    const geometry = checkFrame(header, layout, {
      at: HEADER_AT,
      messageBytes: region.byteLength - HEADER_AT,
      regionBytes: region.byteLength,
    });
    claim(geometry.dataAt + geometry.dataBytes <= region.byteLength, 'a frame is in the region');
    claim(geometry.writePointerAt % 4 === 0, 'the write pointer is a word');
    claim(geometry.widthPx * geometry.heightPx <= MAX_PICTURE_PX, 'a picture is not too large');
    const rects = readDamage(region, layout, {
      at: HEADER_AT,
      count: header.damageRectsCount,
      widthPx: geometry.widthPx,
      heightPx: geometry.dataHeightPx,
    });
    claim(rects.length <= 64, 'damage has a bound');
    for (const { x, y, width, height } of rects)
      claim(
        width > 0 && x + width <= geometry.widthPx && y + height <= geometry.dataHeightPx,
        'damage is in the picture',
      );
    const map = toneMapOf({ ...geometry, metadata: geometry.hdr });
    claim(
      map === undefined || [map.gain, map.peak].every((n) => Number.isFinite(n) && n > 0),
      'a tone map is of numbers',
    );
    layout.readTiming?.(region, HEADER_AT, geometry.serial);
    return `${version} ${geometry.format} ${map?.transfer} ${rects.length}`;
  },
};

/** Version, then flags, then the message at 64. */
function pointerSeed(version: number, flags: number, kind: number, bytes: number): Uint8Array {
  const region = new Region(new ArrayBuffer(HEADER_AT + bytes));
  const { view } = region;
  view.setUint8(0, version);
  view.setUint32(4, flags, true);
  view.setInt16(HEADER_AT, -5, true);
  view.setInt16(HEADER_AT + 2, 9, true);
  view.setUint32(HEADER_AT + 4, kind, true);
  view.setUint32(HEADER_AT + 12, 8, true);
  view.setUint32(HEADER_AT + 16, 8, true);
  view.setUint32(HEADER_AT + 20, kind === 1 ? 1 : 32, true);
  for (let i = HEADER_AT + 28; i < HEADER_AT + bytes; i++) region.bytes[i] = (i * 37) & 255;
  return region.bytes;
}

const POINTER: ParserTarget = {
  name: 'kvmfr: pointer and shape',
  maxBytes: 4096,
  seeds: [0, 1, 2].flatMap((version) =>
    [0, 1, 2].map((kind) => pointerSeed(version, 0x17, kind, 28 + 256)),
  ),
  read: (bytes) => readPointer(bytes),
};

function readPointer(bytes: Uint8Array): string {
  const region = regionOf(bytes);
  const layout = CURSOR_LAYOUTS.get(KVMFR_VERSIONS[(bytes[0] ?? 0) % 3] ?? 20);
  if (layout === undefined || region.byteLength < HEADER_AT + layout.cursorBytes) return 'short';
  const { shape, colors } = readPointerMessage(
    region,
    {
      at: HEADER_AT,
      bytes: region.byteLength - HEADER_AT,
      flags: region.view.getUint32(4, true),
    },
    layout,
  );
  if (shape === undefined) return `no shape, ${colors === undefined}`;
  claim(shape.widthPx <= MAX_CURSOR_PX && shape.heightPx <= MAX_CURSOR_PX, 'a pointer is small');
  const transform = colors?.transform;
  const display = { transfer: 'pq', sdrWhiteNits: 200 } as const;
  const rgba = cursorBitmap(shape, transform === undefined ? undefined : { ...display, transform });
  claim(rgba.byteLength === shape.widthPx * shape.heightPx * 4, 'a bitmap is whole');
  return `${shape.kind} ${transform === undefined}`;
}

/** A transform lies behind the structure of 28 bytes, and with it behind a shape. */
function transformSeed(flags: number): Uint8Array {
  const withShape = (flags & 4) !== 0;
  const bytes = pointerSeed(2, flags, 0, 28 + (withShape ? 256 : 0) + 65_592);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = HEADER_AT + 28 + (withShape ? 256 : 0);
  view.setUint32(at, 3, true);
  for (let i = at + 4; i + 4 <= bytes.byteLength; i += 4) view.setFloat32(i, (i % 97) / 97, true);
  return bytes;
}

const COLOR_TRANSFORM: ParserTarget = {
  name: 'kvmfr: colour transform',
  maxBytes: 68_000,
  runsFor: 20,
  seeds: [transformSeed(0x08), transformSeed(0x1f)],
  read: (bytes) => readPointer(bytes),
};

const CLIENT_MESSAGE: ParserTarget = {
  name: 'kvmfr: client messages',
  maxBytes: 96,
  seeds: [
    encodeSetCursorPos({ x: -1, y: 7 }),
    encodeWindowSize({ widthPx: 1920, heightPx: 1080 }),
    encodeFrameSchedule({
      clientId: 1,
      generation: 2,
      flags: 3,
      periodNs: 16_666_667,
      targetSlackNs: 4,
      phaseErrorNs: -5,
      feedbackFrameSerial: 6,
      feedbackScheduleEpoch: 7,
      feedbackDeadlineSerial: 8,
      leaseMs: 9,
    }),
  ],
  read: (bytes) => {
    const types = KVMFR_VERSIONS.map((version) => decodeClientMessage(bytes, version).type);
    const known = ['set-cursor-pos', 'unknown'];
    claim(
      types.slice(0, 2).every((type) => known.includes(type)),
      'types have versions',
    );
    return types.join();
  },
};

const CLIPBOARD_BLOCK = { from: 0, to: 16 * 2 ** 20 };

function clipboardStatusSeed(): Uint8Array {
  const region = new Region(new ArrayBuffer(128));
  const stream = { at: 64, direction: 1, ...CLIPBOARD_STREAM } as const;
  writeClipboardStatus(region, 0, {
    available: true,
    generation: 1,
    ownerClientId: 2,
    ownerGeneration: 3,
    leaseMs: 1000,
    formats: 3,
    hostToClient: stream,
    clientToHost: { ...stream, at: 2 ** 20 + 4096, direction: 2 },
  });
  return region.bytes;
}

const CLIPBOARD_STATUS: ParserTarget = {
  name: 'kvmfr: clipboard status',
  maxBytes: 160,
  seeds: [clipboardStatusSeed()],
  read: (bytes) => {
    const { hostToClient, clientToHost, formats } = readClipboardStatus(bytes, CLIPBOARD_BLOCK);
    for (const { at, slotCount, slotBytes } of [hostToClient, clientToHost])
      claim(at + slotCount * slotBytes <= CLIPBOARD_BLOCK.to, 'a stream is in its block');
    return clipboardFormats(formats).join();
  },
};

/** Who sends it, then a record, then its contents. */
const CLIPBOARD_RECORD: ParserTarget = {
  name: 'kvmfr: clipboard records',
  maxBytes: 256,
  seeds: [
    { kind: 'claim', endpoint: 1 } as const,
    { kind: 'offer', content: 2n, formats: 3 } as const,
    { kind: 'request', content: 2n, transfer: 3n, format: 'text' } as const,
    {
      kind: 'data',
      content: 2n,
      transfer: 2n ** 63n,
      format: 'text',
      piece: { sequence: 0, offset: 0, size: 3, isFirst: true, isLast: true, bytes: 3 },
    } as const,
    { kind: 'cancel', transfer: 3n, reason: 'replaced', content: 0n, format: undefined } as const,
    {
      kind: 'fileRequest',
      content: 2n,
      transfer: 3n,
      node: 4n,
      op: 'read',
      offset: 5,
      bytes: 6,
    } as const,
  ].map((body) => Buffer.from([0, ...encodeClipboardRecord({ generation: 1, body }), 7, 8, 9])),
  read: (bytes) => {
    const from = (bytes[0] ?? 0) % 2 === 0 ? 'client' : 'host';
    const head = bytes.subarray(1, 65);
    const { generation, body } = decodeClipboardRecord(head, from);
    const again = encodeClipboardRecord({ generation, body });
    claim(Buffer.compare(head, again) === 0, 'a record that was read is written as it was');
    if (body.kind !== 'data') return body.kind;
    const contents = new ClipboardContents(128);
    return contents.take(body.piece, bytes.subarray(65, 65 + body.piece.bytes));
  },
};

const RECOVERY_BYTES = 1280;
const recoveryRegion = new Region(new ArrayBuffer(64 * 1024));

function recoverySeed(): Uint8Array {
  const region = new Region(new ArrayBuffer(RECOVERY_BYTES));
  const { view, bytes } = region;
  bytes.set(new TextEncoder().encode('KVMFRRCV'));
  view.setUint16(8, 1, true);
  view.setUint16(10, RECOVERY_BYTES, true);
  view.setUint32(12, 1, true);
  view.setUint32(16, 12, true);
  view.setUint32(20, 34, true);
  view.setBigUint64(24, 7n, true);
  view.setUint32(48, 77, true);
  view.setUint32(60, 1, true);
  bytes.set(new TextEncoder().encode('B7-500'), 64);
  view.setUint32(1216 + 24, 2, true);
  return bytes;
}

/** It is found from the end of a region, so an input lies where its 64 KiB begin. */
const RECOVERY: ParserTarget = {
  name: 'kvmfr: recovery region',
  words: ['KVMFRRCV'],
  maxBytes: RECOVERY_BYTES,
  seeds: [recoverySeed()],
  read: (bytes) => {
    const region = recoveryRegion;
    region.bytes.fill(0, 0, RECOVERY_BYTES);
    region.bytes.set(bytes);
    const view = readRecovery(region);
    if (view === undefined) return 'none';
    claim(view.at === 0 && view.hostVersion.length <= MAX_GUEST_STRING, 'a text has a bound');
    const status = readRecoveryStatus(region, view.at);
    return `${status?.state} ${requestRecovery(region, view, 'normal')}`.replace(/\d+/, '#');
  },
};

const noWaiter = {
  lost: false,
  wait: () => Promise.reject(new Error('nobody waits here')),
};

const LGMP_BYTES = 16 * 1024;
const lgmpRegion = new Region(new ArrayBuffer(LGMP_BYTES));
const made = MADE_LGMPS.map((version) => makeRegion({ version, bytes: LGMP_BYTES }).bytes);

/** Which layout, then words that are put over it: a place of 16 bits, and 32 bits. */
function lgmpSeed(layout: number, places: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(1 + places.length * 6));
  const words = new DataView((made[layout] ?? lgmpRegion.bytes).buffer);
  view.setUint8(0, layout);
  for (const [i, place] of places.entries()) {
    view.setUint16(1 + i * 6, place, true);
    view.setUint32(3 + i * 6, words.getUint32(place, true), true);
  }
  return new Uint8Array(view.buffer);
}

function placesOf(version: CVersion): readonly number[] {
  const c = cOffsets(version);
  const queue = (i: number): readonly number[] =>
    Object.values(c.queue).map((field) => c.queues + i * c.stride + field);
  const head = [c.magic, c.version, c.sessionID, c.timestamp, c.numQueues, c.udataSize];
  return [...head, c.udata, c.udata + 8, c.udata + 48, c.udata + 52, ...queue(0), ...queue(1)];
}

/** Everything that is told of a region without subscribing. */
const LGMP_REGION: ParserTarget = {
  name: 'lgmp: headers, session and queues',
  words: ['LGMP', 'KVMFR---'],
  maxBytes: 512,
  seeds: C_VERSIONS.map((version) => lgmpSeed(MADE_LGMPS.indexOf(version), placesOf(version))),
  read: (bytes) => {
    const region = lgmpRegion;
    region.bytes.set(made[(bytes[0] ?? 0) % made.length] ?? []);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 1; at + 6 <= bytes.byteLength; at += 6) {
      const place = view.getUint16(at, true) % (LGMP_BYTES - 3);
      region.view.setUint32(place, view.getUint32(at + 2, true), true);
    }
    let refusal: KvmfrError | undefined;
    let found = '';
    for (const { layout } of findLgmpHeaders(region, { assume: 'dev12' })) {
      if (layout === undefined) continue;
      claim(LGMP_LAYOUTS.has(layout.version) || layout.version > 12, 'a layout is of a version');
      try {
        found += ` ${Math.min(13, layout.version)} ${readSession(region, layout)}`;
      } catch (error) {
        if (!KvmfrError.is(error)) throw error;
        refusal = error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return found;
  },
};

function readSession(
  region: Region,
  lgmp: NonNullable<ReturnType<typeof findLgmpHeaders>[number]['layout']>,
): string {
  const session = Session.attach({ mapping: noWaiter, region, lgmp, assume: 'dev12' }, 0);
  if (session === undefined) return 'changed';
  const queues = readQueues(session).length;
  for (const id of [1, 2, 3])
    for (const { offset, bytes } of peekQueue(session, id))
      claim(offset + bytes <= region.byteLength, 'a message is in the region');
  return `${queues} queues`;
}

/** What is read from a region. */
export const REGION_TARGETS: readonly ParserTarget[] = [
  SESSION_BLOB,
  FRAME_HEADER,
  POINTER,
  COLOR_TRANSFORM,
  CLIENT_MESSAGE,
  CLIPBOARD_STATUS,
  CLIPBOARD_RECORD,
  RECOVERY,
  LGMP_REGION,
];
