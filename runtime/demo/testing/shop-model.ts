/**
 * The shop's own behaviours in a small world that can be stepped through in every order: what a node promises about messages, and nothing
 * of how it keeps the promise.
 *
 *  - what one actor sends another arrives once, in order, links in front of the sends of the same decision, the reply behind them;
 *  - messages of different pairs of actors have no order, nor has a broadcast with anything;
 *  - a timer fires at any moment from its due time on, unless it was cancelled or replaced.
 *
 * Bodies and states go through the schemas as in the sandbox, so that a behaviour sees defaults where nothing was given.
 */

import { registerHooks } from 'node:module';
import { globSync } from 'node:fs';
import path from 'node:path';

import protobuf from 'protobufjs';
import type { Type } from 'protobufjs';

const project = path.join(import.meta.dirname, '../../..');
const sdk = 'data:text/javascript,export const defineActor = (type, behavior) => ({ type, behavior });';
registerHooks({ resolve: (specifier, context, next) => (specifier === 'troupe' ? { url: sdk, shortCircuit: true } : next(specifier, context)) });

type Json = Record<string, any>;

interface Behavior {
  readonly type: string;
  readonly behavior: {
    readonly initialState: () => Json;
    readonly decide: Record<string, (state: Json, command: Json, ctx: Json) => Json>;
    readonly evolve: Record<string, (state: Json, event: Json) => Json>;
    readonly migrate?: (oldState: Json) => Json;
  };
}

export interface Message {
  readonly kind: 'command' | 'link' | 'unlink';
  readonly from: string;
  readonly to: string;
  readonly name: string;
  readonly body: Json;
  readonly onReply: string;
}

/** All of it is data, so that two worlds are the same when their texts are. */
export interface World {
  now: number;
  /** Bits of the stimuli that have happened. */
  happened: number;
  actors: Record<string, Json>;
  timers: Record<string, { readonly due: number; readonly command: string; readonly body: Json }>;
  /** By target, who is linked to it. */
  links: Record<string, string[]>;
  channels: Record<string, Message[]>;
  /** Of each actor, the events that must not come twice. */
  notable: Record<string, string[]>;
}

class Rejection extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

const NOTABLE = new Set(['OrderConfirmed', 'OrderExpired', 'OrderVoided', 'PaymentCaptured', 'PaymentRefunded', 'PaymentFailed']);
/** Who only listens has no part in what is conserved. */
const LISTENERS = /^shop\.v1\.(User|Notification|Address):/;

export class ShopModel {
  /** False where nothing is broadcast: then links change nothing, and the worlds that differ by them alone are many. */
  hasLinks = true;
  private readonly root = new protobuf.Root();
  private readonly behaviors = new Map<string, Behavior['behavior']>();

  static async load(): Promise<ShopModel> {
    const model = new ShopModel();
    const protos = globSync('proto/shop/v1/*.proto', { cwd: project });
    model.root.resolvePath = (_origin, target) => path.join(project, target.startsWith('proto/') ? target : `proto/${target}`);
    await model.root.load(protos);
    for (const name of ['order', 'payment', 'product', 'inventory']) {
      const { default: { type, behavior } } = (await import(path.join(project, `behaviors/shop/${name}.js`))) as { default: Behavior };
      model.behaviors.set(type, behavior);
    }
    return model;
  }

  world(now: number): World {
    return { now, happened: 0, actors: {}, timers: {}, links: {}, channels: {}, notable: {} };
  }

  state(world: World, actor: string): Json {
    return world.actors[actor] ?? this.normal(`${typeOf(actor)}State`, this.behaviors.get(typeOf(actor))!.initialState());
  }

  /** A state of an older version under the behaviour of now. */
  migrate(type: string, oldState: Json): Json {
    return this.normal(`${type}State`, this.behaviors.get(type)!.migrate!(oldState));
  }

  /** The first message of a channel arrives. */
  deliver(world: World, channel: string): void {
    const { kind, from, to, name, body, onReply } = world.channels[channel]!.shift()!;
    if (world.channels[channel]!.length === 0) delete world.channels[channel];
    const linked = (world.links[to] ??= []);
    if (kind === 'link') linked.push(from);
    else if (kind === 'unlink') linked.splice(linked.indexOf(from), 1);
    else this.command(world, to, name, body, from, onReply);
    if (world.links[to]?.length === 0) delete world.links[to];
  }

