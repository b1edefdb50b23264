import { isDeepStrictEqual } from 'node:util';
import { keyOfCode } from '../../../protocol/keys.ts';
import * as wire from '../../../protocol/wire/index.ts';
import type { ParserTarget } from '../loop/parser-target.ts';
import { claim } from './claim.ts';

const A = keyOfCode('KeyA');

/** A picture whose last tiles are cut: what tiles, images and covers are read for. */
const GRID = { widthPx: 150, heightPx: 90, tilePx: 64 } as const;
const TILE_COUNT = 6;
const PIXELS = GRID.widthPx * GRID.heightPx * 3;

const SESSION = {
  release: 'B7',
  lgmpVersion: 6,
  kvmfrVersion: 20,
  hostVersion: 'B7-1',
  os: 'Windows 11',
  capture: 'D3D12',
  cpu: 'a processor',
};
const TIMES: wire.RelayTimes = {
  producer: wire.UNKNOWN_US,
  notice: 1,
  arrive: 2,
  apply: 3,
  queue: 4,
  encode: 5,
  send: 6,
};

/** Reads a message by its type, and writes it again where the writer takes what the reader gives. */
type Reader = (envelope: wire.Envelope) => Uint8Array | undefined;

const FROM_RELAY: { readonly [type: number]: Reader } = {
  [wire.WIRE_TYPES.hello]: (e) => wire.encodeHello(wire.decodeHello(e)),
  [wire.WIRE_TYPES.state]: (e) => wire.encodeState(wire.decodeState(e)),
  [wire.WIRE_TYPES.picture]: (e) => {
    const picture = wire.decodePicture(e);
    claim(picture.widthPx * picture.heightPx <= 8192 * 8192, 'a picture is not too large');
    return wire.encodePicture(picture);
  },
  [wire.WIRE_TYPES.tiles]: (e) => {
    const tiles = wire.decodeTiles(e, GRID);
    claim(tiles.tiles.length <= TILE_COUNT && tiles.rawBytes <= PIXELS, 'tiles are of the picture');
    for (const index of tiles.tiles) {
      const { x, y, width, height } = wire.tileRect(index, GRID);
      claim(width > 0 && x + width <= GRID.widthPx, 'a tile is in the picture');
      claim(height > 0 && y + height <= GRID.heightPx, 'a tile is in the picture');
    }
    return wire.encodeTiles(tiles);
  },
  [wire.WIRE_TYPES.image]: (e) => {
    const image = wire.decodeImage(e, GRID);
    claim(image.rect.x + image.rect.width <= GRID.widthPx, 'an image is in the picture');
    return wire.encodeImage(image);
  },
  [wire.WIRE_TYPES.cursor]: (e) => wire.encodeCursor(wire.decodeCursor(e)),
  [wire.WIRE_TYPES.cursorShape]: (e) => {
    const shape = wire.decodeCursorShape(e);
    claim(shape.rgba.byteLength === shape.widthPx * shape.heightPx * 4, 'a shape is whole');
    return wire.encodeCursorShape(shape);
  },
  [wire.WIRE_TYPES.pong]: (e) => wire.encodePong(wire.decodePong(e)),
  [wire.WIRE_TYPES.stats]: (e) => wire.encodeStats(wire.decodeStats(e)),
  [wire.WIRE_TYPES.bye]: (e) => wire.encodeBye(wire.decodeBye(e)),
  [wire.WIRE_TYPES.videoStream]: (e) => wire.encodeVideoStream(wire.decodeVideoStream(e)),
  [wire.WIRE_TYPES.cover]: (e) => wire.encodeCover(wire.decodeCover(e, TILE_COUNT)),
  [wire.WIRE_TYPES.video]: (e) => wire.encodeVideo(wire.decodeVideo(e)),
  [wire.WIRE_TYPES.times]: (e) => wire.encodeTimes(wire.decodeTimes(e)),
  [wire.WIRE_TYPES.inputState]: (e) => wire.encodeInputState(wire.decodeInputState(e)),
  [wire.WIRE_TYPES.clipboardState]: (e) => {
    const state = wire.decodeClipboardState(e);
    const { text, png } = state.limits;
    claim(Math.max(text, png) <= wire.MAX_CLIPBOARD_CONTENTS_BYTES, 'contents are bounded');
    return wire.encodeClipboardState(state);
  },
  [wire.WIRE_TYPES.clipboardData]: (e) => readClipboardData(e, 'relay'),
  [wire.WIRE_TYPES.soundState]: (e) => wire.encodeSoundState(wire.decodeSoundState(e)),
  [wire.WIRE_TYPES.sound]: (e) => {
    const sound = wire.decodeSound(e);
    claim(sound.frames <= wire.MAX_SOUND_FRAMES, 'a piece of sound is short');
    return wire.encodeSound(sound);
  },
  [wire.WIRE_TYPES.moves]: (e) => {
    const moves = wire.decodeMoves(e, GRID);
    claim(moves.moves.length <= wire.MAX_MOVES, 'moves are few');
    for (const { to, fromX, fromY } of moves.moves) {
      claim(Math.max(to.x, fromX) + to.width <= GRID.widthPx, 'a move stays in the picture');
      claim(Math.max(to.y, fromY) + to.height <= GRID.heightPx, 'a move stays in the picture');
    }
    return wire.encodeMoves(moves);
  },
};

