/** A row of the table of what was tried. */
export interface CampaignRow {
  readonly target: string;
  /** What is counted: inputs that were read, words that were written, requests that were made. */
  readonly unit: 'inputs' | 'words written' | 'requests';
  readonly executions: number;
  readonly seconds: number;
  /** How different they were, in words: inputs, kinds of answer, edges of the code. */
  readonly variety: string;
  readonly seed: number;
  /** Crashes, hangs, reports of a sanitizer, and whatever else should not be. */
  readonly findings: readonly string[];
}

/** Something that is tried for some time. */
export interface Campaign {
  readonly name: string;
  /** Its part of the time, compared with that of the others. */
  readonly share: number;
  readonly run: (budget: CampaignBudget) => Promise<CampaignRow>;
}

/** What a campaign may use. */
export interface CampaignBudget {
  readonly seconds: number;
  readonly seed: number;
}

/** Says so when nothing has moved for very long; machines are stopped and loaded, so it is patient. */
export const HANG_MS = 180_000;
