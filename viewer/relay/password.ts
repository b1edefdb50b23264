import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KvmfrError } from '../../protocol/error.ts';

/** What scrypt is told. Units: memory is 128 x `cost` x `blockSize` bytes. */
interface ScryptCost {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallel: number;
}

interface Hash extends ScryptCost {
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** 32 MiB and about 100 ms: dear for who guesses from a stolen file, cheap for who signs in. */
const COST: ScryptCost = { cost: 32_768, blockSize: 8, parallel: 1 };
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** A hash from a file may ask for more, but not for all there is. */
const MAX_MEMORY_BYTES = 256 * 1024 * 1024;
const HASH = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([\w-]{11,86})\$([\w-]{22,86})$/;
/** Longest password: more than anybody types, and little to hash. */
const MAX_PASSWORD_BYTES = 1024;
/** Sign-ins that wait for their turn; more are told to come back. */
export const MAX_WAITING: number = 8;
/** After each hash nothing is hashed for this many times as long: a quarter of one core at most. */
const REST = 3;

/**
 * The hash of a password as it may stand in a password file: `scrypt$N$r$p$salt$key`, salt and key in
 * base64url.
 *
 * @throws ERR_KVMFR_ARGUMENT for a password that is empty or longer than 1024 bytes
 */
export async function hashPassword(password: string): Promise<string> {
  checkPassword(password);
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, { ...COST, salt, key: Buffer.alloc(KEY_BYTES) });
  const { cost, blockSize, parallel } = COST;
  return `scrypt$${cost}$${blockSize}$${parallel}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Whether a text is a hash as {@link hashPassword} makes it, and no password. */
export function isPasswordHash(text: string): boolean {
  return text.startsWith('scrypt$');
}

/**
 * The password of a relay. Checks one attempt after the other, with rests between them, so that
 * however many try to sign in, they take neither the cores nor the memory.
 */
export class Password {
  readonly #hash: Promise<Hash>;
  #waiting = 0;
  #turn: Promise<void> = Promise.resolve();

  /** @throws ERR_KVMFR_ARGUMENT when the text is neither a password nor a hash */
  constructor(text: string) {
    if (isPasswordHash(text)) {
      this.#hash = Promise.resolve(parseHash(text));
      return;
    }
    checkPassword(text);
    this.#hash = hashPassword(text).then(parseHash);
    // Told to whoever signs in.
    this.#hash.catch(() => {});
  }

  /** Whether this is the password; undefined when too many are asking. */
  async verify(password: string): Promise<boolean | undefined> {
    if (this.#waiting >= MAX_WAITING) return undefined;
    this.#waiting++;
    const before = this.#turn;
    const answer = (async (): Promise<{ right: boolean; tookMs: number }> => {
      await before;
      const startMs = performance.now();
      const right = await this.#matches(password);
      return { right, tookMs: performance.now() - startMs };
    })();
    this.#turn = answer.then(
      async ({ tookMs }) => await sleep(tookMs * REST, undefined, { ref: false }),
      () => {},
    );
    try {
      return (await answer).right;
    } finally {
      this.#waiting--;
    }
  }

  async #matches(password: string): Promise<boolean> {
    const hash = await this.#hash;
    if (password === '' || Buffer.byteLength(password) > MAX_PASSWORD_BYTES) return false;
    return timingSafeEqual(await derive(password, hash), hash.key);
  }
}

function checkPassword(password: string): void {
  const bytes = Buffer.byteLength(password);
  if (bytes < 1 || bytes > MAX_PASSWORD_BYTES)
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      `a password must have 1 to ${MAX_PASSWORD_BYTES} bytes, but has ${bytes}`,
    );
}

function parseHash(text: string): Hash {
  const [, cost, blockSize, parallel, salt = '', key = ''] = HASH.exec(text) ?? [];
  const hash = {
    cost: Number(cost),
    blockSize: Number(blockSize),
    parallel: Number(parallel),
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  };
  const power = hash.cost > 1 && Number.isInteger(Math.log2(hash.cost));
  const bytes = 128 * hash.cost * hash.blockSize;
  const fits = hash.blockSize > 0 && bytes <= MAX_MEMORY_BYTES;
  if (!power || !fits || !(hash.parallel > 0 && hash.parallel <= 16))
    throw new KvmfrError(
      'ERR_KVMFR_ARGUMENT',
      'a password hash must be scrypt$N$r$p$salt$key as `kvmfr password` prints it, with at most 256 MiB of memory',
    );
  return hash;
}

async function derive(password: string, hash: Hash): Promise<Buffer> {
  const { cost, blockSize, parallel } = hash;
  // Two ways to write the same letter are one password.
  const text = password.normalize('NFC');
  return await new Promise((resolve, reject) => {
    scrypt(
      text,
      hash.salt,
      hash.key.byteLength,
      { N: cost, r: blockSize, p: parallel, maxmem: 2 * MAX_MEMORY_BYTES },
      (error, key) => (error === null ? resolve(key) : reject(error)),
    );
  });
}
