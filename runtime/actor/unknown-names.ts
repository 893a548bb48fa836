/** Refusals of names that nobody has, with a guess at the one that was meant. What is written into records has none: which types are in service changes. */

import { TroupeError } from '../codec/errors.ts';
import { meant } from '../codec/nearest.ts';
import type { AnswerError } from './engine.ts';

const SHOWN_MAX = 80;

export function unknownType(type: string, known: Iterable<string> = []): AnswerError {
  return { code: 'UNKNOWN_ACTOR_TYPE', message: `no behaviour in service for actor type ${type}${meant(type, known)}` };
}

export function unknownCommand(type: string, name: string, known: Iterable<string> = []): AnswerError {
  return { code: 'UNKNOWN_COMMAND', message: `${type} has no command ${JSON.stringify(name.slice(0, SHOWN_MAX))}${meant(name, known)}` };
}

export function unknownTypeError(type: string, known: Iterable<string>): TroupeError {
  const { code, message } = unknownType(type, known);
  return new TroupeError(code, message);
}
