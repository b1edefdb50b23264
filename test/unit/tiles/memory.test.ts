import { afterEach, describe, expect, it, vi } from 'vitest';
import { PictureMemory } from '../../../client/tiles/memory.ts';
import { Picture } from '../../../client/tiles/picture.ts';
import { KvmfrError } from '../../../protocol/error.ts';
import { Screen } from './guest.ts';

const failure = vi.hoisted(() => ({ code: '' }));

vi.mock('../../../native/index.ts', async (original) => {
  const native = await original<typeof import('../../../native/index.ts')>();
  return {
    ...native,
    createSharedMemory(bytes: number) {
      if (failure.code === '') return native.createSharedMemory(bytes);
      throw new KvmfrError(failure.code as 'ERR_KVMFR_SYSCALL', 'no memory for this test');
    },
  };
});

afterEach(() => {
  failure.code = '';
});

function pictureIn(shared: boolean | 'must'): Picture {
  return new Picture({ memory: new PictureMemory({ shared }) });
}

describe('The memory of a picture', () => {
  it('is kept to this thread where it cannot be shared, unless it must be', async () => {
    failure.code = 'ERR_KVMFR_UNSUPPORTED';
    const screen = new Screen(100, 70);
    screen.noise(1);
    const picture = pictureIn(true);
    picture.keepPlanes(true);
    expect(await picture.update(screen.frame())).toBe('changed');
    expect([picture.place, picture.planes]).toEqual([undefined, undefined]);
    expect(picture.pixels.byteLength).toBe(100 * 70 * 4);
    await expect(pictureIn('must').update(screen.frame())).rejects.toMatchObject({
      code: 'ERR_KVMFR_UNSUPPORTED',
    });
  });

  it('leaves the picture as it was when there is none for a larger one', async () => {
    const small = new Screen(64, 64);
    small.noise(1);
    const large = new Screen(640, 640);
    const picture = pictureIn(true);
    picture.keepPlanes(true);
    await picture.update(small.frame());
    const { serial, epoch, planes } = picture;
    const before = Buffer.from(picture.pixels);
    failure.code = 'ERR_KVMFR_SYSCALL';
    await expect(picture.update(large.frame())).rejects.toMatchObject({
      code: 'ERR_KVMFR_SYSCALL',
    });
    expect([picture.serial, picture.epoch, picture.updating]).toEqual([serial, epoch, false]);
    expect(picture.planes).toEqual(planes);
    expect(Buffer.compare(picture.pixels, before)).toBe(0);
    failure.code = '';
    expect(await picture.update(large.frame())).toBe('changed');
    expect(picture.epoch).toBe(epoch + 1);
    picture.close();
  });

  it('has no bytes any more once it is closed', async () => {
    const picture = pictureIn(true);
    await picture.update(new Screen(64, 64).frame());
    const { pixels } = picture;
    picture.close();
    expect([pixels.byteLength, picture.pixels.byteLength]).toEqual([0, 0]);
    expect(picture.place).toBeUndefined();
  });
});
