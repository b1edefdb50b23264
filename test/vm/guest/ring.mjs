// In a guest: opens a region, and for each ring counts in its word 16 and rings back.
//   ring.mjs CHECKOUT REGION
const [, , checkout, name] = process.argv;
const { openMapping } = await import(`${checkout}/dist/native/index.js`);

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
mapping.close();
console.log(`@ring done ${heard} ${rung} ${problem ?? 'well'}`);
