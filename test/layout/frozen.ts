import { readFileSync } from 'node:fs';

/** A structure as a C compiler laid it out. A size of 0 is a variable tail. */
export interface FrozenStructure {
  readonly size: number;
  readonly fields: {
    readonly [name: string]: { readonly offset: number; readonly size: number };
  };
}

type Structures = { readonly [name: string]: FrozenStructure };
type Names = { readonly [name: string]: number };

/** Constants of one LGMP version. */
export interface FrozenLgmp {
  readonly version: number;
  readonly maxQueues: number;
  readonly maxClients: number;
  readonly clientMessageSlots: number;
  readonly clientMessageBytes: number;
  readonly ringRule: string;
  readonly subsBits: number;
  readonly udataBits: number;
}

/** Constants of one KVMFR version. */
export interface FrozenKvmfr {
  readonly version: number;
  readonly magic: string;
  readonly maxDamageRects: number;
  readonly frameType: Names;
  readonly rotation: Names;
  readonly cursorType: Names;
  readonly recordType: Names;
  readonly os: Names;
  readonly framebuffer: { readonly writePointerBytes: number };
  readonly queueIds: Names;
  readonly queueLengths: Names;
  readonly cursorFlags: Names;
  readonly features: Names;
  readonly messages: Names;
  readonly frameFlags: Names;
}

/** Constants of streams, which came with LGMP 12. */
export interface FrozenStreams {
  readonly descriptorMagic: number;
  readonly descriptorVersion: number;
  readonly sharedMagic: number;
  readonly sharedVersion: number;
  readonly alignment: number;
  readonly direction: Names;
  readonly policy: Names;
  readonly state: Names;
}

/** Constants of input. */
export interface FrozenInput {
  readonly version: number;
  readonly endpoints: number;
  readonly slotCount: number;
  readonly slotSize: number;
  readonly mouseButtons: number;
  readonly absoluteMax: number;
  readonly keys: number;
  readonly usageMax: number;
  readonly leaseMs: number;
  readonly message: Names;
  readonly cap: Names;
  readonly status: Names;
  readonly led: Names;
  readonly endpoint: Names;
}

/** Constants of the clipboard. */
export interface FrozenClipboard {
  readonly version: number;
  readonly slotCount: number;
  readonly slotBytes: number;
  readonly recordBytes: number;
  readonly representationBytes: number;
  readonly sizeUnknown: string;
  readonly fileReadBytes: number;
  readonly helperTransferBit: string;
  readonly leaseMs: number;
  readonly format: Names;
  readonly formatMask: Names;
  readonly message: Names;
  readonly flag: Names;
  readonly status: Names;
  readonly queueType: Names;
  readonly fileOp: Names;
  readonly fileType: Names;
  readonly cancelReason: Names;
  readonly fileError: Names;
}

/** Constants that came with 34. */
export interface FrozenLater {
  readonly timingFlags: Names;
  readonly colorTransformFlags: Names;
  readonly frameScheduleFlags: Names;
  readonly input: FrozenInput;
  readonly clipboard: FrozenClipboard;
  readonly recovery: {
    readonly magic: string;
    readonly version: number;
    readonly ready: number;
    readonly regionBytes: number;
    readonly lineBytes: number;
    readonly heartbeatMs: number;
    readonly requestSlots: number;
    readonly capDisplay: number;
    readonly request: Names;
    readonly state: Names;
    readonly error: Names;
  };
}

type FrozenLgmpByVersion = { readonly [version in '5' | '6' | '7' | '10' | '12']: FrozenLgmp };

/** The measured layouts and constants, frozen: see test/fixtures/README.md. */
export interface Frozen {
  readonly lgmp: { readonly [version: string]: Structures };
  readonly kvmfr: { readonly [version: string]: Structures };
  readonly constants: {
    readonly lgmp: {
      readonly magic: number;
      readonly heartbeatTimeoutMs: number;
      readonly status: Names;
      readonly stream: FrozenStreams;
    } & FrozenLgmpByVersion;
    readonly kvmfr: {
      readonly '19': FrozenKvmfr;
      readonly '20': FrozenKvmfr;
      readonly '34': FrozenKvmfr & FrozenLater;
    };
    readonly releases: {
      readonly [release: string]: { readonly kvmfr: number; readonly lgmp: number };
    };
    readonly magicOffsets: Names;
  };
}

/** Reads the frozen numbers. */
export function readFrozen(): Frozen {
  const file = new URL('../fixtures/layouts.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'));
}
