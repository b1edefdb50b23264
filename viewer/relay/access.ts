import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { addressBlock, isLoopbackAddress } from './address-block.ts';
import { Attempts } from './attempts.ts';
import { type NameOptions, Names } from './names.ts';
import { type Pass, Passes } from './passes.ts';
import { Password } from './password.ts';
import type { Role } from './role.ts';

/** Who may talk to a relay. */
export interface AccessOptions extends NameOptions {
  /** The secret that opens everything; false when whoever embeds the relay keeps strangers out. */
  readonly token: string | false | undefined;
  /** Another secret, for those who may only look. */
  readonly viewToken?: string | undefined;
  /** A password, or its hash, for people who sign in. */
  readonly password?: string | undefined;
  /** What cookies that stand for a token are made with; a random one when left out. */
  readonly cookieKey?: Uint8Array | undefined;
  /** Whether a proxy on this machine is believed where a request comes from. */
  readonly trustProxy?: boolean;
  readonly log?: (line: string) => void;
}

/** Whether a request is served, and as whose. */
export type Admission =
  | {
      readonly admitted: true;
      readonly role: Role;
      /** What it came by, when somebody has signed in; it may end. */
      readonly pass: Pass | undefined;
      /** The cookie's value that stands for the token it brought. */
      readonly cookie: string | undefined;
    }
  /** `waitS` is above 0 when its address has brought too much that is wrong. */
  | { readonly admitted: false; readonly waitS: number };

/** How a sign-in ended. */
export type SignIn =
  | { readonly name: 'in'; readonly cookie: string }
  | { readonly name: 'wrong' }
  /** Not looked at: come back after so many seconds. */
  | { readonly name: 'wait'; readonly waitS: number };

interface Key {
  readonly role: Role;
  /** Whether it is so long and so mixed that nobody guesses it. */
  readonly strong: boolean;
  readonly digest: Buffer;
  readonly cookie: string;
  readonly cookieDigest: Buffer;
}

/** How long somebody waits who comes while many others sign in. */
const BUSY_WAIT_S = 2;
/** Longest token that is looked at: what is longer is none. */
const MAX_SECRET_CHARACTERS = 1024;

/** Characters of base64 that 128 random bits take, and how many different ones are seldom fewer. */
const STRONG_CHARACTERS = 22;
const STRONG_DIFFERENT = 10;

/** The door: decides by token, cookie and password whether a request is served. */
export class Access {
  readonly names: Names;
  readonly #open: boolean;
  readonly #keys: readonly Key[];
  readonly #password: Password | undefined;
  readonly #passes = new Passes();
  readonly #attempts = new Attempts();
  readonly #signingIn = new Set<string>();
  readonly #trustProxy: boolean;
  readonly #log: (line: string) => void;

