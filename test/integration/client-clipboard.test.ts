import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import {
  type Client,
  type ContentFormat,
  connect,
  type GuestClipboardLine,
  type GuestClipboardState,
} from '../../client/index.ts';
import { belongings, GuestProcess, temporaryPath } from './client-guest.ts';

const MIB = 16;
const MEGABYTE = 1_000_003;

/** Waits until the guest's clipboard is in a state. */
async function when(
  line: GuestClipboardLine,
  holds: (state: GuestClipboardState) => boolean,
): Promise<void> {
  while (!holds(line.state))
    await new Promise<void>((resolve) => {
      const end = line.watch(() => {
        end();
        resolve();
      });
    });
}

function guestWith(path: string = temporaryPath()): Promise<GuestProcess> {
  return GuestProcess.start(path, { wire: 'dev12', clipboard: true, regionMib: MIB });
}

async function reader(path: string): Promise<Client> {
  const client = await connect(path);
  onTestFinished(() => client.close());
  return client;
}

function noise(bytes: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

/**
 * Reads what the guest has. Who is not heard of for a second loses the clipboard for a moment, as may
 * happen on a busy machine, and what was under way with it: it is read again.
 */
async function given(
  line: GuestClipboardLine,
  format: ContentFormat,
  maxBytes?: number,
): Promise<Uint8Array> {
  for (;;) {
    const contents = await line.read(format, maxBytes === undefined ? {} : { maxBytes });
    if (contents !== undefined) return contents;
    await when(line, ({ offered }) => offered !== undefined);
    await turn();
  }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0;
}

it('what a guest in another process copies is read, a megabyte of it to the byte', async () => {
  const guest = await guestWith();
  const line = (await reader(guest.path)).clipboard();
  await when(line, ({ available }) => available);
  const [first, large] = [text('grüße\n'), noise(MEGABYTE)];
  await guest.copy({ text: first, png: large });
  await when(line, ({ offered }) => offered !== undefined);
  expect(line.state).toEqual({
    available: true,
    owner: 'us',
    offered: { serial: 1, formats: ['text', 'png'] },
    holdsOurs: false,
  });
  // Three at a time: one after the other.
  const read = await Promise.all([given(line, 'png'), given(line, 'text'), given(line, 'png')]);
  expect(read.map((one) => one.byteLength)).toEqual([MEGABYTE, 8, MEGABYTE]);
  expect(isSame(read[0], large) && isSame(read[1], first) && isSame(read[2], large)).toBe(true);
  expect(await line.read('jpeg')).toBeUndefined();
  await guest.copy({ text: text('') });
  await when(line, ({ offered }) => offered?.serial === 2);
  expect((await given(line, 'text')).byteLength).toBe(0);
  await guest.copy({});
  await when(line, ({ offered }) => offered === undefined);
  expect(await line.read('text')).toBeUndefined();
});

it('what we offer is pasted in the guest, a megabyte of it to the byte', async () => {
  const guest = await guestWith();
  const line = (await reader(guest.path)).clipboard();
  const [words, large] = [text('ours'), noise(MEGABYTE, 7)];
  // Before it is ours: said as soon as it is.
  line.offer(['text', 'png'], async (format) => (format === 'png' ? large : words));
  const told = await guest.clipboards('offer');
  expect(told[0]).toEqual({ kind: 'claim', clientId: expect.any(Number) });
  expect(told.at(-1)).toEqual({ kind: 'offer', formats: ['text', 'png'] });
  expect(isSame(await guest.pasteGiven('png'), large)).toBe(true);
  expect(isSame(await guest.pasteGiven('text'), words)).toBe(true);
  expect(await guest.paste('bmp')).toBeUndefined();
  await when(line, ({ holdsOurs }) => holdsOurs);
  // What was given is not the guest's own.
  expect(line.state.offered).toBeUndefined();
  line.offer(['text'], () => Promise.resolve(undefined));
  await guest.clipboards('offer');
  expect(await guest.paste('text')).toBeUndefined();
  line.offer(['text'], () => Promise.reject(new Error('broken')));
  await guest.clipboards('offer');
  expect(await guest.paste('text')).toBeUndefined();
  await guest.copy({ text: text('the guest is newer') });
  await when(line, ({ offered, holdsOurs }) => offered?.serial === 1 && !holdsOurs);
  expect(await guest.paste('text')).toBeUndefined();
  line.offer([], () => Promise.resolve(undefined));
  expect((await guest.clipboards('clear')).at(-1)).toEqual({ kind: 'clear' });
});

it('more than is taken is refused, either way, and the next goes through', async () => {
  const guest = await guestWith();
  const line = (await reader(guest.path)).clipboard();
  await guest.copy({ text: noise(200_000) });
  await when(line, ({ offered }) => offered !== undefined);
  await expect(given(line, 'text', 199_999)).rejects.toMatchObject({
    code: 'ERR_KVMFR_SIZE',
  });
  expect((await given(line, 'text', 200_000)).byteLength).toBe(200_000);
  line.offer(['text'], () => Promise.resolve(noise(200_000)));
  await guest.clipboards('offer');
  expect(await guest.paste('text', 199_999)).toBeUndefined();
  expect((await guest.pasteGiven('text', 200_000)).byteLength).toBe(200_000);
});

it('a read that nobody waits for any more does not hold up the next', async () => {
  const guest = await guestWith();
  const line = (await reader(guest.path)).clipboard();
  const large = noise(8 * MEGABYTE);
  await guest.copy({ text: text('small'), png: large });
  await when(line, ({ offered }) => offered !== undefined);
  const nobody = new AbortController();
  const abandoned = line.read('png', { signal: nobody.signal });
  const next = given(line, 'text');
  nobody.abort();
  expect(await abandoned).toBeUndefined();
  expect(isSame(await next, text('small'))).toBe(true);
  expect(isSame(await given(line, 'png'), large)).toBe(true);
});

it('one client has it at a time; the next gets it when that goes, with what the guest has', async () => {
  const guest = await guestWith();
  await guest.copy({ text: text('first') });
  const first = (await reader(guest.path)).clipboard();
  await when(first, ({ offered }) => offered !== undefined);
  const second = (await reader(guest.path)).clipboard();
  await when(second, ({ owner }) => owner === 'other');
  await first.close();
  expect(first.state.available).toBe(false);
  await when(second, ({ offered }) => offered !== undefined);
  expect(isSame(await given(second, 'text'), text('first'))).toBe(true);
  expect((await guest.clipboards('release')).map(({ kind }) => kind)).toEqual(['claim', 'release']);
});

it('what we offer is offered again to the guest that comes after', async () => {
  const path = temporaryPath();
  const before = await guestWith(path);
  const line = (await reader(path)).clipboard();
  line.offer(['text'], () => Promise.resolve(text('still here')));
  await before.clipboards('offer');
  await before.kill();
  const after = await guestWith(path);
  await after.clipboards('offer');
  expect(isSame(await after.pasteGiven('text'), text('still here'))).toBe(true);
  await after.copy({ text: text('theirs') });
  await when(line, ({ offered }) => offered !== undefined);
  expect(isSame(await given(line, 'text'), text('theirs'))).toBe(true);
});

it('a guest that goes away in the middle of a read leaves nobody waiting', async () => {
  const guest = await guestWith();
  const line = (await reader(guest.path)).clipboard();
  await guest.copy({ png: noise(8 * MEGABYTE) });
  await when(line, ({ offered }) => offered !== undefined);
  const reading = line.read('png');
  guest.signal('SIGSTOP');
  await guest.kill();
  const again = await guestWith(guest.path);
  const read = await reading;
  expect(read === undefined || read.byteLength === 8 * MEGABYTE).toBe(true);
  await again.copy({ text: text('new') });
  await when(line, ({ offered }) => offered !== undefined);
  expect(isSame(await given(line, 'text'), text('new'))).toBe(true);
});

it('input goes on while contents are under way, and frames are read beside them', async () => {
  const guest = await GuestProcess.start(temporaryPath(), {
    ...{ wire: 'dev12', clipboard: true, input: true, regionMib: MIB },
  });
  const client = await reader(guest.path);
  const line = client.clipboard();
  const input = client.input();
  const large = noise(8 * MEGABYTE);
  await guest.copy({ png: large });
  await guest.play({ widthPx: 64, heightPx: 64, everyMs: 5 });
  await when(line, ({ offered }) => offered !== undefined);
  const reading = given(line, 'png');
  let frames = 0;
  for await (const frame of client.frames()) {
    frames += 1;
    input.keyboard({ modifiers: 0, keys: [4 + (frames % 20)] });
    frame.release();
    if (frames === 30) break;
  }
  const keys = await guest.inputs('keyboard');
  expect(keys.length).toBeGreaterThan(0);
  expect(isSame(await reading, large)).toBe(true);
});

it('nothing is left of input, pointer and clipboard when a client has closed', async () => {
  const path = temporaryPath();
  await GuestProcess.start(path, {
    ...{ wire: 'dev12', clipboard: true, input: true, features: 1, regionMib: MIB },
  });
  const client = await connect(path);
  const [line, input, pointer] = [client.clipboard(), client.input(), client.pointer()];
  await when(line, ({ available }) => available);
  input.keyboard({ modifiers: 2, keys: [4] });
  pointer.moveTo({ x: 1, y: 2 });
  const waiting = line.read('text');
  await client.close();
  expect(await waiting).toBeUndefined();
  expect([line.closed, input.closed, pointer.isBusy]).toEqual([true, true, false]);
  expect(belongings(path)).toEqual({ files: 0, maps: 0, threads: 0 });
});
