import type { ParserTarget } from '../loop/parser-target.ts';
import { COMMAND_LINE } from './cli.ts';
import { REGION_TARGETS } from './region.ts';
import { WEB_TARGETS } from './web.ts';
import { RELAY_MESSAGES, VIEWER_MESSAGES } from './wire.ts';

/** Everything of ours that reads what somebody else has written. */
export const PARSERS: readonly ParserTarget[] = [
  RELAY_MESSAGES,
  VIEWER_MESSAGES,
  ...REGION_TARGETS,
  ...WEB_TARGETS,
  COMMAND_LINE,
];
