/**
 * How two nodes convince each other before anything else is said. Pure: bytes in, a step out; sockets and time are the caller's.
 *
 *   the one who dials                                  the one who serves
 *   HELLO (who I am, whom I want, versions, nonce) ──►
 *                                                  ◄── HELLO (the same)
 *   PROOF ─────────────────────────────────────────►
 *                                                  ◄── PROOF
 *
 * H1  A proof is an HMAC-SHA256, with the secret as its key, over the role, both hellos to the last byte, the version that follows from
 *     them, and what the TLS session is known by when there is one. So it answers both nonces, cannot be sent back to where it came
 *     from or to another node, and fits no hello in which somebody else has written another version.
 * H2  The one who dials proves itself first: who knows nothing learns nothing that the secret was used for. Proofs are compared in
 *     constant time.
 * H3  A hello is a few hundred bytes; more is refused unread. The highest version that both speak is taken.
 * H4  A refusal is one byte with a meaning. Of what a stranger sends nothing gets into a log but names of printable characters.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';

import { WireReader, WireWriter } from '../../runtime/codec/wire.ts';
import type { NodeIdentity } from './transport.ts';

export const NONCE_BYTES = 32;
/** Of one text of a hello, in UTF-8. */
export const NAME_BYTES_MAX = 64;
/** Of one message of the handshake, its head included. */
export const HANDSHAKE_BYTES_MAX = 512;
const HEAD_BYTES = 3;
const MAGIC = 'troupe-node-1';

const HELLO = 1;
const PROOF = 2;
const REFUSED = 3;

export interface Versions {
  readonly min: number;
  readonly max: number;
}

export interface Hello extends NodeIdentity {
  readonly cluster: string;
  /** The node that the one who dials wants to reach; empty from the one who serves. */
  readonly wanted: string;
  /** Grows with each connection that this process dials. */
  readonly connection: number;
  readonly versions: Versions;
  readonly nonce: Buffer;
}

const refusals = ['BAD_HELLO', 'OTHER_CLUSTER', 'OTHER_NODE', 'NO_COMMON_VERSION', 'BAD_PROOF', 'SUPERSEDED'] as const;
export type Refusal = (typeof refusals)[number];

/** `reply`, when it is not empty, goes out whatever the kind. */
export type Step =
  | { readonly kind: 'more'; readonly reply: Buffer }
  | { readonly kind: 'done'; readonly reply: Buffer; readonly remote: Hello; readonly version: number; readonly rest: Buffer }
  | { readonly kind: 'refused'; readonly reply: Buffer; readonly refusal: Refusal; readonly message: string };

export interface HandshakeSettings {
  readonly role: 'dials' | 'serves';
  /** What this side says of itself. */
  readonly hello: Hello;
  /** Empty where a node without a secret serves loopback only. */
  readonly secret: Buffer;
  /** Known to both ends of one TLS session and to nobody else; empty without TLS. */
  readonly binding: Buffer;
}

const NOTHING = Buffer.alloc(0);

export class Handshake {
  private readonly settings: HandshakeSettings;
  private readonly ownHello: Buffer;
  private received: Buffer = NOTHING;
  private remoteHello: Buffer = NOTHING;
  private remote: Hello | null = null;
  private version = 0;

  constructor(settings: HandshakeSettings) {
    this.settings = settings;
    this.ownHello = encodeHello(settings.hello);
  }

  /** What the one who dials says first. */
  start(): Buffer {
    return framed(HELLO, this.ownHello);
  }

  /** Takes what came in; after a step that is not `more`, never again. */
  take(chunk: Buffer): Step {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const replies: Buffer[] = [];
    for (;;) {
      const { received } = this;
      if (received.length < HEAD_BYTES) return more(replies);
      const size = HEAD_BYTES + received.readUInt16BE(1);
      if (size > HANDSHAKE_BYTES_MAX) return this.refuse('BAD_HELLO', 'what came is no hello of a node');
      if (received.length < size) return more(replies);
      this.received = received.subarray(size);
      const step = this.message(received[0]!, received.subarray(HEAD_BYTES, size));
      if (step.kind !== 'more') return step;
      replies.push(step.reply);
    }
  }

  private message(type: number, payload: Buffer): Step {
    if (type === HELLO && this.remote === null) return this.hello(payload);
    if (type === PROOF && this.remote !== null) return this.proof(payload, this.remote);
    if (type === REFUSED && this.settings.role === 'dials' && payload.length === 1) {
      const refusal = refusals[payload[0]!] ?? 'BAD_HELLO';
      return { kind: 'refused', reply: NOTHING, refusal, message: `it refused this node: ${meanings[refusal]}` };
    }
    return this.refuse('BAD_HELLO', 'what came is no hello of a node');
  }

