/** One of the lines that texts of the bench are made of. */
export const LINE = 'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich 🐟\n';
/** Ten million bytes and some of UTF-8. */
export const LINES = 136_000;

/** A text of ten million bytes, another one for each number. */
export function textOf(number: number): Buffer {
  return Buffer.from(`${number}\n${LINE.repeat(LINES)}`);
}
