import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SpiceCursorState, SpiceFrame, SpiceSession } from '../../client/spice/index.ts';
import { SpiceMicrophone, SpiceSound } from '../../viewer/hands/index.ts';
import { launchChromium, openPage } from '../support/page-browser.ts';
import { heard, soundOf } from '../support/page-sound.ts';
import { WrittenInput } from '../support/written-input.ts';
import { Stage } from '../unit/relay/stage.ts';
import { guestProgram } from './guest-program.ts';
import { needsGuest } from './needs-guest.ts';
import { spiceOf, startSpiceGuest } from './spice-guest.ts';
import type { Screendump, VirtualMachine } from './virtual-machine.ts';

/** Of each test; the machine has as long for all of them. */
const LIMIT_MS = 300_000;
const PATIENCE = { timeout: 120_000 };
const SOUND_MODULES = ['snd_hda_codec_generic', 'snd_hda_intel', 'snd_pcm_oss'];
const DEVICES = [
  ...['-audiodev', 'spice,id=sound', '-device', 'ich9-intel-hda'],
  // With a mixer the guest begins with its sound muted, and the viewer would have to be silent.
  ...['-device', 'hda-duplex,audiodev=sound,mixer=off'],
  ...['-device', 'virtio-serial-pci', '-chardev', 'spicevmc,id=agent,name=vdagent'],
  ...['-device', 'virtserialport,chardev=agent,name=com.redhat.spice.0'],
];
/** 1000 Hz at 48 kHz: so many samples up, as many down. */
const HALF_PERIOD = 24;
/** Of the text that the guest offers. */
const TEXT_BYTES = 100_000;

/** R, G, B of a frame, as a screendump has them. */
function rgbOf(frame: SpiceFrame): Buffer {
  const rgb = Buffer.alloc(frame.widthPx * frame.heightPx * 3);
  for (let y = 0; y < frame.heightPx; y++)
    for (let x = 0; x < frame.widthPx; x++) {
      const from = y * frame.pitchBytes + x * 4;
      const to = (y * frame.widthPx + x) * 3;
      rgb[to] = frame.pixels[from + 2] ?? 0;
      rgb[to + 1] = frame.pixels[from + 1] ?? 0;
      rgb[to + 2] = frame.pixels[from] ?? 0;
    }
  return rgb;
}

function isSame(frame: SpiceFrame, dump: Screendump): boolean {
  const sameSize = frame.widthPx === dump.widthPx && frame.heightPx === dump.heightPx;
  return sameSize && rgbOf(frame).equals(dump.rgb);
}