  private hello(payload: Buffer): Step {
    const { hello: own, role } = this.settings;
    const remote = decodeHello(payload);
    if (remote === null) return this.refuse('BAD_HELLO', 'what came is no hello of a node');
    if (remote.cluster !== own.cluster) return this.refuse('OTHER_CLUSTER', `it belongs to another cluster than ${own.cluster}`);
    const isWanted = role === 'dials' ? remote.node === own.wanted : remote.wanted === own.node;
    if (!isWanted) {
      const message = role === 'dials' ? `node ${remote.node} answers there, not ${own.wanted}` : `it wants node ${remote.wanted}; this is ${own.node}`;
      return this.refuse('OTHER_NODE', message);
    }
    const version = Math.min(own.versions.max, remote.versions.max);
    if (version < Math.max(own.versions.min, remote.versions.min)) {
      const step = this.refuse('NO_COMMON_VERSION', `it speaks protocol ${spoken(remote.versions)}, this node ${spoken(own.versions)}`);
      // With the hello in front, the one who dials can say both ranges too.
      return role === 'dials' ? step : { ...step, reply: Buffer.concat([this.start(), step.reply]) };
    }
    this.remote = remote;
    this.remoteHello = Buffer.from(payload);
    this.version = version;
    return { kind: 'more', reply: role === 'dials' ? framed(PROOF, this.proofOf('dials')) : this.start() };
  }

  private proof(payload: Buffer, remote: Hello): Step {
    const { role } = this.settings;
    const expected = this.proofOf(role === 'dials' ? 'serves' : 'dials');
    if (payload.length !== expected.length || !timingSafeEqual(payload, expected)) {
      return this.refuse('BAD_PROOF', `node ${remote.node} has another secret`);
    }
    const reply = role === 'dials' ? NOTHING : framed(PROOF, this.proofOf('serves'));
    return { kind: 'done', reply, remote, version: this.version, rest: this.received };
  }

  private proofOf(role: HandshakeSettings['role']): Buffer {
    const { role: own, secret, binding } = this.settings;
    const [dialled, served] = own === 'dials' ? [this.ownHello, this.remoteHello] : [this.remoteHello, this.ownHello];
    const hmac = createHmac('sha256', secret);
    // Every part has its length in front: no two lists of parts give the same bytes.
    for (const part of [Buffer.from(`${MAGIC} ${role} ${this.version}`), dialled, served, binding]) {
      hmac.update(Buffer.from([part.length >>> 8, part.length & 0xff])).update(part);
    }
    return hmac.digest();
  }

  private refuse(refusal: Refusal, message: string): Step {
    return { kind: 'refused', reply: this.settings.role === 'serves' ? refusalBytes(refusal) : NOTHING, refusal, message };
  }
}

/** What the one who serves says last, when it will not. */
export function refusalBytes(refusal: Refusal): Buffer {
  return framed(REFUSED, Buffer.from([refusals.indexOf(refusal)]));
}

const meanings: Readonly<Record<Refusal, string>> = {
  BAD_HELLO: 'it did not understand the hello',
  OTHER_CLUSTER: 'it belongs to another cluster',
  OTHER_NODE: 'another node answers there',
  NO_COMMON_VERSION: 'the two have no version of the protocol in common',
  BAD_PROOF: 'the two have different secrets',
  SUPERSEDED: 'it has a newer connection of this node',
};

function spoken({ min, max }: Versions): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

function more(replies: Buffer[]): Step {
  return { kind: 'more', reply: Buffer.concat(replies) };
}

function framed(type: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, payload.length >>> 8, payload.length & 0xff]), payload]);
}

export function encodeHello(hello: Hello): Buffer {
  const wire = new WireWriter(HANDSHAKE_BYTES_MAX);
  for (const text of [MAGIC, hello.cluster, hello.node, hello.incarnation, hello.wanted]) wire.rawString(text);
  for (const number of [hello.connection, hello.versions.min, hello.versions.max]) wire.varint(number);
  wire.raw(hello.nonce);
  return wire.copy();
}

/** null when it is none. What follows the nonce is of a later version, and covered by the proof like the rest. */
export function decodeHello(payload: Buffer): Hello | null {
  const wire = new WireReader().over(payload);
  try {
    if (wire.string() !== MAGIC) return null;
    const [cluster, node, incarnation, wanted] = [wire.string(), wire.string(), wire.string(), wire.string()];
    const [connection, min, max] = [wire.varint(), wire.varint(), wire.varint()];
    const nonce = Buffer.from(payload.subarray(wire.at, wire.at + NONCE_BYTES));
    if (nonce.length !== NONCE_BYTES || min > max || ![cluster, node, incarnation].every(isName)) return null;
    if (wanted !== '' && !isName(wanted)) return null;
    return { cluster, node, incarnation, wanted, connection, versions: { min, max }, nonce };
  } catch {
    return null;
  }
}

/** Whether a text can stand in a hello, and in a line of a log. */
export function isName(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && text.length <= NAME_BYTES_MAX;
}