const FROM_VIEWER: { readonly [type: number]: Reader } = {
  [wire.WIRE_TYPES.viewerHello]: (e) => wire.encodeViewerHello(wire.decodeViewerHello(e)),
  [wire.WIRE_TYPES.ack]: (e) => wire.encodeAck(wire.decodeAck(e)),
  [wire.WIRE_TYPES.view]: (e) => wire.encodeView(wire.decodeView(e)),
  [wire.WIRE_TYPES.ping]: (e) => wire.encodePing(wire.decodePing(e)),
  [wire.WIRE_TYPES.needKey]: (e) => wire.encodeNeedKey(wire.decodeNeedKey(e)),
  [wire.WIRE_TYPES.refresh]: () => undefined,
  [wire.WIRE_TYPES.inputWish]: (e) => wire.encodeInputWish(wire.decodeInputWish(e)),
  [wire.WIRE_TYPES.clipboardOffer]: (e) => wire.encodeClipboardOffer(wire.decodeClipboardOffer(e)),
  [wire.WIRE_TYPES.clipboardRequest]: (e) =>
    wire.encodeClipboardRequest(wire.decodeClipboardRequest(e)),
  [wire.WIRE_TYPES.viewerClipboardData]: (e) => readClipboardData(e, 'viewer'),
  [wire.WIRE_TYPES.soundWish]: (e) => wire.encodeSoundWish(wire.decodeSoundWish(e)),
  [wire.WIRE_TYPES.microphoneWish]: (e) => wire.encodeMicrophoneWish(wire.decodeMicrophoneWish(e)),
  [wire.WIRE_TYPES.microphone]: (e) => wire.encodeMicrophone(wire.decodeMicrophone(e)),
  [wire.WIRE_TYPES.input]: (e) => {
    const input = wire.decodeInput(e);
    claim(input.events.length <= wire.MAX_INPUT_EVENTS, 'events are few');
    // Keys that nobody knows are passed over, and a message has an event at least.
    return input.events.length === 0 ? undefined : wire.encodeInput(input);
  },
};

function readClipboardData(e: wire.Envelope, from: 'relay' | 'viewer'): Uint8Array | undefined {
  const data = wire.decodeClipboardData(e);
  // A reason may be cut in the middle of a character, and is text only.
  if ('refused' in data) return undefined;
  claim(data.offset + data.bytes.byteLength <= data.total, 'a piece lies within the contents');
  return wire.encodeClipboardData(data, from);
}

/** What is read stays the same when it is written and read again. */
function readMessage(readers: { readonly [type: number]: Reader }, bytes: Uint8Array): string {
  const envelope = wire.readEnvelope(bytes);
  const again = readers[envelope.type]?.(envelope);
  if (again === undefined) return 'nothing is written';
  const written = readers[envelope.type]?.(wire.readEnvelope(again));
  claim(isDeepStrictEqual(written, again), 'what was read and written is read the same');
  return `type ${envelope.type}`;
}

