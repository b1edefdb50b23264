import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAILBOX_BYTES, MailboxReceiver, MailboxSender } from '../../../client/reader/mailbox.ts';

/** Both ends of a mailbox, and what is on its way between them, in both directions. */
class Line {
  readonly posted: number[] = [];
  asked = 0;
  readonly sender: MailboxSender<number>;
  readonly receiver: MailboxReceiver;

  constructor(merge?: (older: number, newer: number) => number) {
    const words = new Int32Array(new SharedArrayBuffer(MAILBOX_BYTES));
    const post = (value: number): void => void this.posted.push(value);
    this.sender = new MailboxSender({ words, post, ...(merge === undefined ? {} : { merge }) });
    this.receiver = new MailboxReceiver(words, () => {
      this.asked++;
    });
  }

  take(): number | undefined {
    const value = this.posted.shift();
    if (value !== undefined) this.receiver.took();
    return value;
  }

  answer(): void {
    if (this.asked === 0) return;
    this.asked--;
    this.sender.flush();
  }
}

describe('A mailbox between two threads', () => {
  it('has one message on its way, and the newest of those that came meanwhile after it', () => {
    const line = new Line();
    for (const value of [1, 2, 3]) line.sender.put(value);
    expect(line.posted).toEqual([1]);
    expect(line.take()).toBe(1);
    expect(line.posted).toEqual([]);
    line.answer();
    expect(line.posted).toEqual([3]);
    expect(line.take()).toBe(3);
    expect(line.asked).toBe(0);
    line.sender.put(4);
    expect(line.posted).toEqual([4]);
  });

  it('sends by itself what comes after a message was taken', () => {
    const line = new Line();
    line.sender.put(1);
    line.take();
    line.sender.put(2);
    expect(line.posted).toEqual([2]);
    expect(line.asked).toBe(0);
  });

  it('merges what waits', () => {
    const line = new Line((older, newer) => older + newer);
    for (const value of [1, 10, 100]) line.sender.put(value);
    line.take();
    line.answer();
    expect(line.posted).toEqual([110]);
  });

  it('brings the last value in the end, and never two at a time, whatever the order', () => {
    const step = fc.constantFrom('put', 'take', 'answer');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const line = new Line();
        let value = 0;
        let seen = 0;
        for (const what of steps) {
          if (what === 'put') line.sender.put(++value);
          else if (what === 'take') seen = line.take() ?? seen;
          else line.answer();
          expect(line.posted.length).toBeLessThanOrEqual(1);
        }
        while (line.posted.length > 0 || line.asked > 0) {
          seen = line.take() ?? seen;
          line.answer();
        }
        expect(seen).toBe(value);
      }),
    );
  });
});
