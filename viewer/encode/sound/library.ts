// The part of WebCodecs that codes sound, as the W3C writes it. Node has no types for it.

/** Source: W3C WebCodecs, `AudioData`. */
export interface LibraryAudio {
  close(): void;
}

/** Source: W3C WebCodecs, `EncodedAudioChunk`. */
export interface LibraryAudioChunk {
  readonly byteLength: number;
  copyTo(destination: Uint8Array): void;
}

/** Source: W3C WebCodecs, `AudioEncoderConfig`. */
export interface LibraryAudioConfig {
  readonly codec: 'opus';
  readonly sampleRate: number;
  readonly numberOfChannels: number;
  readonly bitrate: number;
  readonly opus: { readonly frameDuration: number };
}

/** Source: W3C WebCodecs, `AudioEncoder`. */
export interface LibraryAudioEncoder {
  configure(config: LibraryAudioConfig): void;
  encode(audio: LibraryAudio): void;
  close(): void;
}

/** A WebCodecs implementation. */
export interface SoundLibrary {
  readonly AudioData: new (init: {
    readonly format: 'f32';
    readonly sampleRate: number;
    readonly numberOfFrames: number;
    readonly numberOfChannels: number;
    readonly timestamp: number;
    readonly data: Float32Array<ArrayBuffer>;
  }) => LibraryAudio;
  readonly AudioEncoder: {
    new (init: {
      readonly output: (chunk: LibraryAudioChunk) => void;
      readonly error: (error: unknown) => void;
    }): LibraryAudioEncoder;
    isConfigSupported(config: LibraryAudioConfig): Promise<{ readonly supported?: boolean }>;
  };
}

/**
 * Loads a WebCodecs implementation and asks it for Opus.
 *
 * @throws Error that says what is missing
 */
export async function loadSoundLibrary(
  name: string,
  config: LibraryAudioConfig,
): Promise<SoundLibrary> {
  const found: unknown = await import(name);
  const library = [found, fieldOf(found, 'default')].find(isSoundLibrary);
  if (library === undefined)
    throw new Error(`${name} has no AudioEncoder and AudioData as WebCodecs has them`);
  const { supported } = await library.AudioEncoder.isConfigSupported(config);
  if (supported !== true) throw new Error(`${name} cannot encode ${config.codec}`);
  return library;
}

function isSoundLibrary(found: unknown): found is SoundLibrary {
  return (
    typeof fieldOf(found, 'AudioEncoder') === 'function' &&
    typeof fieldOf(found, 'AudioData') === 'function'
  );
}

function fieldOf(value: unknown, name: string): unknown {
  return (typeof value === 'object' || typeof value === 'function') && value !== null
    ? Reflect.get(value, name)
    : undefined;
}
