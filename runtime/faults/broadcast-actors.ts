/** The actors of broadcast-behaviors from outside: who they are, what they are told, and how many of them are asked at once. */

import { join } from 'node:path';

import protobuf from 'protobufjs';

import { Link } from './link.ts';

export const BROADCAST_BEHAVIORS = join(import.meta.dirname, 'broadcast-behaviors');
export const HUB = 'links.v1.Hub:hub';
export const NO_BYTES = new Uint8Array(0);

const IN_FLIGHT = 512;
const PER_FRAME = 64;

const root = new protobuf.Root();
root.loadSync(join(BROADCAST_BEHAVIORS, 'proto/links/v1/links.proto'));
const leafState = root.lookupType('links.v1.LeafState');

/** Links a leaf to the hub. */
export const joinBody = root.lookupType('links.v1.Join').encode({ hub: HUB }).finish();

export function leaf(n: number): string {
  return `links.v1.Leaf:l-${n}`;
}

/** Of how many broadcasts a leaf has heard, by its state. */
export function heardOf(state: Uint8Array): number {
  return (leafState.decode(state) as unknown as { heard: number }).heard;
}

/** Requests 0 to `count`, some at once over one connection; each must be answered well. @throws Error for the first that is not */
export async function askEach(port: number, count: number, one: (link: Link, n: number) => void, answered: (n: number, body: Uint8Array) => void): Promise<void> {
  const link = await Link.open(port, PER_FRAME);
  let sent = 0;
  let done = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      link.onLost = () => reject(new Error('the connection was lost'));
      link.onAnswer = (answer) => {
        if (answer.done === undefined) {
          reject(new Error(`${answer.error?.code}: ${answer.error?.message}`));
          return;
        }
        answered(Number(answer.id), answer.done.body ?? NO_BYTES);
        if (sent < count) one(link, sent++);
        else if (++done === Math.min(count, IN_FLIGHT)) resolve();
      };
      while (sent < Math.min(count, IN_FLIGHT)) one(link, sent++);
    });
  } finally {
    link.close();
  }
}
