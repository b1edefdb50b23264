import { expect, it } from 'vitest';
import { SessionNews } from '../../../cli/session-news.ts';

it('sessions that are begun anew are told, and a rival once, until there was peace for a while', () => {
  const news = new SessionNews();
  expect(news.begun(0xab, 0)).toBe('session 0xab, because the one before was written over');
  expect(news.begun(0xcd, 250)).toMatch(/^session 0xcd, /);
  expect(news.begun(0xef, 500)).toMatch(/^something else publishes in this region/);
  for (let nowMs = 750; nowMs < 60_000; nowMs += 250) expect(news.begun(1, nowMs)).toBeUndefined();
  expect(news.begun(0x12, 75_000)).toMatch(/^session 0x12, /);
});

it('a machine that reboots now and then is no rival', () => {
  const news = new SessionNews();
  for (let boot = 1; boot < 10; boot++)
    expect(news.begun(boot, boot * 6000)).toMatch(/^session 0x/);
});