const words = [
  ...[
    '"state"',
    '"message"',
    '"hint"',
    '"needMib"',
    '"session"',
    '"os"',
    '"wire":1',
    '"tilePx":64',
  ],
  ...['"encodings"', '["lossless"]', '"codecs"', '"h264"', '"visible"', 'true', 'null', '{}', '[]'],
  ...['"encoding"', '"auto"', '"refreshHz":60', '1e999', '-0', '\\ud800', '"__proto__"', '[[[[[['],
  ...['"codecString":"avc1.42C028"', '"stream":1', '"tileCodings":["ops"]', '"showing"', '\u0000'],
];

/** The messages of docs/wire.md that the relay sends. */
export const RELAY_MESSAGES: ParserTarget = {
  name: 'wire: what the relay sends',
  words,
  maxBytes: 2048,
  seeds: [
    wire.encodeHello({
      wire: 1,
      version: '0.1.0',
      tilePx: 64,
      viewOnly: true,
      encodings: ['lossless', 'video', 'jpeg'],
      codecs: ['h264', 'vp8'],
    }),
    wire.encodeState({ state: 'showing', message: 'the guest is there', session: SESSION }),
    wire.encodeState({ state: 'too-small', message: 'x', hint: 'y', code: 'z', needMib: 64 }),
    wire.encodePicture({
      epoch: 1,
      widthPx: 150,
      heightPx: 90,
      screenWidthPx: 150,
      screenHeightPx: 90,
      rotation: 3,
    }),
    tilesOf(wire.TILE_CODINGS.ops, [0, 5], Uint8Array.of(0xdf, 0xff, 0xc0)),
    tilesOf(wire.TILE_CODINGS.raw, [5], new Uint8Array(22 * 26 * 3)),
    wire.encodeImage({
      epoch: 1,
      serial: 2,
      kind: wire.IMAGE_KINDS.jpeg,
      last: true,
      rect: { x: 64, y: 64, width: 86, height: 26 },
      data: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9),
    }),
    wire.encodeCursor({ visible: true, x: -3, y: 7, shapeId: 1 }),
    wire.encodeCursorShape({
      shapeId: 1,
      widthPx: 4,
      heightPx: 3,
      hotspotX: -1,
      hotspotY: 2,
      rgba: new Uint8Array(48),
    }),
    wire.encodePong({ viewerMs: 1.5, relayMs: 2.5 }),
    wire.encodeStats({ viewers: 1, guestFps: 60, framesSkipped: 0, framesGivenUp: 0 }),
    wire.encodeBye({ code: 'ERR_KVMFR_WIRE', message: 'x', retry: false }),
    wire.encodeVideoStream({
      stream: 1,
      epoch: 1,
      codec: 'h264',
      codecString: 'avc1.42C028',
      codedWidthPx: 150,
      codedHeightPx: 90,
    }),
    wire.encodeCover({ epoch: 1, serial: 2, bits: Uint8Array.of(0x3f) }),
    wire.encodeVideo({
      epoch: 1,
      serial: 2,
      stream: 1,
      key: true,
      last: true,
      data: Uint8Array.of(0, 0, 0, 1, 0x65, 0x88),
    }),
    wire.encodeTimes({ epoch: 1, serial: 2, stages: TIMES, sentMs: 3.5 }),
    wire.encodeVideoStream({
      stream: 2,
      epoch: 1,
      codec: 'vp8',
      codecString: 'vp8',
      codedWidthPx: 64,
      codedHeightPx: 64,
      region: { x: 64, y: 0, width: 64, height: 64 },
    }),
    wire.encodeInputState({
      keyboard: true,
      absolute: true,
      relative: false,
      holder: 'other',
      holderName: 'x',
      free: false,
      askedBy: 'y',
      locks: { caps: true, num: false, scroll: false },
      reason: 'z',
    }),
    wire.encodeClipboardState({
      policy: 'both',
      active: true,
      available: true,
      limits: { text: 1 << 24, png: 1 << 25 },
      guest: { offer: 2, kinds: ['text', 'png'] },
      given: 3,
      wanted: { transfer: 1, offer: 3, kind: 'text', upTo: 65_536 },
    }),
    wire.encodeClipboardData(
      { transfer: 1, offset: 2, total: 4, bytes: Uint8Array.of(7, 8) },
      'relay',
    ),
    wire.encodeClipboardData({ transfer: 1, refused: 'there is none' }, 'relay'),
    wire.encodeSoundState({
      available: true,
      codec: 'opus',
      microphone: 'off',
      recording: false,
      guestVolume: 0.5,
      reason: 'x',
      microphoneReason: 'y',
    }),
    wire.encodeSound({
      ...{ stream: 1, sequence: 2, atMs: 3.5, frames: 2, codec: 'pcm', last: false },
      data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    }),
    wire.encodeSound({
      ...{ stream: 1, sequence: 3, atMs: 4.5, frames: 960, codec: 'opus', last: true },
      data: Uint8Array.of(0xfc, 0xff, 0xfe),
    }),
    wire.encodeMoves({
      epoch: 1,
      serial: 2,
      moves: [
        { to: { x: 3, y: 0, width: 140, height: 78 }, fromX: 3, fromY: 12 },
        { to: { x: 0, y: 20, width: 150, height: 70 }, fromX: 0, fromY: 0 },
      ],
    }),
  ],
  read: (bytes) => readMessage(FROM_RELAY, bytes),
};

