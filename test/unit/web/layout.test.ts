import { describe, expect, it } from 'vitest';
import { type LayoutInput, layoutPicture } from '../../../viewer/web/render/layout.ts';

const INPUT: LayoutInput = {
  mode: 'fit',
  turns: 0,
  widthPx: 1920,
  heightPx: 1080,
  placeWidthPx: 1440,
  placeHeightPx: 900,
  devicePixelRatio: 1,
};

function layout(change: Partial<LayoutInput>) {
  return layoutPicture({ ...INPUT, ...change });
}

describe('layoutPicture()', () => {
  it('fits all of the picture into its place, in the middle', () => {
    expect(layout({})).toEqual({
      width: 1440,
      height: 810,
      left: 0,
      top: 45,
      boxWidth: 1440,
      boxHeight: 810,
      transform: 'none',
      crisp: false,
      scrolls: false,
    });
  });

  it('is crisp at whole ratios, also when they are taken down to', () => {
    expect(layout({ widthPx: 720, heightPx: 450 })).toMatchObject({ width: 1440, crisp: true });
    expect(layout({ widthPx: 710, heightPx: 444 })).toMatchObject({
      width: 1420,
      height: 888,
      left: 10,
      top: 6,
      crisp: true,
    });
    expect(layout({ widthPx: 700, heightPx: 430 })).toMatchObject({ width: 1440, crisp: false });
  });

  it('does not make a picture smaller than it has to be to have a whole ratio below one', () => {
    expect(layout({ widthPx: 1441, heightPx: 900 })).toMatchObject({ width: 1440, crisp: false });
  });

  it('shows a pixel on each pixel of the display at 1:1', () => {
    const at = layout({ mode: '1:1', widthPx: 640, heightPx: 480, devicePixelRatio: 2 });
    expect(at).toMatchObject({ width: 320, height: 240, left: 200, top: 105, crisp: true });
    expect(at.scrolls).toBe(false);
  });

  it('lies on whole pixels of the display at broken ratios of the display', () => {
    const at = layout({ mode: '1:1', widthPx: 641, heightPx: 481, devicePixelRatio: 1.25 });
    expect(at.left * 1.25).toBe(399);
    expect(at.top * 1.25).toBe(209);
    expect(at.width * 1.25).toBe(641);
  });

  it('scrolls at 1:1 when the picture is larger, from its left upper corner', () => {
    expect(layout({ mode: '1:1' })).toMatchObject({
      width: 1920,
      height: 1080,
      left: 0,
      top: 0,
      scrolls: true,
    });
  });

  it('leaves no border when it fills', () => {
    expect(layout({ mode: 'fill' })).toMatchObject({
      width: 1600,
      height: 900,
      left: 0,
      top: 0,
      scrolls: true,
    });
  });

  it.each([
    [1, 'translate(506px, 0px) rotate(90deg)'],
    [3, 'translate(0px, 900px) rotate(270deg)'],
    [-1, 'translate(0px, 900px) rotate(270deg)'],
    [5, 'translate(506px, 0px) rotate(90deg)'],
  ])('turns a picture by %i quarters into its box', (turns, transform) => {
    expect(layout({ turns })).toEqual({
      width: 900,
      height: 506,
      left: 467,
      top: 0,
      boxWidth: 506,
      boxHeight: 900,
      transform,
      crisp: false,
      scrolls: false,
    });
  });

  it('keeps the box when it turns by half', () => {
    expect(layout({ turns: 2 })).toMatchObject({
      boxWidth: 1440,
      boxHeight: 810,
      transform: 'translate(1440px, 810px) rotate(180deg)',
    });
  });

  it('survives a place without any size', () => {
    const at = layout({ placeWidthPx: 0, placeHeightPx: 0 });
    expect(at.boxWidth).toBe(1);
    expect(at.boxHeight).toBe(1);
  });
});
