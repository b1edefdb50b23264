import { describe, expect, it } from 'vitest';
import { editBetween } from '../../../../viewer/web/page/edit.ts';

describe('an edit of a touch keyboard', () => {
  it.each([
    ['__', '__a', 0, 'a'],
    ['__', '_', 1, ''],
    ['__', '__', 0, ''],
    // A keyboard that corrects itself writes the word anew.
    ['__teh', '__the ', 2, 'he '],
    ['__a', '', 3, ''],
    // A character of two halves is one, for the guest as for a person.
    ['__😀', '__😁', 1, '😁'],
    ['__😀', '__', 1, ''],
  ])('from %j to %j is %d deleted and %j typed', (before, after, deleted, inserted) => {
    expect(editBetween(before, after)).toEqual({ deleted, inserted });
  });
});
