/**
 * Finds commands and events that a module names as a text in a call of `ctx`, `ctx.broadcast('VoidOrdr')`, and that no type of the bundle has: the
 * decision would fail, and only when it comes to that line. It reads tokens, like undeclared-names.ts, and is wrong on one side only in the same way:
 *
 * C1  What it looks at is a call of a parameter named `ctx`; a module that declares a `ctx` of its own is left alone.
 * C2  A name counts only if it is one text and nothing else. Which type's code a line is, is not known: it is wrong if it is so for all of them.
 * C3  What it reports, the caller confirms with the compiler (U3 of undeclared-names.ts).
 */

import { meant } from '../codec/nearest.ts';
import type { Token } from './module-source.ts';
import type { ReplyTaker } from './reply-takers.ts';

export interface NamedType {
  readonly type: string;
  readonly commands: readonly { readonly name: string; readonly request: number; readonly reply: number }[];
  readonly events: readonly { readonly name: string }[];
}

/** What the names are held against. */
export interface KnownCommands {
  /** Types that the bundle defines. */
  readonly types: readonly NamedType[];
  /** All that its schemas have: a broadcast is for these. */
  readonly schemas: readonly NamedType[];
  readonly takers: Readonly<Record<number, ReplyTaker>>;
}

export interface WrongName {
  readonly start: number;
  readonly end: number;
  readonly reason: string;
}

/** Which argument is the command, of emit the event. */
const nameAt: Readonly<Record<string, number>> = { send: 1, link: 1, timer: 2, broadcast: 0, emit: 0 };
const OPTIONS_AT = 3;
const declares = new Set(['const', 'let', 'var', 'function', 'class', 'import', 'as']);
/** What may stand between a declaring word and a name, beside other names. */
const withinPattern = new Set(['{', '[', ',', ':', '...', '*']);

type Argument = readonly Token[];

/** The wrong names of a module, in its order. */
export function* wrongNames(source: string, tokens: readonly Token[], known: KnownCommands): Generator<WrongName> {
  if (tokens.some(({ text }, i) => text === 'ctx' && isDeclared(tokens, i))) return;
  for (let i = 0; i < tokens.length; i++) {
    const method = methodAt(tokens, i);
    if (method === '') continue;
    const list = argumentsFrom(tokens, i + 3);
    const found = method === 'emit' ? judgeEvent(source, list, known) : judge(source, method, list, known);
    if (found !== null) yield found;
  }
}

/** C1; a parameter is not. */
function isDeclared(tokens: readonly Token[], i: number): boolean {
  let at = i - 1;
  const text = (n: number): string => tokens[n]?.text ?? '';
  while (at >= 0 && !declares.has(text(at)) && (withinPattern.has(text(at)) || withinPattern.has(text(at - 1)))) at--;
  return declares.has(text(at));
}

/** The method of `ctx.send(`, if that begins here. */
function methodAt(tokens: readonly Token[], i: number): string {
  const is = (at: number, text: string): boolean => tokens[at]?.kind === 'punctuator' && tokens[at].text === text;
  if (tokens[i]?.text !== 'ctx' || is(i - 1, '.') || is(i - 1, '?.') || !is(i + 1, '.') || !is(i + 3, '(')) return '';
  const { text } = tokens[i + 2]!;
  return Object.hasOwn(nameAt, text) ? text : '';
}

/** Of the call whose bracket is at `open`; nothing from an argument on that is spread. */
function argumentsFrom(tokens: readonly Token[], open: number): Argument[] {
  const { depth } = tokens[open]!;
  const list: Token[][] = [[]];
  for (const token of tokens.slice(open + 1)) {
    const isOwn = token.kind === 'punctuator' && token.depth <= depth;
    if (isOwn && token.text === ')' && token.depth < depth) break;
    if (isOwn && token.text === '...') return list.slice(0, -1);
    if (isOwn && token.text === ',') list.push([]);
    else list.at(-1)!.push(token);
  }
  return list;
}

/** An event is its own type's: those of types that others define are none of this bundle's decisions. */
function judgeEvent(source: string, list: readonly Argument[], { types }: KnownCommands): WrongName | null {
  const event = textOf(source, list[nameAt['emit']!]);
  const names = types.flatMap(({ events }) => events.map(({ name }) => name));
  if (event === null || names.includes(event.text)) return null;
  const { start, end } = event.token;
  return { start, end, reason: `emit: no type of the bundle has an event ${JSON.stringify(event.text)}${meant(event.text, names)}` };
}

