import { GlobalFonts } from '@napi-rs/canvas';
import { MONO_REGULAR, SANS_REGULAR, SANS_SEMIBOLD } from './font-data.ts';

// Names of our own, so that fonts installed on the machine can never be taken instead.
const SANS = 'KvmfrPatternSans';
const SANS_BOLD = 'KvmfrPatternSansBold';
const MONO = 'KvmfrPatternMono';

let registered = false;

/** Makes the fonts known to the canvas; the first call does it. */
export function registerFonts(): void {
  if (registered) return;
  GlobalFonts.register(Buffer.from(SANS_REGULAR, 'base64'), SANS);
  GlobalFonts.register(Buffer.from(SANS_SEMIBOLD, 'base64'), SANS_BOLD);
  GlobalFonts.register(Buffer.from(MONO_REGULAR, 'base64'), MONO);
  registered = true;
}

/** CSS names of the fonts in a size. */
export const FONT: {
  readonly sans: (sizePx: number) => string;
  readonly bold: (sizePx: number) => string;
  readonly mono: (sizePx: number) => string;
} = {
  sans: (sizePx) => `${sizePx}px ${SANS}`,
  bold: (sizePx) => `${sizePx}px ${SANS_BOLD}`,
  mono: (sizePx) => `${sizePx}px ${MONO}`,
};
