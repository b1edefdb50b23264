/** Ways for keys, pointer, clipboard and sound into a guest and out of it: SPICE, QEMU's control socket, its region. */
export { contentsFault } from './contents.ts';
export { EitherInput } from './either-input.ts';
export type {
  ClipboardAvailability,
  GuestClipboard,
  GuestOffer,
  ProvideContents,
} from './guest-clipboard.ts';
export type { GuestInput, GuestScreen, InputAbilities } from './guest-input.ts';
export type {
  GuestMicrophone,
  GuestSound,
  SoundAbility,
  SoundListener,
  SoundPacket,
} from './guest-sound.ts';
export { type ClipboardLine, LgmpClipboard } from './lgmp-clipboard.ts';
export { type InputLine, LgmpInput } from './lgmp-input.ts';
export { PlacedInput, type PointerWish } from './placed-input.ts';
export { QmpInput, type QmpInputOptions, type QmpState } from './qmp-input.ts';
export { SpiceClipboard, type SpiceClipboardOptions } from './spice-clipboard.ts';
export { SpiceInput } from './spice-input.ts';
export { SpiceMicrophone } from './spice-microphone.ts';
export { SpiceSound } from './spice-sound.ts';