needsGuest('chromium').describe('screen, pointer, sound and clipboard by SPICE', () => {
  let machine: VirtualMachine;
  let spice: SpiceSession;
  /** Of the screen, in the order in which they came. */
  const sizes: string[] = [];

  async function watchSizes(): Promise<void> {
    for await (const { widthPx, heightPx } of spice.display.frames()) {
      const size = `${widthPx}x${heightPx}`;
      if (sizes.at(-1) !== size) sizes.push(size);
    }
  }

  beforeAll(async () => {
    machine = await startSpiceGuest({
      devices: DEVICES,
      modules: [...SOUND_MODULES, 'virtio_console'],
      limitMs: 2 * LIMIT_MS,
      files: ['tone', 'hear', 'agent', 'pointer'].map(guestProgram),
      append: 'console=tty0 vt.global_cursor_default=0',
    });
    spice = await spiceOf(machine, { record: true });
    void watchSizes();
    await machine.ready();
  }, LIMIT_MS);

  afterAll(async () => {
    await spice?.close();
    await machine?.[Symbol.asyncDispose]();
  });

  it(
    'the text screen is what QEMU has, and the changes after it are all told',
    async () => {
      const frames = spice.display.frames();
      const first = await frames.next();
      // A copy that only what is told of changes: whoever draws damage alone has the same picture.
      let copy: { frame: SpiceFrame; pixels: Buffer } | undefined;
      const apply = (frame: SpiceFrame): SpiceFrame => {
        if (copy === undefined || copy.pixels.length !== frame.pixels.length)
          copy = { frame, pixels: Buffer.alloc(frame.pixels.length) };
        for (const { x, y, width, height } of frame.damage)
          for (let row = y; row < y + height; row++) {
            const at = row * frame.pitchBytes + x * 4;
            copy.pixels.set(frame.pixels.subarray(at, at + width * 4), at);
          }
        return { ...frame, pixels: copy.pixels };
      };
      if (first.done === true) throw new Error('there are no frames');
      let shown = apply(first.value);
      await machine.run('clear > /dev/tty1');
      await machine.run('for i in $(seq 1 20); do echo "line $i of the console" > /dev/tty1; done');
      let dump = await machine.screendump();
      expect(dump.rgb.some((value) => value > 100)).toBe(true);
      while (!isSame(shown, dump)) {
        const { value, done } = await frames.next();
        if (done === true) break;
        shown = apply(value);
        // The kernel may have had something to say after the dump.
        if (!isSame(shown, dump)) dump = await machine.screendump();
      }
      expect(isSame(shown, dump)).toBe(true);
      await frames.return();
      expect([spice.display.passedOver, spice.unknownMessages]).toEqual([0, 0]);
    },
    LIMIT_MS,
  );

  it('the screen of the firmware gives way to that of the driver', async () => {
    const dump = await machine.screendump();
    expect(sizes).toContain('720x400');
    expect(sizes.at(-1)).toBe(`${dump.widthPx}x${dump.heightPx}`);
  });

  it(
    'the pointer of the guest arrives with its shape, its hotspot and its place',
    async () => {
      // In mode `client` the viewer knows where the pointer is, and is not told.
      spice.requestMouseMode('server');
      for await (const info of spice.infos()) if (info.mouseMode === 'server') break;
      const states = spice.cursor.states();
      await machine.run('pointer &');
      let seen: SpiceCursorState | undefined;
      for await (const state of states) {
        seen = state;
        if (state.x === 103 && state.shape?.hotX === 3) break;
      }
      // The place is that of the hotspot.
      expect(seen).toMatchObject({ x: 103, y: 55, shape: { widthPx: 64, heightPx: 64, hotY: 5 } });
      const expected = Buffer.alloc(64 * 64 * 4);
      for (let y = 0; y < 64; y++)
        for (let x = 0; x < 64; x++) expected.set([x, y, 7, 255], (y * 64 + x) * 4);
      expect(expected.equals(seen?.shape?.rgba ?? Buffer.alloc(0))).toBe(true);
      await machine.run('kill $!');
    },
    LIMIT_MS,
  );

  it(
    'a tone that the guest plays arrives sample by sample',
    async () => {
      const events = spice.playback.events();
      // For as long as it takes: a machine that is busy has gaps, which cut some of the periods.
      await machine.run('tone 1000 600 &');
      const runs: number[] = [];
      let whole = 0;
      let level = 0;
      let length = 0;
      for await (const event of events) {
        if (event.kind === 'start')
          expect(event).toEqual({ kind: 'start', mode: 'raw', channels: 2, rateHz: 48_000 });
        if (event.kind !== 'data') continue;
        const samples = Buffer.from(event.data);
        for (let at = 0; at < samples.length; at += 4) {
          const left = samples.readInt16LE(at);
          expect(samples.readInt16LE(at + 2)).toBe(left);
          if (left === level) length += 1;
          else {
            if (level !== 0) runs.push(length);
            if (level !== 0 && length === HALF_PERIOD) whole += 1;
            level = left;
            length = 1;
          }
          if (left !== 0) expect(Math.abs(left)).toBe(8000);
        }
        if (whole > 300) break;
      }
      const counts = new Map<number, number>();
      for (const run of runs) counts.set(run, (counts.get(run) ?? 0) + 1);
      expect([...counts].sort(([, a], [, b]) => b - a)[0]?.[0]).toBe(HALF_PERIOD);
      await machine.run('kill $!');
    },
    LIMIT_MS,
  );

  it(
    'a tone that the guest plays is heard on a page, at its frequency',
    async () => {
      const sound = new SpiceSound(spice);
      const stage = await Stage.open({ sound });
      await using browser = await launchChromium();
      await using open = await openPage(browser, `${stage.door.url}?token=secret`);
      await expect.poll(() => soundOf(open.page), PATIENCE).not.toBe('none');
      await open.page.mouse.click(400, 300);
      await expect.poll(() => soundOf(open.page), PATIENCE).toBe('on');
      await machine.run('tone 1000 200 &');
      // What is strongest is the tone: also where a busy machine has gaps.
      const isTone = async (): Promise<boolean> => {
        const { hz, level } = await heard(open.page);
        return Math.abs(hz - 1000) < 12 && level > 0.1;
      };
      await expect.poll(isTone, PATIENCE).toBe(true);
      await machine.run('kill $!');
      await stage[Symbol.asyncDispose]();
      sound.close();
    },
    LIMIT_MS,
  );

  it(
    'what is said into the microphone is heard in the guest',
    async () => {
      const { record } = spice;
      if (record === undefined) throw new Error('the machine has no microphone');
      const events = record.events();
      await machine.run('hear &');
      const { value: start } = await events.next();
      if (start?.kind !== 'start') throw new Error('the guest does not record');
      const level = 4321;
      let done = false;
      const heard = machine.events.take(new RegExp(`^hear ${level}$`)).then(() => {
        done = true;
      });
      // As a microphone does: 10 ms at a time, for as long as it is not heard.
      const samples = Buffer.alloc((start.rateHz / 100) * start.channels * 2);
      for (let at = 0; at < samples.length; at += 2) samples.writeInt16LE(level, at);
      for (let timeMs = 0; !done; timeMs += 10) {
        record.write(samples, timeMs);
        await new Promise<void>((resolve) => setTimeout(resolve, 10));
      }
      await heard;
      await machine.run('kill $!');
      for await (const event of events) if (event.kind === 'stop') break;
    },
    LIMIT_MS,
  );

  it(
    'the microphone of a browser is heard in the guest',
    async () => {
      const microphone = new SpiceMicrophone(spice);
      await using stage = await Stage.open({ input: new WrittenInput(), microphone });
      // The browser's false microphone beeps about once a second.
      await using browser = await launchChromium([
        ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
      ]);
      await using open = await openPage(browser, `${stage.door.url}?token=secret`);
      const { page } = open;
      const isOn = () =>
        page.evaluate(() => document.querySelector('kvmfr-view')?.sound.microphone);
      await expect.poll(isOn, PATIENCE).toBe('off');
      await machine.run('hear 500 &');
      await page.getByRole('button', { name: 'Sound', exact: true }).press('Enter');
      await page.getByRole('button', { name: 'Speak to the guest' }).press('Enter');
      await expect.poll(isOn, PATIENCE).toBe('on');
      for (const what of ['loud', 'quiet', 'loud', 'quiet'])
        await machine.events.take(new RegExp(`^hear ${what}$`));
      await page.getByRole('button', { name: 'Turn it off' }).press('Enter');
      await expect.poll(isOn, PATIENCE).toBe('off');
      await machine.run('kill $!');
      microphone.close();
    },
    LIMIT_MS,
  );

  it(
    'texts come and go by the clipboard, large ones too',
    async () => {
      const events = spice.agent.events();
      const port = await machine.run('grep -l com.redhat.spice.0 /sys/class/virtio-ports/*/name');
      const name = port.output[0]?.split('/').at(-2);
      await machine.run(`agent /dev/${name} ${TEXT_BYTES} &`);
      for await (const event of events) if (event.kind === 'grab') break;
      const expected = Buffer.alloc(TEXT_BYTES, 'abcdefghijklmnopqrstuvwxyz');
      expect(expected.equals((await spice.agent.read('text')) ?? Buffer.alloc(0))).toBe(true);

      const ours = Buffer.from('Grüße, 你好\n'.repeat(20_000), 'utf8');
      const requests = spice.agent.events();
      expect(spice.agent.grab(['text'])).toBe(true);
      for await (const event of requests)
        if (event.kind === 'request') {
          expect(event).toEqual({ kind: 'request', selection: 'clipboard', type: 'text' });
          break;
        }
      spice.agent.write('text', ours);
      const sum = ours.reduce((total, byte) => total + byte, 0);
      expect(await machine.events.take(/^agent/)).toBe(`agent text ${ours.length} ${sum}`);
    },
    LIMIT_MS,
  );
});
