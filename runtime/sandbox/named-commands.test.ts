/** Commands and events that a module names and nobody has are found; whatever might be right is left alone. */

import t from 'tap';

import { lineColumn, prepareModule } from './module-source.ts';
import { wrongNames } from './named-commands.ts';
import type { KnownCommands, NamedType } from './named-commands.ts';

// Messages: 1 takes replies 10 and 11, 2 takes none, the others are plain.
const order: NamedType = { type: 'a.v1.Order', commands: [{ name: 'Void', request: 3, reply: 12 }, { name: 'TakeStock', request: 1, reply: 12 }, { name: 'TakeNothing', request: 2, reply: 12 }], events: [{ name: 'Placed' }, { name: 'Raised' }] };
const stock: NamedType = { type: 'a.v1.Stock', commands: [{ name: 'Reserve', request: 4, reply: 10 }, { name: 'Free', request: 5, reply: 13 }, { name: 'Void', request: 3, reply: 11 }], events: [{ name: 'Taken' }] };
const odd: NamedType = { type: 'a.v1.Odd', commands: [{ name: 'Free', request: 6, reply: 13 }], events: [{ name: 'OddlyFreed' }] };
const taker = (...takes: number[]): { takes: number[]; shape: string } => ({ takes, shape: '{ string from = 1; }' });
const known: KnownCommands = {
  types: [order, stock],
  schemas: [order, stock, odd],
  takers: { 1: taker(10, 11), 2: taker(), 3: taker(), 4: taker(), 5: taker(), 6: taker() },
};

function found(line: string): string[] {
  const source = `export const f = (state, command, ctx) => { ${line} };`;
  return [...wrongNames(source, prepareModule('m.js', source).tokens, known)].map(({ start, end, reason }) => {
    if (lineColumn(source, start) === '') throw new Error('no place');
    return `${source.slice(start, end)} ${reason}`;
  });
}

t.test('what no type has', async (t) => {
  const bad: readonly (readonly [line: string, name: string, reason: RegExp])[] = [
    ["ctx.broadcast('Viod', {});", "'Viod'", /^broadcast: no type of the bundle has a command "Viod"; did you mean Void\?$/],
    ['ctx.broadcast("Viod");', '"Viod"', /"Viod"/],
    ['ctx.broadcast(`Viod`, { a: [1, 2] });', '`Viod`', /"Viod"/],
    ["if (state.x) { state.list.map((one) => ctx.broadcast('Viod', one)); }", "'Viod'", /"Viod"/],
    ["ctx.broadcast('Free');", "'Free'", /different messages for the command Free/],
    ["ctx.send('a.v1.Stock:1', 'Resreve', {});", "'Resreve'", /^send: a\.v1\.Stock has no command "Resreve"; did you mean Reserve\?$/],
    ["ctx.send('a.v1.Stock:1', 'TakeStock', {});", "'TakeStock'", /^send: a\.v1\.Stock has no command/],
    ["ctx.send('a.v1.Stock:' + command.id, 'TakeStock', {});", "'TakeStock'", /a\.v1\.Stock/],
    ['ctx.send(`a.v1.Stock:${f(command.id, 2)}/x`, "TakeStock", {});', '"TakeStock"', /a\.v1\.Stock/],
    ["ctx.send('a.v1.Stokc:1', 'Reserve', {});", "'a.v1.Stokc:1'", /no actor type a\.v1\.Stokc; did you mean a\.v1\.Stock\?$/],
    ["ctx.send('a.v1.Nope:1', 'Reserve', {});", "'a.v1.Nope:1'", /no actor type a\.v1\.Nope$/],
    ["ctx.emit('Raisd', { by: 1 });", "'Raisd'", /^emit: no type of the bundle has an event "Raisd"; did you mean Raised\?$/],
    ["for (const one of state.list) ctx.emit(`Palced`, one);", '`Palced`', /"Palced"; did you mean Placed\?$/],
    ["ctx.emit('Void');", "'Void'", /has an event "Void"$/],
    ["ctx.emit('OddlyFreed');", "'OddlyFreed'", /has an event "OddlyFreed"$/],
    ["ctx.send('a.v1.Odd:1', 'Free', {});", "'a.v1.Odd:1'", /no actor type a\.v1\.Odd/],
    ["ctx.send(command.to, 'Resreve', {});", "'Resreve'", /no type of the bundle has a command/],
    ["ctx.link('a.v1.Stock:1', 'Resreve', {});", "'Resreve'", /^link: a\.v1\.Stock has no command/],
    ["ctx.timer('t', { in: 5 }, 'Viod', {});", "'Viod'", /^timer: no type/],
    ["ctx.send('a.v1.Stock:1', 'Reserve', {}, { onReply: 'TakeStokc' });", "'TakeStokc'", /onReply: no type of the bundle has a command "TakeStokc"/],
    ["ctx.send('a.v1.Stock:1', 'Reserve', {}, { onReply: 'TakeNothing' });", "'TakeNothing'", /TakeNothing cannot take the answer of Reserve: its message begins \{ string from = 1; \}/],
    ["ctx.send('a.v1.Stock:1', 'Free', { a: { onReply: 'TakeStock' } }, { onReply: 'TakeStock', });", "'TakeStock'", /TakeStock cannot take the answer of Free/],
    ["ctx.send(command.to, 'Reserve', {}, { onReply: 'Void' });", "'Void'", /Void cannot take/],
    ["ctx.link(command.to, command.name, {}, { onReply: 'Void' });", "'Void'", /the answer of any command/],
  ];
  for (const [line, name, reason] of bad) {
    const [one, ...more] = found(line);
    t.ok(one?.startsWith(`${name} `), `${line}: ${one}`);
    t.match(one?.slice(name.length + 1), reason, line);
    t.same(more, [], line);
  }
  t.equal(found("ctx.broadcast('A'); ctx.broadcast('Void'); ctx.broadcast('B');").length, 2, 'each of them');
});

