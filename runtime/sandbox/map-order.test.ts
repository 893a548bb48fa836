/**
 * The order in which a behaviour sees the entries of a map is the same whether the state was just made or has been stored: it decides what
 * a loop over them does. Decoding sorts all of them; normalising takes what is sorted as it is.
 */

import t from 'tap';

import { readSchema } from './schema.ts';
import { testCodec } from './testing/codec.ts';

const codec = testCodec(readSchema(new Map([['p.proto', `syntax = "proto3";
package p;
message Names { map<string, uint32> of = 1; }
message Numbers { map<sint32, uint32> of = 1; }
message Large { map<int64, uint32> of = 1; }
message TState { Names names = 1; Numbers numbers = 2; Large large = 3; }
message TEvent { oneof event { Names names = 1; } }
service TCommands { rpc Do(Names) returns (Names); }
`]])));

const keys: Record<string, (i: number) => string> = {
  'p.Names': (i) => ['', 'é', 'k', '\u{1f600}', '\uffee'][i % 5]! + `x${(i * 7919) % 1009}`,
  'p.Numbers': (i) => String(((i * 7919) % 1009) - 500),
  'p.Large': (i) => String((BigInt((i * 7919) % 1009) - 500n) * 9_007_199_254_740_993n),
};

type Entries = Readonly<Record<string, number>>;
const seen = (value: unknown): string[] => Object.keys((value as { of: Entries }).of);
const entries = (value: unknown): [string, number][] => Object.entries((value as { of: Entries }).of);

for (const [message, key] of Object.entries(keys)) {
  t.test(`${message}: as it is decoded, whatever order it was written in`, async (t) => {
    const check = (of: Entries, what: string): unknown => {
      const normal = codec.normalise(message, { of });
      const stored = codec.decode(message, codec.encode(message, normal));
      t.same(seen(normal), seen(stored), what);
      t.same(new Map(entries(normal)), new Map(Object.entries(of)), `${what}: nothing is lost`);
      return normal;
    };
    for (const count of [0, 1, 2, 17, 18, 300]) {
      check(Object.fromEntries(Array.from({ length: count }, (_, i) => [key(i), i])), `${count} in any order`);
    }
    let state = check(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [key(i), i])), 'to begin with') as { of: Entries };
    for (let added = 0; added <= 20; added++) {
      const more = Object.fromEntries(Array.from({ length: added }, (_, i) => [key(200 + 30 * added + i), i]));
      const { [seen(state)[added]!]: _gone, ...rest } = state.of;
      state = check({ ...rest, ...more }, `one taken out, ${added} added`) as { of: Entries };
    }
  });
}
