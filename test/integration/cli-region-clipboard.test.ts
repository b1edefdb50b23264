import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../client/index.ts';
import type { HostOptions } from '../../host/index.ts';
import { keyOfCode } from '../../protocol/keys.ts';
import {
  CLIPBOARD_CHUNK_BYTES,
  type ClipboardState,
  encodeClipboardData,
  encodeClipboardOffer,
  encodeClipboardRequest,
  encodeInput,
  type InputEvent,
} from '../../protocol/wire/index.ts';
import { RunningCommand } from '../support/command.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { GuestProcess, temporaryPath } from './client-guest.ts';

const MEGABYTE = 1_000_003;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kvmfr-clipboard-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

function run(args: readonly string[]): RunningCommand {
  return new RunningCommand([...args, '--listen', '127.0.0.1:0'], { XDG_STATE_HOME: folder });
}

function guestOf(path: string, options: HostOptions = {}): Promise<GuestProcess> {
  const own = { wire: 'dev12', input: true, clipboard: true, regionMib: 16 } as const;
  return GuestProcess.start(path, { ...own, ...options });
}

/** A viewer that has the input, and so the clipboard. */
async function attend(command: RunningCommand): Promise<TestViewer> {
  const address = await command.firstLine();
  const url = new URL('ws', address.replace('http:', 'ws:'));
  url.search = new URL(address).search;
  const viewer = new TestViewer(url.href);
  await viewer.until(() => viewer.inputs.some(({ keyboard }) => keyboard));
  press(viewer, 'ShiftLeft');
  await viewer.until(() => stateOf(viewer)?.active === true && stateOf(viewer)?.available === true);
  return viewer;
}

function stateOf(viewer: TestViewer): ClipboardState | undefined {
  return viewer.clipboards.at(-1);
}

/** Presses keys one after the other, and lets all of them go. */
function press(viewer: TestViewer, ...codes: readonly string[]): void {
  const keys = codes.map((code) => {
    const key = keyOfCode(code);
    if (key === undefined) throw new Error(`there must be a key ${code}`);
    return key;
  });
  const downs = keys.map((key): InputEvent => ({ kind: 'key', key, down: true }));
  const ups = keys.map((key): InputEvent => ({ kind: 'key', key, down: false }));
  viewer.send(encodeInput({ atMs: undefined, events: [...downs, ...ups.reverse()] }));
}

let transfers = 0;

/** Gets all of the text that the guest has; again, when the clipboard was lost for a moment. */
async function get(viewer: TestViewer): Promise<Buffer> {
  for (;;) {
    await viewer.until(() => stateOf(viewer)?.guest !== undefined);
    const contents = await tryGet(viewer, ++transfers);
    if (contents !== undefined) return contents;
    await turn(50);
  }
}

async function tryGet(viewer: TestViewer, transfer: number): Promise<Buffer | undefined> {
  const offer = stateOf(viewer)?.guest?.offer ?? 0;
  const pieces: Uint8Array[] = [];
  const first = viewer.contents.length;
  for (let received = 0; ; ) {
    const upTo = received + CLIPBOARD_CHUNK_BYTES;
    viewer.send(encodeClipboardRequest({ transfer, offer, kind: 'text', upTo }));
    const at = first + pieces.length;
    await viewer.until(() => viewer.contents.length > at);
    const piece = viewer.contents[at];
    if (piece === undefined || 'refused' in piece) return undefined;
    pieces.push(Uint8Array.from(piece.bytes));
    received += piece.bytes.length;
    if (received === piece.total) return Buffer.concat(pieces);
  }
}

/** Offers a text, and gives it as often as it is wanted, until the test is over. */
function give(viewer: TestViewer, offer: number, bytes: Uint8Array): void {
  let [transfer, sent] = [0, 0];
  const serve = (): boolean => {
    const wanted = stateOf(viewer)?.wanted;
    if (wanted?.offer !== offer) return false;
    if (wanted.transfer !== transfer) [transfer, sent] = [wanted.transfer, 0];
    while (sent < Math.min(wanted.upTo, bytes.length)) {
      const end = Math.min(sent + CLIPBOARD_CHUNK_BYTES, wanted.upTo, bytes.length);
      const piece = { transfer, offset: sent, total: bytes.length };
      viewer.send(encodeClipboardData({ ...piece, bytes: bytes.subarray(sent, end) }, 'viewer'));
      sent = end;
    }
    // Looked at with each message, for as long as there are any.
    return false;
  };
  viewer.until(serve).catch(() => undefined);
  viewer.send(encodeClipboardOffer({ offer, kinds: ['text'] }));
}

function textOf(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => 0x20 + ((at * 7 + (at >> 9)) % 89));
}

it('what is copied goes both ways by the region, a megabyte of it to the byte', async () => {
  const guest = await guestOf(temporaryPath());
  await using view = run(['view', guest.path]);
  const viewer = await attend(view);
  const theirs = textOf(MEGABYTE);
  await guest.copy({ text: theirs });
  await viewer.until(() => stateOf(viewer)?.guest !== undefined);
  expect(stateOf(viewer)?.guest?.kinds).toEqual(['text']);
  expect(Buffer.compare(await get(viewer), theirs)).toBe(0);
  const ours = textOf(MEGABYTE + 1);
  give(viewer, 9, ours);
  await guest.clipboards('offer');
  expect(Buffer.compare(await guest.pasteGiven('text'), ours)).toBe(0);
  await viewer.until(() => stateOf(viewer)?.given === 9 && stateOf(viewer)?.guest === undefined);
});

it('what was offered is offered again to the guest that comes after', async () => {
  const path = temporaryPath();
  const first = await guestOf(path);
  await using view = run(['view', path]);
  const viewer = await attend(view);
  const words = textOf(2000);
  give(viewer, 3, words);
  await first.clipboards('offer');
  await first.kill();
  // One that shares none, and one that does.
  const silent = await guestOf(path, { clipboard: false });
  await viewer.until(() => stateOf(viewer)?.available === false);
  await silent.kill();
  const second = await guestOf(path);
  await second.clipboards('offer');
  expect(Buffer.compare(await second.pasteGiven('text'), words)).toBe(0);
});

it('is left to other programs for as long as no viewer may use it', async () => {
  const guest = await guestOf(temporaryPath());
  await using view = run(['view', guest.path]);
  await view.says(/the guest takes them by its region/);
  const client = await connect(guest.path);
  const patience = { timeout: 60_000 };
  const gets = async (): Promise<void> => {
    await using other = client.clipboard();
    await expect.poll(() => other.state.owner, patience).toBe('us');
  };
  try {
    await gets();
    // Given up by then, it is there for a viewer, and again for others when that has gone.
    const viewer = await attend(view);
    viewer.socket.close();
    await gets();
  } finally {
    await client.close();
  }
});

it('with --clipboard off nobody takes it from the guest', async () => {
  const guest = await guestOf(temporaryPath());
  await using view = run(['view', guest.path, '--clipboard', 'off']);
  const address = await view.firstLine();
  const url = new URL('ws', address.replace('http:', 'ws:'));
  url.search = new URL(address).search;
  const viewer = new TestViewer(url.href);
  await viewer.until(() => viewer.inputs.some(({ keyboard }) => keyboard));
  press(viewer, 'KeyQ');
  await guest.inputs('keyboard');
  expect((await guest.facts()).stats.clipboard).toMatchObject({ accepted: 0, ignored: 0 });
  expect(viewer.clipboards).toEqual([]);
});
