import { describe, expect, it } from 'vitest';
import { STATES } from '../../../protocol/wire/index.ts';
import { sameStatus, viewStatus } from '../../../viewer/web/core/status.ts';
import { sourceText } from '../../../viewer/web/page/source-chip.ts';
import { noticeFor, timeAgo } from '../../../viewer/web/states.ts';

const NONE = { state: undefined, session: undefined, bye: undefined, fault: undefined };
const SESSION = { release: 'B7', lgmpVersion: 6, kvmfrVersion: 20, hostVersion: 'B7' };
const SINCE = { retrying: false, sinceMs: 0 };

describe('viewStatus()', () => {
  it('is connecting before anything is known', () => {
    expect(viewStatus({ ...NONE, link: { name: 'connecting' } })).toEqual({
      state: 'connecting',
      retrying: true,
    });
  });

  it('is what the relay says while there is a connection', () => {
    const state = { state: 'too-small', message: 'm', hint: 'h', code: 'c', needMib: 64 } as const;
    expect(viewStatus({ ...NONE, link: { name: 'open' }, state, session: SESSION })).toEqual({
      ...state,
      session: SESSION,
      retrying: false,
    });
  });

  it('is disconnected without a connection, and remembers the guest', () => {
    const link = { name: 'lost', reason: 'closed' } as const;
    expect(viewStatus({ ...NONE, link, session: SESSION })).toEqual({
      state: 'disconnected',
      session: SESSION,
      retrying: true,
    });
  });

  it('gives the last words of the relay', () => {
    const bye = { code: 'ERR_KVMFR_BUSY', message: 'too many viewers', retry: false };
    expect(viewStatus({ ...NONE, link: { name: 'idle' }, bye })).toEqual({
      state: 'disconnected',
      code: 'ERR_KVMFR_BUSY',
      message: 'too many viewers',
      retrying: false,
    });
  });

  it('is unauthorized when the relay wants its token, and says nothing about the guest', () => {
    const link = { name: 'lost', reason: 'unauthorized' } as const;
    expect(viewStatus({ ...NONE, link, session: SESSION })).toEqual({
      state: 'unauthorized',
      retrying: true,
    });
  });

  it('is failed after a fault, until the relay has spoken again', () => {
    const fault = { code: 'ERR_KVMFR_WIRE', message: 'm' };
    const link = { name: 'lost', reason: 'closed' } as const;
    expect(viewStatus({ ...NONE, link, fault })).toEqual({
      state: 'failed',
      ...fault,
      retrying: true,
    });
  });

  it('tells statuses apart by what a person sees', () => {
    const one = viewStatus({ ...NONE, link: { name: 'connecting' } });
    expect(sameStatus(one, { ...one })).toBe(true);
    expect(sameStatus(one, { ...one, message: 'x' })).toBe(false);
    expect(sameStatus(one, { ...one, session: SESSION })).toBe(false);
  });
});

