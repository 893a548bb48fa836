/** Checks of a request's fields that are the same in both subprotocols. Each returns null or what is wrong. */

import type { AnswerError } from '../actor/engine.ts';
import { limits } from '../limits.ts';

// eslint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f-\u009f]/;
const addressBytesMax = limits.actorTypeBytesMax + 1 + limits.actorIdBytesMax;

export function checkId(id: string): AnswerError | null {
  if (id === '') return badRequest('id is missing or empty');
  return longer(id, limits.requestIdBytesMax) ? badRequest(`id is longer than ${limits.requestIdBytesMax} bytes`) : null;
}

/** An address is taken apart by the engine; here only its size is bounded. */
export function checkAddress(field: string, address: string): AnswerError | null {
  if (address === '') return { code: 'BAD_ADDRESS', message: `${field} is missing or empty` };
  if (!longer(address, addressBytesMax)) return null;
  return { code: 'BAD_ADDRESS', message: `${field} is longer than ${addressBytesMax} bytes` };
}

export function checkCommandName(name: string): AnswerError | null {
  if (name === '') return badRequest('the name of the command is missing or empty');
  if (!longer(name, limits.commandNameBytesMax)) return null;
  return { code: 'UNKNOWN_COMMAND', message: `the name of a command has at most ${limits.commandNameBytesMax} bytes` };
}

/** Only for a key that was given: without one there is nothing to check. */
export function checkKey(key: string): AnswerError | null {
  if (key === '') return { code: 'BAD_KEY', message: 'the key is empty' };
  if (key.length <= limits.keyBytesMax && isPrintableAscii(key)) return null;
  if (longer(key, limits.keyBytesMax)) return { code: 'BAD_KEY', message: `the key is longer than ${limits.keyBytesMax} bytes` };
  if (control.test(key)) return { code: 'BAD_KEY', message: 'the key holds a control character' };
  return key.isWellFormed() ? null : { code: 'BAD_KEY', message: 'the key holds half a surrogate pair' };
}

function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

export function checkBody(bytes: number): AnswerError | null {
  if (bytes <= limits.bodyBytesMax) return null;
  return { code: 'BODY_TOO_LARGE', message: `the body has ${bytes} bytes, the limit is ${limits.bodyBytesMax}` };
}

export function checkDeadline(deadlineMs: number): AnswerError | null {
  return deadlineMs <= limits.deadlineMaxMs ? null : badRequest(`deadlineMs is at most ${limits.deadlineMaxMs}`);
}

export function checkTried(triedMs: number, hasKey: boolean): AnswerError | null {
  return triedMs === 0 || hasKey ? null : badRequest('triedMs needs the key under which it was tried');
}

export function badRequest(message: string): AnswerError {
  return { code: 'BAD_REQUEST', message };
}

function longer(text: string, bytesMax: number): boolean {
  // A UTF-16 unit is at most three bytes, so most texts need no counting.
  if (text.length * 3 <= bytesMax) return false;
  return text.length > bytesMax || Buffer.byteLength(text) > bytesMax;
}
