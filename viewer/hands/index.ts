/** Ways for keys, pointer and clipboard into a guest: by its SPICE server, by QEMU's control socket, by its region. */
export { contentsFault } from './contents.ts';
export type {
  ClipboardAvailability,
  GuestClipboard,
  GuestOffer,
  ProvideContents,
} from './guest-clipboard.ts';
export type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';
export { type InputLine, LgmpInput } from './lgmp-input.ts';
export { QmpInput, type QmpInputOptions, type QmpState } from './qmp-input.ts';
export { SpiceClipboard, type SpiceClipboardOptions } from './spice-clipboard.ts';
export { SpiceInput } from './spice-input.ts';
