/** Random actor types: a schema, a behaviour that moves random values through every kind of field, and commands for it. */

import { makeBundle } from './harness.ts';

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** A 32-bit number; mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }

  below(n: number): number {
    return this.next() % n;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }
}

const scalars = [
  'int32', 'uint32', 'sint32', 'fixed32', 'sfixed32', 'int64', 'uint64', 'sint64', 'fixed64', 'sfixed64', 'double', 'float', 'bool',
  'string', 'bytes', 'Colour', 'Inner',
] as const;
type Scalar = (typeof scalars)[number];

interface Field {
  readonly name: string;
  readonly type: Scalar;
  readonly shape: 'one' | 'optional' | 'list' | 'map' | 'oneof';
}

export interface RandomType {
  readonly fields: readonly Field[];
}

export function randomType(random: Random): RandomType {
  const fields: Field[] = [];
  const count = 1 + random.below(8);
  for (let i = 0; i < count; i++) {
    const type = random.pick(scalars);
    const shapes: Field['shape'][] = ['one', 'one', 'optional', 'list', 'map', 'oneof'];
    fields.push({ name: `f${i}_${random.pick(['a', 'value', 'x_y', 'constructor', 'to_string'])}`, type, shape: random.pick(shapes) });
  }
  return { fields };
}

/** `generation` changes fold and schema: 2 adds a field and folds differently, 3 also carries states over by `migrate`. */
export function randomBundle(type: RandomType, generation: number): Buffer {
  const declared: string[] = [];
  const choices: string[] = [];
  type.fields.forEach(({ name, type: of, shape }, i) => {
    const number = i + 1;
    if (shape === 'one') declared.push(`  ${of} ${name} = ${number};`);
    else if (shape === 'optional') declared.push(`  optional ${of} ${name} = ${number};`);
    else if (shape === 'list') declared.push(`  repeated ${of} ${name} = ${number};`);
    else if (shape === 'map') declared.push(`  map<string, ${of}> ${name} = ${number};`);
    else choices.push(`    ${of} ${name} = ${number};`);
  });
  if (choices.length > 0) declared.push(`  oneof choice {\n${choices.join('\n')}\n  }`);
  const proto = `
syntax = "proto3";
package test.v1;
enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = 2; }
message Inner { string text = 1; repeated Inner inners = 2; optional sint32 number = 3; map<int32, string> names = 4; }
message Values {
${declared.join('\n')}
}
message ThingState { Values values = 1; uint32 count = 2; repeated Values history = 3; double roll = 4; uint64 now = 5;
${generation >= 2 ? '  string added = 6;' : ''} }
message Apply { Values values = 1; uint32 mode = 2; }
message ApplyReply { uint32 count = 1; Values before = 2; }
message Applied { Values values = 1; uint32 mode = 2; double roll = 3; uint64 now = 4; }
message Noted { string text = 1; }
message ThingEvent { oneof event { Applied applied = 1; Noted noted = 2; } }
service ThingCommands { rpc Apply(Apply) returns (ApplyReply); }
`;
  const module = `
import { defineActor } from 'troupe';
export default defineActor('test.v1.Thing', {
  initialState: () => ({ values: {}, count: 0, history: [], roll: 0, now: 0n${generation >= 2 ? ", added: 'new'" : ''} }),
  decide: {
    Apply(state, command, ctx) {
      const roll = ctx.random();
      ctx.emit('Applied', { values: command.values, mode: command.mode, roll, now: BigInt(ctx.now) });
      if (command.mode === 1) ctx.emit('Noted', { text: 'gen ${generation} ' + roll });
      if (command.mode === 2) ctx.reject('NO', 'because ' + roll);
      if (command.mode === 3) ctx.timer('t', { in: 86_400_000 }, 'Apply', { values: command.values, mode: 0 });
      return state.values === undefined ? { count: state.count } : { count: state.count, before: state.values };
    },
  },
  evolve: {
    Applied(state, event) {
      const history = event.values === undefined ? state.history : [...state.history, event.values].slice(-3);
      const next = { ...state, count: state.count + ${generation}, history, roll: state.roll + event.roll, now: event.now };
      if (event.mode === 4 || event.values === undefined) return next;
      if (event.mode === 5) return { ...next, values: { ...event.values } };
      return { ...next, values: event.values };
    },
    Noted: (state, event) => (${generation >= 2 ? "{ ...state, added: event.text }" : 'state'}),
  },
${generation === 3 ? "  migrate: (old) => ({ ...old, added: 'migrated ' + old.count })," : ''}
});
`;
  return makeBundle(proto, module, `random-${generation}`);
}

/** A command's body as ProtoJSON. */
export function randomBody(random: Random, type: RandomType): unknown {
  const body: Record<string, unknown> = { mode: random.below(6) };
  if (random.below(8) > 0) body['values'] = randomValues(random, type);
  return body;
}

function randomValues(random: Random, { fields }: RandomType): unknown {
  const values: Record<string, unknown> = {};
  let chosen = false;
  for (const { name, type, shape } of fields) {
    if (random.below(4) === 0) continue;
    if (shape === 'oneof') {
      if (chosen) continue;
      chosen = true;
    }
    if (shape === 'list') values[name] = Array.from({ length: random.below(4) }, () => randomScalar(random, type, 0));
    else if (shape === 'map') {
      const map: [string, unknown][] = [];
      for (let i = random.below(4); i > 0; i--) map.push([random.pick(['__proto__', 'b', 'a', 'toString', 'ü', '']), randomScalar(random, type, 0)]);
      values[name] = Object.fromEntries(map);
    } else values[name] = randomScalar(random, type, 0);
  }
  return values;
}

function randomScalar(random: Random, type: Scalar, depth: number): unknown {
  switch (type) {
    case 'int32':
    case 'sint32':
    case 'sfixed32':
      return random.pick([0, 1, -1, 2 ** 31 - 1, -(2 ** 31), random.next() | 0]);
    case 'uint32':
    case 'fixed32':
      return random.pick([0, 1, 2 ** 32 - 1, random.next()]);
    case 'int64':
    case 'sint64':
    case 'sfixed64':
      return random.pick(['0', '-1', '9223372036854775807', '-9223372036854775808', `${random.next() - 2 ** 31}`]);
    case 'uint64':
    case 'fixed64':
      return random.pick(['0', '1', '18446744073709551615', `${random.next()}`]);
    case 'double':
      return random.pick([0, 1.5, -1e300, 'NaN', 'Infinity', '-Infinity', random.next() / 7]);
    case 'float':
      return random.pick([0, 1.5, -0.25, 'NaN', 16_777_216]);
    case 'bool':
      return random.below(2) === 1;
    case 'string':
      return random.pick(['', 'a', 'grüße 🎭', '\u0000', 'x'.repeat(random.below(300))]);
    case 'bytes':
      return Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256))).toString('base64');
    case 'Colour':
      return random.pick(['COLOUR_UNSPECIFIED', 'COLOUR_RED', 'COLOUR_BLUE']);
    case 'Inner':
      return randomInner(random, depth);
  }
}

function randomInner(random: Random, depth: number): unknown {
  const inner: Record<string, unknown> = { text: random.pick(['', 'in', 'é']) };
  if (random.below(2) === 1) inner['number'] = random.below(5) - 2;
  if (random.below(2) === 1) inner['names'] = { [String(random.below(9) - 4)]: 'n', 7: '' };
  if (depth < 3) inner['inners'] = Array.from({ length: random.below(3) }, () => randomInner(random, depth + 1));
  return inner;
}