describe('noticeFor()', () => {
  it('says nothing while the guest is shown', () => {
    expect(noticeFor({ state: 'showing', ...SINCE }, true).place).toBe('none');
  });

  it('covers the view in every other state without a picture', () => {
    const names = [...STATES, 'connecting', 'disconnected', 'unauthorized'] as const;
    for (const state of names) {
      const notice = noticeFor({ state, ...SINCE }, false);
      expect(notice.place, state).toBe('panel');
      expect(notice.title, state).not.toBe('');
    }
  });

  it.each(['stale', 'disconnected', 'connecting'] as const)(
    'keeps the picture when %s',
    (state) => {
      expect(noticeFor({ state, ...SINCE }, true).place).toBe('strip');
    },
  );

  it.each(['waiting', 'incompatible', 'too-small', 'denied', 'failed', 'unauthorized'] as const)(
    'covers an old picture when %s',
    (state) => {
      expect(noticeFor({ state, ...SINCE }, true).place).toBe('panel');
    },
  );

  it('gives steps while it waits, unless the relay knows better', () => {
    expect(noticeFor({ state: 'waiting', ...SINCE }, false).steps).toHaveLength(3);
    const told = noticeFor({ state: 'waiting', hint: 'Start it.', ...SINCE }, false);
    expect(told.steps).toEqual([]);
    expect(told.hint).toBe('Start it.');
  });

  it('names the size that is needed once', () => {
    const bare = noticeFor({ state: 'too-small', message: 'No.', needMib: 127.2, ...SINCE }, false);
    expect(bare.text).toBe('No. At least 128 MiB are needed.');
    const told = noticeFor(
      { state: 'too-small', message: 'Needs 128 MiB.', needMib: 128, ...SINCE },
      false,
    );
    expect(told.text).toBe('Needs 128 MiB.');
  });

  it('offers to connect only when nothing else will', () => {
    expect(noticeFor({ state: 'disconnected', ...SINCE }, false).action).toBe('connect');
    expect(
      noticeFor({ state: 'disconnected', ...SINCE, retrying: true }, false).action,
    ).toBeUndefined();
  });

  it('offers to reload when page and relay differ, but not when the relay failed', () => {
    const wire = { state: 'failed', code: 'ERR_KVMFR_WIRE', ...SINCE } as const;
    expect(noticeFor({ ...wire, retrying: true }, true)).toMatchObject({
      place: 'panel',
      action: 'reload',
    });
    expect(noticeFor(wire, true).action).toBeUndefined();
    const browser = noticeFor({ ...wire, code: 'ERR_KVMFR_UNSUPPORTED', retrying: true }, false);
    expect(browser.title).toBe('This browser cannot show the guest');
  });

  it('makes sentences of what the relay says', () => {
    const said = { message: 'no host runs in /dev/shm/x', hint: 'start it!' };
    const notice = noticeFor({ state: 'waiting', ...said, ...SINCE }, false);
    expect(notice.text).toBe('No host runs in /dev/shm/x.');
    expect(notice.hint).toBe('Start it!');
  });

  it('cuts a text that would push everything else away', () => {
    const message = 'A'.repeat(5000);
    const { text } = noticeFor({ state: 'waiting', message, ...SINCE }, false);
    expect(text).toBe(`${'A'.repeat(400)}…`);
  });
});

describe('timeAgo()', () => {
  it.each([
    [-5, 'just now'],
    [1999, 'just now'],
    [2000, '2 s ago'],
    [59_999, '59 s ago'],
    [60_000, '1 min ago'],
    [3_599_999, '59 min ago'],
    [7_200_000, '2 h ago'],
  ])('says %i ms as %s', (ms, text) => {
    expect(timeAgo(ms)).toBe(text);
  });
});

describe('a screen by SPICE', () => {
  const spice = { ...SINCE, source: 'spice' } as const;

  it('is named after where it comes from, and why', () => {
    expect(sourceText({ ...spice, state: 'showing' })).toBe('Screen by SPICE');
    expect(sourceText({ ...spice, state: 'showing', hint: 'No host runs.' })).toBe(
      'Boot screen by SPICE',
    );
    expect(sourceText({ ...SINCE, state: 'showing', source: 'lgmp', hint: 'x' })).toBe('');
    expect(sourceText({ ...SINCE, state: 'connecting' })).toBe('');
  });

  it.each([
    ['ERR_KVMFR_PASSWORD', 'The SPICE server wants another password'],
    ['ERR_KVMFR_BUSY', 'Another viewer has the screen'],
    ['ERR_KVMFR_DENIED', 'The SPICE server cannot be used'],
  ])('that is refused with %s says so, and nothing of shared memory', (code, title) => {
    const notice = noticeFor({ ...spice, state: 'denied', code, message: 'it is so' }, true);
    expect(notice).toMatchObject({ title, text: 'It is so.', place: 'panel', code });
    expect(JSON.stringify(notice)).not.toMatch(/shared memory|Looking Glass/);
  });

  it('is waited for without advice about a Looking Glass host', () => {
    const notice = noticeFor({ ...spice, state: 'waiting', message: 'connecting' }, false);
    expect(notice.steps).toEqual([]);
    expect(noticeFor({ ...SINCE, state: 'waiting' }, false).steps).not.toEqual([]);
  });

  it('is another status than one of the region', () => {
    const status = { state: 'showing', retrying: false } as const;
    expect(sameStatus(status, { ...status, source: 'spice' })).toBe(false);
  });
});
