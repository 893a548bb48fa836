/**
 * What a decision produced, taken from the bytes that would have been recorded: fields 32 to 47 of troupe.v1.Record.
 */

import type { Root, Type } from 'protobufjs';

import type { ActorSchema } from '../bundle/schema.ts';
import { actorSchemas, commandMessages } from '../bundle/schema.ts';
import { WireReader } from '../codec/wire.ts';
import { Labelled } from './diff.ts';
import type { Fields } from './values.ts';
import { decode } from './values.ts';

export interface Produced {
  readonly events: Labelled[];
  readonly sends: Labelled[];
  readonly timers: Labelled[];
  readonly cancelled: string[];
  readonly links: string[];
  readonly unlinks: string[];
  readonly broadcasts: Labelled[];
  reply: Fields;
}

export function readTail(tail: Buffer, actor: ActorSchema, command: string, root: Root): Produced {
  const produced: Produced = {
    events: [], sends: [], timers: [], cancelled: [], links: [], unlinks: [], broadcasts: [], reply: {},
  };
  produced.reply = decode(actor.commands.get(command)!.reply, Buffer.alloc(0));
  const wire = new WireReader().over(tail);
  while (wire.next()) {
    if (wire.wireType !== 2) wire.skip();
    else readEntry(wire.field, Parts.of(wire.bytes()), produced, actor, command, root);
  }
  return produced;
}

function readEntry(field: number, parts: Parts, produced: Produced, actor: ActorSchema, command: string, root: Root): void {
  const name = parts.text(1);
  switch (field) {
    case 33:
      produced.events.push(new Labelled(name, decode(actor.events.get(name)!, parts.bytes(2))));
      return;
    case 34: {
      const sent = parts.text(2);
      const message = commandMessages(root, name.slice(0, name.indexOf(':')), sent);
      produced.sends.push(sendEntry(name, sent, decode(message!.command, parts.bytes(3)), parts.text(5)));
      return;
    }
    case 35: {
      const armed = parts.has(2) ? Parts.of(parts.bytes(2)) : null;
      if (armed === null) produced.cancelled.push(name);
      else {
        const fired = armed.text(2);
        const body = decode(actor.commands.get(fired)!.command, armed.bytes(3));
        const when = { at: armed.number(1), every: armed.number(5), cron: armed.text(6), zone: armed.text(7) };
        produced.timers.push(timerEntry(name, fired, body, when));
      }
      return;
    }
    case 36:
      (parts.number(2) === 1 ? produced.unlinks : produced.links).push(name);
      return;
    case 37:
      produced.broadcasts.push(new Labelled(name, decode(broadcastMessage(root, name)!, parts.bytes(2))));
      return;
    case 38:
      produced.reply = decode(actor.commands.get(command)!.reply, parts.bytes(1));
      return;
    default:
  }
}

/** The message of a broadcast: that of the command of this name, which is one message for all types of a bundle. */
export function broadcastMessage(root: Root, name: string): Type | null {
  for (const actor of actorSchemas(root)) {
    const messages = actor.commands.get(name);
    if (messages !== undefined) return messages.command;
  }
  return null;
}

export function sendEntry(to: string, name: string, body: Fields, onReply: string): Labelled {
  return new Labelled(`${name} to ${to}`, { body, onReply: onReply === '' ? undefined : onReply });
}

export interface When {
  readonly at: number;
  readonly every: number;
  readonly cron: string;
  readonly zone: string;
}

export function timerEntry(name: string, command: string, body: Fields, { at, every, cron, zone }: When): Labelled {
  const when = cron === '' ? { at, every: every === 0 ? undefined : every } : { cron, zone: zone === '' ? 'UTC' : zone };
  return new Labelled(name, { ...when, command, body });
}

/** The fields of one small message by number; a later one replaces an earlier one, as in protobuf. */
class Parts {
  private readonly values = new Map<number, Buffer | number>();

  static of(bytes: Buffer): Parts {
    const parts = new Parts();
    const wire = new WireReader().over(bytes);
    while (wire.next()) {
      if (wire.wireType === 2) parts.values.set(wire.field, wire.bytes());
      else if (wire.wireType === 0) parts.values.set(wire.field, wire.varint());
      else wire.skip();
    }
    return parts;
  }

  has(field: number): boolean {
    return this.values.has(field);
  }

  bytes(field: number): Buffer {
    const value = this.values.get(field);
    return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
  }

  text(field: number): string {
    return this.bytes(field).toString('utf8');
  }

  number(field: number): number {
    const value = this.values.get(field);
    return typeof value === 'number' ? value : 0;
  }
}
