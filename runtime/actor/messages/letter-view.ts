/** Parked and failed messages as operators see them. */

import { splitAddress } from '../../codec/address.ts';
import { KIND_PARKED } from '../../codec/record.ts';
import { PAYLOAD_COMMAND } from '../../sandbox/sandbox.ts';
import type { Bundles } from '../bundles.ts';
import type { Calls } from '../calls.ts';
import type { DeadLetter } from '../engine.ts';
import type { Letter } from './letter.ts';

export type LetterView = (bucket: number, letter: Letter) => Promise<DeadLetter>;

export function letterView(bundles: Bundles, calls: Calls): LetterView {
  return async (bucket, letter) => {
    const { position, kind, code, message, nowMs, bundle, from, to, name, onReply, firing, resumes } = letter;
    return {
      bucket, position, code, message, nowMs, bundle, from, to, onReply, resumes,
      state: kind === KIND_PARKED ? 'parked' : 'failed',
      command: name,
      body: await bodyOf(bundles, calls, letter),
      timer: firing?.name ?? '',
    };
  };
}

/** As the type in service has it, which may know a command that the one that failed did not. */
async function bodyOf(bundles: Bundles, calls: Calls, { to, name, body }: Letter): Promise<unknown> {
  const { type } = splitAddress(to);
  const version = bundles.served.get(type);
  const raw = { base64: body.toString('base64') };
  if (version === undefined || !version.commandIndexes.has(name)) return raw;
  const text = await calls.toJson(version.bundle, type, PAYLOAD_COMMAND, name, body);
  return 'error' in text ? raw : (JSON.parse(text.bytes.toString('utf8')) as unknown);
}
