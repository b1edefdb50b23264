/** What makes one text of another, at its end. */
export interface Edit {
  /** Characters to delete from the end of the first. */
  readonly deleted: number;
  /** What is to follow then. */
  readonly inserted: string;
}

/** How a text became another, as somebody would have done it who types at its end. */
export function editBetween(before: string, after: string): Edit {
  // By characters: half of one is none.
  const old = [...before];
  const now = [...after];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same++;
  return { deleted: old.length - same, inserted: now.slice(same).join('') };
}
