/**
 * Every stable code an error of this project can carry, with what it says about the world.
 * People match on these; a code is never renamed, only added.
 */
export const ERROR_CODES = {
  ERR_KVMFR_ARGUMENT: 'an argument of a call is not what the call takes',
  ERR_KVMFR_USAGE: 'a command line is not what the command takes',
  ERR_KVMFR_UNSUPPORTED: 'known, but not supported by this version or on this machine',
  ERR_KVMFR_NATIVE: 'the native module could not be loaded',
  ERR_KVMFR_ABSENT: 'there is no such file or device',
  ERR_KVMFR_DENIED: 'the system refused access',
  ERR_KVMFR_NOT_A_REGION: 'a path that is neither a regular file nor a kvmfr device',
  ERR_KVMFR_SIZE: 'a region whose size cannot hold the protocol',
  ERR_KVMFR_REGION_LOST: 'memory of a region went away while it was mapped',
  ERR_KVMFR_SYSCALL: 'a system call failed',
  ERR_KVMFR_CLOSED: 'used after close',
  ERR_KVMFR_NO_HOST: 'no live LGMP host in the region',
  ERR_KVMFR_LGMP_VERSION: 'an LGMP version that is not supported',
  ERR_KVMFR_KVMFR_VERSION: 'a KVMFR version that is not supported',
  ERR_KVMFR_MAGIC: 'bytes that should name the protocol do not',
  ERR_KVMFR_BOUNDS: 'a number from the region points outside of where it may point',
  ERR_KVMFR_CORRUPT: 'a number from the region contradicts the protocol',
  ERR_KVMFR_FORMAT: 'a pixel format that is unknown or not supported yet',
  ERR_KVMFR_NO_QUEUE: 'the session has no such queue',
  ERR_KVMFR_QUEUE_FULL: 'every subscriber slot, or every message slot, of a queue is taken',
  ERR_KVMFR_LOCK: 'a lock in the region was not given back in time',
  ERR_KVMFR_TIMEOUT: 'something did not happen in the time given',
  ERR_KVMFR_RELEASED: 'a frame was used after its release',
  ERR_KVMFR_BUSY: 'somebody else already has what was asked for',
  ERR_KVMFR_WIRE: 'a message between relay and viewer breaks docs/wire.md',
  ERR_KVMFR_LISTEN: 'the relay could not listen where it was told to',
  ERR_KVMFR_IMAGE: 'a picture could not be read or written',
  ERR_KVMFR_VIDEO: 'a video encoder failed again and again',
  ERR_KVMFR_SOUND: 'a sound encoder failed again and again',
  ERR_KVMFR_SPICE: 'a message of a SPICE server breaks its protocol',
  ERR_KVMFR_IVSHMEM: 'a message of an ivshmem-server breaks its protocol',
  ERR_KVMFR_PASSWORD: 'a password was refused',
  ERR_KVMFR_LOST: 'a connection ended that should have gone on',
} as const;

/** The name of a stable error code. */
export type KvmfrErrorCode = keyof typeof ERROR_CODES;

/** What a {@link KvmfrError} may carry besides its message. */
export interface KvmfrErrorDetails {
  readonly cause?: unknown;
  /** Name of the failed system call, for example `open`. */
  readonly syscall?: string;
  /** Name of the system's error number, for example `EACCES`. */
  readonly errno?: string;
  readonly path?: string;
  /** What a person can do about it, one sentence. */
  readonly hint?: string;
}

/**
 * The one error class of the project: a stable {@link code}, and a message that says what was
 * expected, where, and what was found.
 */
export class KvmfrError extends Error {
  override readonly name: string = 'KvmfrError';
  readonly code: KvmfrErrorCode;
  readonly syscall: string | undefined;
  readonly errno: string | undefined;
  readonly path: string | undefined;
  readonly hint: string | undefined;
  /** True on every copy of this class, so that two copies of the package agree. */
  readonly isKvmfrError: true = true;

  constructor(code: KvmfrErrorCode, message: string, details: KvmfrErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.syscall = details.syscall;
    this.errno = details.errno;
    this.path = details.path;
    this.hint = details.hint;
  }

  /** Whether a value is a KvmfrError, also one made by another copy of this package. */
  static is(value: unknown): value is KvmfrError {
    return typeof value === 'object' && value !== null && 'isKvmfrError' in value;
  }
}

/** A number as `0x…`, for addresses and offsets in messages. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** The message for a number from the region that is outside its range. */
export function outOfRange(
  what: string,
  found: number | bigint,
  range: { readonly min?: number | bigint; readonly max: number | bigint; readonly where: string },
): KvmfrError {
  return new KvmfrError(
    'ERR_KVMFR_BOUNDS',
    `${what} at ${range.where} must be ${range.min ?? 0} to ${range.max}, but is ${found}`,
  );
}
