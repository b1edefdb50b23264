/** Bytes as they are drawn in docs/wire.md: hexadecimal, with spaces and line breaks anywhere. */
export function bytes(...drawn: readonly string[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(drawn.join('').replace(/\s+/g, ''), 'hex'));
}

/** A copy of a message with some bytes replaced. */
export function patched(message: Uint8Array, at: number, ...values: readonly number[]): Uint8Array {
  const copy = message.slice();
  copy.set(values, at);
  return copy;
}

/** The code of the error that a call throws, or undefined when it throws none. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error
      ? String(error.code)
      : 'no code';
  }
}
