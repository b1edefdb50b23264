// What the guest of a race shows: all of one word while it is raced, a pattern of a seed to compare.

export const WIDTH = 320;
export const HEIGHT = 200;

/** A frame whose pixels are all the same: what is torn shows. */
export function plain(number) {
  const words = new Uint32Array(WIDTH * HEIGHT).fill((0xff000000 | (number & 0xffffff)) >>> 0);
  return new Uint8Array(words.buffer);
}

/** A frame in which no pixel is like its neighbours: B, G, R, 255. */
export function pattern(seed) {
  const words = new Uint32Array(WIDTH * HEIGHT);
  for (let i = 0; i < words.length; i++)
    words[i] = (0xff000000 | ((Math.imul(i + seed * 7919, 0x9e3779b1) >>> 8) & 0xffffff)) >>> 0;
  return new Uint8Array(words.buffer);
}

/** Whether all pixels are of one word. */
export function isPlain(bytes) {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  return words.every((word) => word === words[0]);
}