t.test('what might be right', async (t) => {
  const good = [
    "ctx.broadcast('Void', {});", 'ctx.broadcast(command.name);', "ctx.broadcast('Vi' + 'od');", 'ctx.broadcast(`V${1}`);', "ctx.broadcast(a ? 'Viod' : 'Void');", 'ctx.broadcast();',
    "ctx.send('a.v1.Stock:1', 'Reserve', {});", "ctx.send('a.v1.Stock:1', 'Reserve', {}, { onReply: 'TakeStock' });", "ctx.send(command.to, 'Free', {});",
    "ctx.send(command.to, 'Void', {}, { onReply: 'TakeStock' });", "ctx.send(command.to, command.name, {}, { onReply: 'TakeStock' });",
    "ctx.send('a.v1.Stock:1' === state.to ? x : y, 'TakeStock', {});", "ctx.send(...command.list, 'Resreve');", "ctx.send('a.v1.Stock:1', ...command.list, 'Resreve');",
    "ctx.send('a.v1.Stock:1', 'Reserve', {}, options);", "ctx.send('a.v1.Stock:1', 'Reserve', {}, { ...options, onReply: x ? 'A' : 'B' });", "ctx.send(tag`a.v1.Stokc:1`, 'Void', {});",
    "ctx.link('a.v9.Other:1');", "ctx.unlink('a.v9.Other:1');", "ctx.emit('Raised', {});", "ctx.emit('Taken');", "ctx.emit('Rai' + 'sd');", "ctx.emit(a ? 'Raisd' : 'Raised');", "ctx.emit(...state.list);", 'ctx.emit();', "state.emit('Raisd');",
    "ctx.timer('t', 5, 'Void');", "state.ctx.broadcast('Viod');", "bctx.broadcast('Viod');",
    "'ctx.broadcast(\"Viod\")';", '/ctx.broadcast("Viod")/.test(command.a);', "// ctx.broadcast('Viod')",
    "const ctx = {}; ctx.broadcast('Viod');", "const { a, ctx } = state; ctx.broadcast('Viod');", "const { a: [ctx] } = state; ctx.broadcast('Viod');", "for (const ctx of state.list) ctx.broadcast('Viod');",
  ];
  for (const line of good) t.same(found(`${line}\n`), [], line);
});