  constructor(options: AccessOptions) {
    const { token, viewToken, password } = options;
    this.names = new Names(options);
    this.#open = token === false && password === undefined && viewToken === undefined;
    const cookieKey = options.cookieKey ?? randomBytes(32);
    this.#keys = [
      ...(token === undefined || token === false ? [] : [keyOf(token, 'full', cookieKey)]),
      ...(viewToken === undefined ? [] : [keyOf(viewToken, 'view', cookieKey)]),
    ];
    this.#password = password === undefined ? undefined : new Password(password);
    this.#trustProxy = options.trustProxy ?? false;
    this.#log = options.log ?? ((): void => {});
  }

  /** Whether people may sign in by a password. */
  get takesPassword(): boolean {
    return this.#password !== undefined;
  }

  /** Where a request comes from. */
  addressOf(req: IncomingMessage): string {
    const peer = req.socket.remoteAddress ?? '';
    if (!this.#trustProxy || !isLoopbackAddress(peer)) return peer;
    // What the proxy has added is last; before it stands what anybody may have written.
    const told = `${req.headers['x-forwarded-for'] ?? ''}`.split(',').at(-1)?.trim() ?? '';
    return isIP(told) === 0 ? peer : told;
  }

  /**
   * Whether a request is served.
   *
   * What nobody guesses is let in always: cookies of ours, long random tokens. Otherwise an address
   * that has brought too much that is wrong is not listened to, whatever it brings.
   */
  admit(req: IncomingMessage, query: URLSearchParams): Admission {
    if (this.#open) return admission('full');
    const bearer = /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    const block = addressBlock(this.addressOf(req));
    const waits = this.#attempts.waitS(block) > 0;
    let isWrong = false;
    // Before the cookie: whoever opens an address with another token means that one.
    for (const secret of [query.get('token'), bearer]) {
      if (secret === null || secret === undefined) continue;
      const key = this.#keyOf(secret);
      if (key !== undefined && (key.strong || !waits))
        return admission(key.role, { cookie: key.cookie });
      isWrong = true;
      if (!waits) this.#wrong(block, secret);
    }
    const brought = cookieOf(req, cookieName(req));
    const found = brought === undefined ? undefined : this.#byCookie(brought);
    if (found !== undefined) return found;
    return { admitted: false, waitS: isWrong ? this.#attempts.waitS(block) : 0 };
  }

  /** Looks at a password. Never more than one of the same address at a time. */
  async signIn(req: IncomingMessage, password: string): Promise<SignIn> {
    const block = addressBlock(this.addressOf(req));
    const waitS = this.#attempts.waitS(block);
    if (waitS > 0) return { name: 'wait', waitS };
    // A known mistake is told at once: to hash it again would only be work.
    if (this.#attempts.knows(block, password)) return { name: 'wrong' };
    if (this.#signingIn.has(block)) return { name: 'wait', waitS: BUSY_WAIT_S };
    this.#signingIn.add(block);
    try {
      const right = await this.#password?.verify(password);
      if (right === undefined) return { name: 'wait', waitS: BUSY_WAIT_S };
      if (right) return { name: 'in', cookie: this.#passes.issue('full') };
      this.#wrong(block, password);
      return { name: 'wrong' };
    } finally {
      this.#signingIn.delete(block);
    }
  }

  /** Ends what the browser's cookie stands for, if it has signed in. */
  signOut(req: IncomingMessage): void {
    const brought = cookieOf(req, cookieName(req));
    if (brought !== undefined) this.#passes.revoke(brought);
  }

  /** A cookie as a header; an empty value takes it back. */
  cookieHeader(req: IncomingMessage, path: string, value: string): string {
    const secure = this.names.isSecure(req) ? '; Secure' : '';
    const age = value === '' ? '; Max-Age=0' : '';
    return `${cookieName(req)}=${value}; Path=${path}; HttpOnly; SameSite=Strict${secure}${age}`;
  }

  /** Forgets who has signed in. */
  close(): void {
    this.#passes.clear();
  }

  #byCookie(value: string): Admission | undefined {
    const digest = digestOf(value);
    let found: Key | undefined;
    for (const key of this.#keys) if (timingSafeEqual(digest, key.cookieDigest)) found = key;
    if (found !== undefined) return admission(found.role);
    const pass = this.#passes.find(value);
    return pass === undefined ? undefined : admission(pass.role, { pass });
  }

  /** All keys are looked at, and by digests, which have one length: the time it takes tells nothing. */
  #keyOf(secret: string): Key | undefined {
    if (secret.length > MAX_SECRET_CHARACTERS) return undefined;
    const digest = digestOf(secret);
    let found: Key | undefined;
    for (const key of this.#keys) if (timingSafeEqual(digest, key.digest)) found = key;
    return found;
  }

  #wrong(block: string, secret: string): void {
    if (!this.#attempts.wrong(block, secret)) return;
    this.#log(
      `${block} has brought too much that is wrong: it waits ${this.#attempts.waitS(block)} s`,
    );
  }
}

function admission(
  role: Role,
  by: { readonly pass?: Pass; readonly cookie?: string } = {},
): Admission {
  return { admitted: true, role, pass: by.pass, cookie: by.cookie };
}

/** The cookie is made of the token under a key, so that whoever steals one does not have the other. */
function keyOf(token: string, role: Role, cookieKey: Uint8Array): Key {
  const cookie = createHmac('sha256', cookieKey).update(`${role} ${token}`).digest('hex');
  const strong = token.length >= STRONG_CHARACTERS && new Set(token).size >= STRONG_DIFFERENT;
  return { role, strong, digest: digestOf(token), cookie, cookieDigest: digestOf(cookie) };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Cookies are shared by all ports of a name, so two relays on one machine need two names. */
function cookieName(req: IncomingMessage): string {
  return `kvmfr-${req.socket.localPort ?? 0}`;
}

function cookieOf(req: IncomingMessage, name: string): string | undefined {
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at >= 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
