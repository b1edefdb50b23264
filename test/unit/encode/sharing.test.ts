import { describe, expect, it, vi } from 'vitest';
import { SharedUpdates } from '../../../viewer/encode/sharing.ts';
import { Screen } from '../tiles/guest.ts';
import { messagesOf, pictureOf } from './pictures.ts';

describe('SharedUpdates', () => {
  it('does not give to others what could not be coded, and goes on', async () => {
    const picture = await pictureOf(new Screen(64, 64));
    let turns = 0;
    const updates = new SharedUpdates({
      isLarge: () => true,
      coder: ({ tiles }) => {
        turns++;
        const part =
          turns === 1 ? Promise.reject(new Error('no')) : Promise.resolve(new Uint8Array(1));
        part.catch(() => {});
        return { parts: [part], tiles, large: true, exact: true };
      },
    });
    await expect(messagesOf(updates.take(picture, 0))).rejects.toThrow('no');
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(await messagesOf(updates.take(picture, 0))).toEqual([new Uint8Array(1)]);
    expect(updates.counts).toEqual({ updates: 2, shared: 0 });
    await updates.close();
  });

  it('gives an update of the newest serial to who asks for that, though an older one would do', async () => {
    const screen = new Screen(192, 64);
    const picture = await pictureOf(screen);
    const updates = new SharedUpdates({
      isLarge: () => false,
      coder: ({ tiles }) => ({ parts: [], tiles, large: false, exact: true }),
    });
    const first = updates.takeTiles(picture, Uint32Array.of(0), 1);
    screen.fill({ x: 64, y: 0, width: 1, height: 1 }, [1, 2, 3]);
    await picture.update(screen.frame());
    // The tile has not changed since.
    expect(updates.takeTiles(picture, Uint32Array.of(0), 1)).toBe(first);
    const newest = updates.takeTiles(picture, Uint32Array.of(0), 1, true);
    expect([first?.to, newest?.to]).toEqual([1, 2]);
    expect(updates.takeTiles(picture, Uint32Array.of(0), 1, true)).toBe(newest);
    await updates.close();
  });

  it('does not call whoever waits after it was closed', async () => {
    const picture = await pictureOf(new Screen(64, 64));
    let idle = 0;
    let finish = (): void => {};
    const updates = new SharedUpdates({
      onIdle: () => idle++,
      isLarge: () => true,
      coder: ({ tiles }) => ({
        tiles,
        parts: [
          new Promise((resolve) => {
            finish = () => resolve(new Uint8Array(1));
          }),
        ],
        large: true,
        exact: true,
      }),
    });
    updates.take(picture, 0);
    const closed = updates.close();
    finish();
    await closed;
    expect(idle).toBe(0);
  });

  it('names the tiles that were changed while they were copied, and shares no such update', async () => {
    const picture = await pictureOf(new Screen(128, 64));
    let turn = 0;
    vi.spyOn(picture, 'beginRead').mockImplementation(() => ({
      end: (_tiles, _count, out) => {
        out[0] = 1;
        return turn++ === 0 ? 1 : 0;
      },
    }));
    const updates = new SharedUpdates({
      isLarge: () => false,
      coder: ({ tiles }) => ({
        tiles,
        parts: [Promise.resolve(new Uint8Array(1))],
        large: false,
        exact: true,
      }),
    });
    const first = updates.take(picture, 0);
    expect([...(first?.torn ?? [])]).toEqual([1]);
    const second = updates.take(picture, 0);
    expect(second).not.toBe(first);
    expect([...(second?.torn ?? [])]).toEqual([]);
    expect(updates.take(picture, 0)).toBe(second);
    await updates.close();
  });

  it('forgets what it kept when it rests', async () => {
    const picture = await pictureOf(new Screen(64, 64));
    const updates = new SharedUpdates({
      isLarge: () => false,
      coder: ({ tiles }) => ({
        parts: [Promise.resolve(new Uint8Array(1))],
        tiles,
        large: false,
        exact: true,
      }),
    });
    const first = updates.take(picture, 0);
    updates.rest();
    expect(updates.take(picture, 0)).not.toBe(first);
    await updates.close();
  });
});
