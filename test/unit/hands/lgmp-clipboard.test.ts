import { expect, it } from 'vitest';
import { type ClipboardLine, LgmpClipboard } from '../../../viewer/hands/index.ts';

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000020000000308060000', 'hex');

/** A line that says and gives what a test wants. */
class FakeLine implements ClipboardLine {
  state: ClipboardLine['state'] = {
    ...{ available: true, owner: 'us', offered: undefined, holdsOurs: false },
  };
  readonly contents = new Map<string, Uint8Array>();
  readonly offers: (readonly string[])[] = [];
  give: Parameters<ClipboardLine['offer']>[1] = async () => undefined;
  fails = false;

  watch(): () => void {
    return () => undefined;
  }

  read(format: string): Promise<Uint8Array | undefined> {
    return this.fails
      ? Promise.reject(new Error('too large'))
      : Promise.resolve(this.contents.get(format));
  }

  offer(formats: readonly string[], give: FakeLine['give']): void {
    this.offers.push(formats);
    this.give = give;
  }
}

it('tells of the kinds that travel, and of no others', () => {
  const line = new FakeLine();
  const clipboard = new LgmpClipboard(line);
  expect(clipboard.offered).toBeUndefined();
  line.state = { ...line.state, offered: { serial: 4, formats: ['files', 'png', 'bmp', 'text'] } };
  expect(clipboard.offered).toEqual({ serial: 4, kinds: ['text', 'png'] });
  line.state = { ...line.state, offered: { serial: 5, formats: ['files', 'bmp'] } };
  expect(clipboard.offered).toBeUndefined();
});

it('says why nothing goes', () => {
  const line = new FakeLine();
  const clipboard = new LgmpClipboard(line);
  expect(clipboard.availability).toEqual({ available: true });
  line.state = { ...line.state, available: false, owner: 'other' };
  expect(clipboard.availability).toEqual({
    available: false,
    reason: 'another program has the clipboard of the guest',
  });
});

it('gives text with lines that end in LF, and nothing that is not what it says', async () => {
  const line = new FakeLine();
  const clipboard = new LgmpClipboard(line);
  line.contents.set('text', Buffer.from('a\r\nb\n'));
  line.contents.set('png', PNG);
  expect(Buffer.from((await clipboard.read('text')) ?? []).toString()).toBe('a\nb\n');
  expect(await clipboard.read('png')).toEqual(PNG);
  line.contents.set('text', Buffer.from([0xff]));
  line.contents.set('png', Buffer.from('no picture'));
  expect([await clipboard.read('text'), await clipboard.read('png')]).toEqual([
    undefined,
    undefined,
  ]);
  line.fails = true;
  expect(await clipboard.read('text')).toBeUndefined();
});

it('gives the guest what was offered, in no other format', async () => {
  const line = new FakeLine();
  const clipboard = new LgmpClipboard(line);
  clipboard.offer(['text'], async (kind) => Buffer.from(kind));
  expect(line.offers).toEqual([['text']]);
  expect(Buffer.from((await line.give('text')) ?? []).toString()).toBe('text');
  expect([await line.give('png'), await line.give('bmp')]).toEqual([undefined, undefined]);
  clipboard.close();
  expect(line.offers).toHaveLength(1);
  line.state = { ...line.state, holdsOurs: true };
  clipboard.close();
  expect(line.offers.at(-1)).toEqual([]);
});
