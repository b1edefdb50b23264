import {
  checkFrame,
  FRAME_LAYOUTS,
  type FrameGeometry,
  type FrameLayout,
  KvmfrError,
  newFrameHeader,
  Region,
} from '../../../../protocol/index.ts';

/** Literal offsets of the header, apart from our tables. */
export const PLACES = {
  19: {
    formatVer: 0,
    frameSerial: 4,
    type: 8,
    screenWidth: 12,
    screenHeight: 16,
    frameWidth: 20,
    frameHeight: 24,
    rotation: 28,
    stride: 32,
    pitch: 36,
    offset: 40,
    damageRectsCount: 44,
    flags: 1072,
  },
  20: {
    formatVer: 0,
    frameSerial: 4,
    type: 8,
    screenWidth: 12,
    screenHeight: 16,
    dataWidth: 20,
    dataHeight: 24,
    frameWidth: 28,
    frameHeight: 32,
    rotation: 36,
    stride: 40,
    pitch: 44,
    offset: 48,
    damageRectsCount: 52,
    flags: 1080,
  },
  34: {
    formatVer: 0,
    frameSerial: 4,
    type: 8,
    screenWidth: 12,
    screenHeight: 16,
    dataWidth: 20,
    dataHeight: 24,
    frameWidth: 28,
    frameHeight: 32,
    rotation: 36,
    stride: 40,
    pitch: 44,
    offset: 48,
    flags: 52,
    damageRectsCount: 56,
  },
} as const;

/** The versions. */
export type Version = keyof typeof PLACES;
type FieldName = keyof (typeof PLACES)[20];
type Fields = { readonly [K in FieldName]?: number };

/** A whole 1920 x 1080 frame of BGRA, as a real publisher places it. */
const SOUND: { readonly [K in FieldName]: number } = {
  formatVer: 7,
  frameSerial: 0xffff_ffff,
  type: 1,
  screenWidth: 1920,
  screenHeight: 1080,
  dataWidth: 1920,
  dataHeight: 1080,
  frameWidth: 1920,
  frameHeight: 1080,
  rotation: 0,
  stride: 1920,
  pitch: 7680,
  offset: 4092,
  damageRectsCount: 0,
  flags: 0,
};
/** Where the frame is in its region. */
export const AT: number = 0x10000;
/** Bytes of its pixels. */
export const DATA_BYTES: number = 7680 * 1080;
/** Bytes that its message names. */
export const MESSAGE_BYTES: number = 4096 + DATA_BYTES;

/** The layout of a version. */
export function layoutOf(version: Version): FrameLayout {
  const layout = FRAME_LAYOUTS.get(version);
  if (layout === undefined) throw new Error(`no KVMFR ${version}`);
  return layout;
}

interface Place {
  readonly messageBytes?: number;
  readonly regionBytes?: number;
}

/** Writes a header as literal bytes, reads it as a client would, and checks it. */
export function check(version: Version, lie: Fields = {}, place: Place = {}): FrameGeometry {
  const layout = layoutOf(version);
  const region = new Region(new ArrayBuffer(layout.frameBytes));
  const fields = { ...SOUND, ...lie };
  for (const [name, at] of Object.entries(PLACES[version]))
    if (isField(name)) region.view.setUint32(at, fields[name], true);
  const header = newFrameHeader();
  layout.read(region, 0, header);
  return checkFrame(header, layout, {
    at: AT,
    messageBytes: place.messageBytes ?? MESSAGE_BYTES,
    regionBytes: place.regionBytes ?? 64 << 20,
  });
}

/** Whether a version has such a field. */
export function isField(name: string): name is FieldName {
  return name in PLACES[20];
}

/** How a header is refused: code and message, or `accepted`. */
export function refusal(version: Version, lie: Fields, place: Place = {}): string {
  try {
    check(version, lie, place);
  } catch (error) {
    if (KvmfrError.is(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}