function judge(source: string, method: string, list: readonly Argument[], known: KnownCommands): WrongName | null {
  const command = textOf(source, list[nameAt[method]!]);
  const asks = method === 'send' || method === 'link';
  // A link alone is no message: who is linked to may be of a type that another bundle has.
  const type = asks && list.length > 1 ? typeOf(source, list[0]) : null;
  const at = ({ start, end }: Token, reason: string): WrongName => ({ start, end, reason: `${method}: ${reason}` });
  if (type !== null && !known.types.some((one) => one.type === type.text)) return at(type.token, `the bundle has no actor type ${type.text}${meant(type.text, known.types.map((one) => one.type))}`);
  const those = type === null ? (method === 'broadcast' ? known.schemas : known.types) : known.types.filter((one) => one.type === type.text);
  const named = command === null ? [] : commandsOf(those, command.text);
  if (command !== null) {
    const who = type === null ? 'no type of the bundle has a command' : `${type.text} has no command`;
    if (named.length === 0) return at(command.token, `${who} ${JSON.stringify(command.text)}${meant(command.text, commandNames(those))}`);
    const messages = new Set(named.map(({ request }) => request));
    if (method === 'broadcast' && messages.size > 1) return at(command.token, `types of the bundle have different messages for the command ${command.text}`);
  }
  const onReply = asks ? onReplyOf(source, list[OPTIONS_AT]) : null;
  if (onReply === null) return null;
  const takers = commandsOf(known.types, onReply.text);
  if (takers.length === 0) return at(onReply.token, `onReply: no type of the bundle has a command ${JSON.stringify(onReply.text)}${meant(onReply.text, commandNames(known.types))}`);
  const replies = command === null ? those.flatMap(({ commands }) => commands) : named;
  if (takers.some(({ request }) => replies.some(({ reply }) => known.takers[request]!.takes.includes(reply)))) return null;
  const asked = command === null ? `any command${type === null ? '' : ` of ${type.text}`}` : command.text;
  return at(onReply.token, `onReply: ${onReply.text} cannot take the answer of ${asked}: its message begins ${known.takers[takers[0]!.request]!.shape}, `
    + `and must have string from = 1, the reply of ${asked} as field 2, and Refusal refusal = 3 with string code = 1 and string message = 2`);
}

function commandsOf(types: readonly NamedType[], name: string): NamedType['commands'] {
  return types.flatMap(({ commands }) => commands.filter((command) => command.name === name));
}

function commandNames(types: readonly NamedType[]): string[] {
  return types.flatMap(({ commands }) => commands.map(({ name }) => name));
}

interface Text {
  readonly text: string;
  readonly token: Token;
}

/** C2 */
function textOf(source: string, argument: Argument | undefined): Text | null {
  if (argument?.length !== 1) return null;
  const [token] = argument;
  const found = token!.kind === 'literal' ? /^(['"`])([\w.]*)\1$/.exec(source.slice(token!.start, token!.end)) : null;
  return found === null ? null : { text: found[2]!, token: token! };
}

/** The actor type of an address that begins as a text, if nothing but parts of the id are put behind it. */
function typeOf(source: string, argument: Argument | undefined): Text | null {
  const [token] = argument ?? [];
  if (token === undefined || (token.kind !== 'literal' && token.kind !== 'template')) return null;
  const found = /^['"`]([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+):/.exec(source.slice(token.start, token.end));
  const isJoined = argument!.every((part) => part.kind !== 'punctuator' || part.depth > token.depth || '+.()[]'.includes(part.text));
  return found === null || !isJoined ? null : { text: found[1]!, token };
}

/** `{ onReply: 'TakeAnswer' }` */
function onReplyOf(source: string, argument: Argument | undefined): Text | null {
  const [brace] = argument ?? [];
  if (brace?.text !== '{') return null;
  for (let i = 1; i + 2 < argument!.length; i++) {
    const { text, depth } = argument![i]!;
    if (text !== 'onReply' || depth !== brace.depth || argument![i + 1]!.text !== ':') continue;
    const behind = argument![i + 3]?.text;
    return behind === ',' || behind === '}' ? textOf(source, [argument![i + 2]!]) : null;
  }
  return null;
}
