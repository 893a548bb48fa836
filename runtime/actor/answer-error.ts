/** An error as whoever asked sees it: one of ours keeps its code, and with it whether asking again may help; any other is a defect. */

import { TroupeError } from '../codec/errors.ts';
import type { AnswerError } from './engine.ts';

export function answerErrorOf(error: unknown): AnswerError {
  if (!(error instanceof TroupeError)) return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  const { code, message, location } = error;
  return { code, message: location === undefined ? message : `${message} (${location})` };
}