/** The messages of docs/wire.md that a viewer sends. */
export const VIEWER_MESSAGES: ParserTarget = {
  name: 'wire: what a viewer sends',
  words,
  maxBytes: 1024,
  seeds: [
    wire.encodeViewerHello({
      wire: 1,
      encodings: ['video', 'lossless', 'jpeg'],
      codecs: ['h264'],
      tileCodings: ['ops'],
      visible: true,
      refreshHz: 60,
    }),
    wire.encodeAck({
      epoch: 1,
      serial: 2,
      networkUs: 3,
      boundUs: 4,
      decodeUs: 5,
      presentUs: wire.UNKNOWN_US,
    }),
    wire.encodeView({ visible: false, encoding: 'lossless', refreshHz: 144 }),
    wire.encodePing(17.5),
    wire.encodeRefresh(),
    wire.encodeNeedKey(1),
    wire.encodeInputWish('take'),
    wire.encodeClipboardOffer({ offer: 1, kinds: ['text'] }),
    wire.encodeClipboardRequest({ transfer: 1, offer: 2, kind: 'png', upTo: 65_536 }),
    wire.encodeClipboardData(
      { transfer: 1, offset: 0, total: 1, bytes: Uint8Array.of(65) },
      'viewer',
    ),
    wire.encodeSoundWish({ sound: true, codecs: ['opus'] }),
    wire.encodeMicrophoneWish(true),
    wire.encodeMicrophone({ sequence: 1, samples: Int16Array.of(1, -2, 3) }),
    wire.encodeInput({
      atMs: 5,
      events: [
        ...(A === undefined ? [] : [{ kind: 'key' as const, key: A, down: true }]),
        { kind: 'button', button: 4, down: true },
        { kind: 'position', x: 7, y: 9 },
        { kind: 'motion', dx: -1, dy: 2 },
        { kind: 'wheel', dx: 0, dy: -120 },
        { kind: 'release' },
      ],
    }),
  ],
  read: (bytes) => readMessage(FROM_VIEWER, bytes),
};

/** Tiles of the picture that the targets are read for. */
export function tilesOf(
  coding: number,
  indices: readonly number[],
  pixels: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const rawBytes = indices.reduce((sum, index) => {
    const { width, height } = wire.tileRect(index, GRID);
    return sum + width * height * 3;
  }, 0);
  const tiles = Uint32Array.from(indices);
  return wire.encodeTiles({ epoch: 1, serial: 2, coding, last: true, rawBytes, tiles, pixels });
}
