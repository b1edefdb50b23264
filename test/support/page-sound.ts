import type { Page } from 'playwright-core';
// Makes `document.querySelector('kvmfr-view')` known as what it is.
import type {} from '../../viewer/web/index.ts';

/** How the sound of a page stands. */
export function soundOf(page: Page): Promise<string | undefined> {
  return page.evaluate(() => document.querySelector('kvmfr-view')?.sound.state);
}

/** What is heard on a page, as an analyser shows it: the strongest frequency, and how strong. */
export function heard(page: Page): Promise<{ readonly hz: number; readonly level: number }> {
  return page.evaluate(() => {
    const output = document.querySelector('kvmfr-view')?.soundOutput;
    if (output === undefined) return { hz: 0, level: 0 };
    const analyser = new AnalyserNode(output.context, { fftSize: 8192, smoothingTimeConstant: 0 });
    output.connect(analyser);
    return new Promise((resolve) => {
      const windowS = analyser.fftSize / output.context.sampleRate;
      const beganS = output.context.currentTime;
      const look = (): void => {
        // Another output may have taken its place, and this one's clock stands still.
        if (output.context.state === 'closed') {
          resolve({ hz: 0, level: 0 });
          return;
        }
        // Until the analyser has had a window of its own, it shows what was before.
        if (output.context.currentTime - beganS < windowS) {
          requestAnimationFrame(look);
          return;
        }
        const bins = new Float32Array(analyser.frequencyBinCount);
        const wave = new Float32Array(analyser.fftSize);
        analyser.getFloatFrequencyData(bins);
        analyser.getFloatTimeDomainData(wave);
        output.disconnect(analyser);
        const best = bins.reduce((at, value, index) => (value > (bins[at] ?? 0) ? index : at), 0);
        const level = wave.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        resolve({ hz: (best * output.context.sampleRate) / analyser.fftSize, level });
      };
      look();
    });
  });
}
