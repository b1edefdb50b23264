import type { Region } from './region.ts';

// The only file that says Atomics. Everything here is sequentially consistent, which is at least as
// strong as every rule of the protocol, and exact across processes on a shared mapping.

/** Loads a 32-bit word. `at` is a multiple of 4. */
export function loadU32(region: Region, at: number): number {
  return Atomics.load(region.words, at >>> 2) >>> 0;
}

/** Stores a 32-bit word. */
export function storeU32(region: Region, at: number, value: number): void {
  Atomics.store(region.words, at >>> 2, value | 0);
}

/** Adds to a 32-bit word and gives what it was. */
export function addU32(region: Region, at: number, value: number): number {
  return Atomics.add(region.words, at >>> 2, value | 0) >>> 0;
}

/** Sets bits of a 32-bit word and gives what it was. */
export function orU32(region: Region, at: number, bits: number): number {
  return Atomics.or(region.words, at >>> 2, bits | 0) >>> 0;
}

/** Keeps only these bits of a 32-bit word and gives what it was. */
export function andU32(region: Region, at: number, bits: number): number {
  return Atomics.and(region.words, at >>> 2, bits | 0) >>> 0;
}

/** Puts a value in a 32-bit word and gives what it was. */
export function exchangeU32(region: Region, at: number, value: number): number {
  return Atomics.exchange(region.words, at >>> 2, value | 0) >>> 0;
}

/** Puts a value in a 32-bit word if it is `expected`; gives what it was. */
export function compareExchangeU32(
  region: Region,
  at: number,
  swap: { readonly expected: number; readonly value: number },
): number {
  return Atomics.compareExchange(region.words, at >>> 2, swap.expected | 0, swap.value | 0) >>> 0;
}

/** Puts a value in a byte and gives what it was. */
export function exchangeU8(region: Region, at: number, value: number): number {
  return Atomics.exchange(region.octets, at, value) & 0xff;
}

/** Stores a byte. */
export function storeU8(region: Region, at: number, value: number): void {
  Atomics.store(region.octets, at, value);
}

/** Loads a byte. */
export function loadU8(region: Region, at: number): number {
  return Atomics.load(region.octets, at) & 0xff;
}

/** Loads a 64-bit word. `at` is a multiple of 8. */
export function loadU64(region: Region, at: number): bigint {
  return BigInt.asUintN(64, Atomics.load(region.longs, at / 8));
}

/** Stores a 64-bit word. */
export function storeU64(region: Region, at: number, value: bigint): void {
  Atomics.store(region.longs, at / 8, value);
}
