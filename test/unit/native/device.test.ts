import { closeSync, openSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { askChild, run, scratchFolder } from './scratch.ts';

const folder = scratchFolder();
const library = join(folder, 'device-shim.so');

beforeAll(async () => {
  const source = fileURLToPath(new URL('./children/device-shim.c', import.meta.url));
  const built = await run('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  if (built.status !== 0) throw new Error(`the preload library was not built: ${built.stderr}`);
});

/** Opens a file of `byteLength` bytes that claims to be a device whose GETSIZE is `claimed`. */
function openDevice(byteLength: number, claimed: number): Promise<unknown> {
  const path = join(folder, `device-${byteLength}-${claimed}`);
  const sizeFile = `${path}.size`;
  closeSync(openSync(path, 'w'));
  truncateSync(path, byteLength);
  writeFileSync(sizeFile, String(claimed));
  const { dev, ino } = statSync(path, { bigint: true });
  return askChild('open-device.mjs', [path, sizeFile], {
    env: {
      LD_PRELOAD: library,
      KVMFR_SHIM_IDENTITY: `${dev}:${ino}`,
      KVMFR_SHIM_SIZE_FILE: sizeFile,
    },
  });
}

describe('Mapping.open of a kvmfr device', () => {
  test('takes the size from GETSIZE, not from the file, and notices what happens to it', async () => {
    expect(await openDevice(128 * 1024, 64 * 1024)).toEqual({
      kind: 'kvmfr-device',
      byteLength: 64 * 1024,
      bufferLength: 64 * 1024,
      lastWord: 0,
      presences: ['same', 'resized', 'replaced', 'gone'],
    });
  });

  test('understands the size of a device of 2 GiB and more, which libc makes negative', async () => {
    const byteLength = 3 * 2 ** 30;
    expect(await openDevice(byteLength, byteLength)).toMatchObject({
      kind: 'kvmfr-device',
      byteLength,
      lastWord: 0,
    });
  });

  test.each([0, 4097])('refuses a device of %d bytes for its SIZE', async (claimed) => {
    expect(await openDevice(64 * 1024, claimed)).toMatchObject({ code: 'ERR_KVMFR_SIZE' });
  });
});