  fire(world: World, timer: string): void {
    const { command, body } = world.timers[timer]!;
    delete world.timers[timer];
    const actor = timer.slice(0, timer.lastIndexOf(' '));
    this.command(world, actor, command, body, actor, '');
  }

  /** Decides one command; what it leads to is in the world afterwards. */
  command(world: World, actor: string, name: string, body: Json, caller: string, onReply = ''): void {
    const type = typeOf(actor);
    const behavior = this.behaviors.get(type);
    if (behavior === undefined) throw new Error(`the model has no ${type}`);
    const decision = new Decision(actor, caller, world.now);
    const reply = (fields: Json): void => this.send(world, { kind: 'command', from: actor, to: caller, name: onReply, body: { from: actor, ...fields }, onReply: '' });
    let answer: Json;
    try {
      answer = behavior.decide[name]!(this.state(world, actor), this.normal(`shop.v1.${name}`, body), decision);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      if (onReply !== '') reply({ refusal: { code: error.code } });
      return;
    }
    let state = this.state(world, actor);
    for (const [event, fields] of decision.events) {
      state = this.normal(`${type}State`, behavior.evolve[event]!(state, this.normal(`shop.v1.${event}`, fields)));
      if (NOTABLE.has(event)) (world.notable[actor] ??= []).push(event);
    }
    world.actors[actor] = state;
    for (const [timer, armed] of decision.timers) {
      if (armed === null) delete world.timers[`${actor} ${timer}`];
      else world.timers[`${actor} ${timer}`] = armed;
    }
    for (const message of [...(this.hasLinks ? decision.linking : []), ...decision.sends]) if (!LISTENERS.test(message.to)) this.send(world, message);
    for (const [command, fields] of decision.broadcasts) {
      for (const to of world.links[actor] ?? []) this.send(world, { kind: 'command', from: actor, to, name: command, body: fields, onReply: '' }, 'broadcast ');
    }
    if (onReply !== '') reply({ reply: answer ?? {} });
  }

  private send(world: World, message: Message, kind = ''): void {
    (world.channels[`${kind}${message.from} > ${message.to}`] ??= []).push(message);
  }

  /** As the sandbox gives it: complete, checked against the schema. */
  private normal(name: string, value: Json): Json {
    const type: Type = this.root.lookupType(name);
    return type.toObject(type.decode(type.encode(type.fromObject(value)).finish()), { enums: String, longs: Number, defaults: true, arrays: true, objects: true });
  }
}

/** `ctx`, and what was asked of it. */
class Decision {
  readonly id: string;
  readonly caller: string;
  readonly now: number;
  readonly events: [name: string, body: Json][] = [];
  readonly sends: Message[] = [];
  readonly linking: Message[] = [];
  readonly timers: [name: string, armed: World['timers'][string] | null][] = [];
  readonly broadcasts: [name: string, body: Json][] = [];
  private readonly actor: string;

  constructor(actor: string, caller: string, now: number) {
    this.actor = actor;
    this.id = actor.slice(typeOf(actor).length + 1);
    this.caller = caller;
    this.now = now;
  }

  emit(name: string, body: Json): void {
    this.events.push([name, body]);
  }

  reject(code: string): never {
    throw new Rejection(code);
  }

  send(to: string, name: string, body: Json, options: { readonly onReply?: string } = {}): void {
    this.sends.push({ kind: 'command', from: this.actor, to, name, body, onReply: options.onReply ?? '' });
  }

  timer(name: string, due: number, command: string, body: Json): void {
    this.timers.push([name, { due, command, body }]);
  }

  cancelTimer(name: string): void {
    this.timers.push([name, null]);
  }

  link(to: string): void {
    this.linking.push({ kind: 'link', from: this.actor, to, name: '', body: {}, onReply: '' });
  }

  unlink(to: string): void {
    this.linking.push({ kind: 'unlink', from: this.actor, to, name: '', body: {}, onReply: '' });
  }

  broadcast(name: string, body: Json): void {
    this.broadcasts.push([name, body]);
  }
}

export function typeOf(actor: string): string {
  return actor.slice(0, actor.indexOf(':'));
}
