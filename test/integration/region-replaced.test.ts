import { linkSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { connect, type GuestClipboardLine, type GuestInputLine } from '../../client/index.ts';
import { keyOfCode } from '../../protocol/keys.ts';
import { encodeInput } from '../../protocol/wire/index.ts';
import { RunningCommand } from '../support/command.ts';
import { TestViewer } from '../unit/relay/test-viewer.ts';
import { GuestProcess } from './client-guest.ts';

/** HID usage of the key A. */
const A = 4;
const KEY_A = keyOfCode('KeyA');

/** A path at which one guest after the other has its region, as virtual machines have that go on. */
class Place {
  readonly folder: string = mkdtempSync('/dev/shm/kvmfr-test-');
  readonly path: string = join(this.folder, 'region');
  #guests = 0;

  constructor() {
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** Another guest's region takes the path; the guest before goes on with its own, which is away. */
  async next(): Promise<GuestProcess> {
    const own = join(this.folder, `guest-${++this.#guests}`);
    const guest = await GuestProcess.start(own, {
      ...{ wire: 'dev12', input: true, clipboard: true, regionMib: 16 },
    });
    linkSync(own, `${this.path}.next`);
    renameSync(`${this.path}.next`, this.path);
    return guest;
  }
}

/** Waits until a line to the guest is in a state. */
async function when(
  line: Pick<GuestInputLine | GuestClipboardLine, 'watch'>,
  holds: () => boolean,
): Promise<void> {
  while (!holds())
    await new Promise<void>((resolve) => {
      const end = line.watch(() => {
        end();
        resolve();
      });
    });
}

function bytes(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

it('a key that is held goes over to the region that came in place of another, and up in both', async () => {
  const place = new Place();
  const first = await place.next();
  const client = await connect(place.path);
  onTestFinished(() => client.close());
  const input = client.input();
  await when(input, () => input.state.available);
  input.keyboard({ modifiers: 0, keys: [A] });
  expect((await first.inputs('keyboard')).at(-1)).toMatchObject({ keys: [A] });
  const second = await place.next();
  await first.inputs('release');
  expect((await second.inputs('keyboard')).at(-1)).toMatchObject({ keys: [A] });
  input.keyboard({ modifiers: 0, keys: [] });
  await second.letGo();
  expect((await first.facts()).watchers).toBe(0);
});

it('a clipboard is had again in the region that came in place of another', async () => {
  const place = new Place();
  const first = await place.next();
  const client = await connect(place.path);
  onTestFinished(() => client.close());
  const clipboard = client.clipboard();
  const ours = bytes('of ours');
  clipboard.offer(['text'], async () => ours);
  await first.clipboards('offer');
  const second = await place.next();
  await first.clipboards('release');
  await second.clipboards('offer');
  expect(Buffer.compare(await second.pasteGiven('text'), ours)).toBe(0);
  await second.copy({ text: bytes('of theirs') });
  await when(clipboard, () => clipboard.state.offered !== undefined);
  expect(clipboard.state.holdsOurs).toBe(false);
});

it('a viewer goes on to type and to copy in the region that came in place of another', async () => {
  const place = new Place();
  const first = await place.next();
  if (KEY_A === undefined) throw new Error('there must be a key A');
  await using view = new RunningCommand(['view', place.path, '--listen', '127.0.0.1:0'], {
    XDG_STATE_HOME: place.folder,
  });
  const address = new URL(await view.firstLine());
  const url = new URL('ws', address.href.replace('http:', 'ws:'));
  url.search = address.search;
  const viewer = new TestViewer(url.href);
  const turn = (down: boolean): void =>
    viewer.send(encodeInput({ atMs: undefined, events: [{ kind: 'key', key: KEY_A, down }] }));
  await viewer.until(() => viewer.inputs.some(({ keyboard }) => keyboard));
  turn(true);
  expect((await first.inputs('keyboard')).at(-1)).toMatchObject({ keys: [A] });
  const second = await place.next();
  // A keyboard repeats what is held; on a busy machine it may have been let go meanwhile.
  const again = setInterval(() => turn(true), 100);
  try {
    expect((await second.inputs('keyboard')).at(-1)).toMatchObject({ keys: [A] });
  } finally {
    clearInterval(again);
  }
  turn(false);
  await second.letGo();
  await second.copy({ text: bytes('of theirs') });
  await viewer.until(() => viewer.clipboards.at(-1)?.guest !== undefined);
  expect(viewer.clipboards.at(-1)?.guest?.kinds).toEqual(['text']);
  viewer.socket.close();
});
