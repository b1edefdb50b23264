/** A paragraph of the document that types itself. */
export interface Paragraph {
  readonly style: 'heading' | 'body';
  readonly text: string;
}

/** What is typed. */
export const LETTER: readonly Paragraph[] = [
  { style: 'heading', text: 'A letter from a machine without a monitor' },
  {
    style: 'body',
    text: 'Dear reader, no cable leaves this machine. Every picture it draws ends in a block of shared memory, and you are looking at that block through a browser.',
  },
  {
    style: 'body',
    text: 'The clock at the bottom shows milliseconds. Hold a phone next to it and you can photograph how late this page is.',
  },
  { style: 'heading', text: 'What to look for' },
  {
    style: 'body',
    text: 'This text is typed a letter at a time, so only a few pixels change. The log beside it scrolls, and the film changes all of its pixels. Text stays sharp when it rests; motion stays smooth when it does not.',
  },
  {
    style: 'body',
    text: 'The pointer is not part of the picture. It travels on its own, and turns into a beam, a hand and a pair of arrows on its way. Over this page the beam inverts what is below it.',
  },
  { style: 'heading', text: 'When you have a real guest' },
  {
    style: 'body',
    text: 'Start the publisher in it, point the viewer at its memory, and this desk is gone. With kind regards, the synthetic guest.',
  },
];

/** A piece of a line of the log. */
export interface Span {
  readonly text: string;
  readonly tone: 'plain' | 'dim' | 'good' | 'warm' | 'cool' | 'bad';
}

/** Words that lines of the log are made of. */
export const LOG_WORDS: {
  readonly parts: readonly [string, ...string[]];
  readonly verbs: readonly [string, ...string[]];
  readonly files: readonly [string, ...string[]];
} = {
  parts: ['native', 'protocol', 'client', 'host', 'relay', 'viewer', 'bench'],
  verbs: ['compile', 'check', 'link', 'test', 'pack', 'trace', 'render'],
  files: [
    'mapping.cc',
    'queue.ts',
    'frame.ts',
    'cursor.ts',
    'tiles/grid.ts',
    'tiles/picture.ts',
    'relay/hub.ts',
    'encode/pool.ts',
    'wire/envelope.ts',
    'web/render.ts',
    'region.ts',
    'session.ts',
  ],
};
