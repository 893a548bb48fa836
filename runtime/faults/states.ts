/** Reads states and records of a running node through its public ports, and holds them against the book. */

import type { Book } from './book.ts';
import { decodeState, numberOfKey } from './commands.ts';
import type { FaultActor } from './commands.ts';
import type { Link } from './link.ts';

const GETS_IN_FLIGHT = 64;
const ASK_AGAIN_MS = 200;

/**
 * `get` of every actor; valid when no command is open. For `askAgainMs`, what is refused with "try again" is asked again: behind a fault, an
 * owner may have been overtaken. Answers with how often that was, by code.
 */
export async function checkStates(book: Book, link: Link, askAgainMs = 0): Promise<Map<string, number>> {
  const actors = book.pages.map(({ actor }) => actor);
  const open = new Map<string, FaultActor>();
  const refused = new Map<string, number>();
  const giveUpAt = performance.now() + askAgainMs;
  let next = 0;
  await new Promise<void>((resolve, reject) => {
    const sendOn = (): void => {
      while (open.size < GETS_IN_FLIGHT && next < actors.length) {
        const actor = actors[next]!;
        open.set(String(next++), actor);
        link.get(String(next - 1), actor.address);
      }
      if (open.size === 0) resolve();
    };
    link.onLost = () => reject(new Error('the node was lost while states were read'));
    link.onAnswer = ({ id, done, error }) => {
      const actor = open.get(id)!;
      if (done === undefined && error?.retryable === true && performance.now() < giveUpAt) {
        refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
        setTimeout(() => link.get(id, actor.address), ASK_AGAIN_MS);
        return;
      }
      open.delete(id);
      if (done === undefined) book.findings.add(`get of ${actor.address}: ${error?.code} ${error?.message}`);
      else book.checkState(actor, done.seq ?? 0, decodeState(actor.kind, done.body ?? new Uint8Array(0)));
      sendOn();
    };
    sendOn();
  });
  return refused;
}

interface ShownRecord {
  readonly kind: string;
  readonly key: string;
  readonly firstSeq: number;
  readonly events: readonly { readonly seq: number }[];
}

const RECORDS_BACK = 200;

/** The newest records of an actor as the admin port shows them: each event under the seq that its command was answered with. */
export async function checkRecords(book: Book, admin: string, actor: FaultActor): Promise<void> {
  const page = book.pages[actor.index]!;
  const from = Math.max(1, page.seqMax - RECORDS_BACK + 1);
  const url = `${admin}/v1/records?actor=${encodeURIComponent(actor.address)}&from=${from}&max=1000`;
  const response = await fetch(url);
  if (!response.ok) {
    book.findings.add(`records of ${actor.address}: ${response.status} ${await response.text()}`);
    return;
  }
  const { records } = (await response.json()) as { records: ShownRecord[] };
  let seq = from - 1;
  for (const record of records) {
    for (const event of record.events) {
      seq++;
      const n = numberOfKey(record.key);
      if (event.seq !== seq || n !== page.commands[seq]) {
        book.findings.add(`records of ${actor.address}: seq ${event.seq} was made by ${record.key}, the answers say seq ${seq} by command ${page.commands[seq]}`);
        return;
      }
    }
  }
  if (seq !== page.seqMax) book.findings.add(`records of ${actor.address} end at ${seq}, its acknowledged commands at ${page.seqMax}`);
}
