// In a guest: opens a region, and for each ring counts in its word 16 and rings back.
//   ring.mjs CHECKOUT REGION
import { readdirSync, readlinkSync, writeSync } from 'node:fs';

const [, , checkout, name] = process.argv;
const { openMapping } = await import(`${checkout}/dist/native/index.js`);

// As kvmfr info does, which leaves the device as it was.
openMapping(name, { access: 'read-only' }).close();
const mapping = openMapping(name, { looks: 'loop' });
const words = new Uint32Array(mapping.buffer);
mapping.doorbell.listen(() => {
  Atomics.add(words, 16, 1);
  mapping.doorbell.ring();
});
console.log(`@ring ready ${mapping.doorbell.summary.ownId} ${mapping.byteLength}`);
// Until word 17 says that it is enough.
await mapping.wait([{ offsetBytes: 68, value: 0 }], { timeoutMs: Number.POSITIVE_INFINITY });
const { heard, rung, problem } = mapping.doorbell.summary;
// The device stops answering for its memory, as when somebody resets it: by its command register.
const device = readdirSync('/proc/self/fd').find((fd) => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).includes('[vfio-device]');
  } catch {
    return false;
  }
});
writeSync(Number(device), new Uint8Array(2), 0, 2, 7 * 2 ** 40 + 4);
console.log(`@ring cut ${words[16]} ${mapping.lost} ${mapping.stillThere()}`);
mapping.close();
console.log(`@ring done ${heard} ${rung} ${problem ?? 'well'}`);
