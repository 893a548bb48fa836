// Guest runtime, part 2: actors of one bundle. Follows wire.js and the generated codec in the same function body; `io` is the
// hub's: the batch's bytes, the output, and how the last call ended.
//
// A1  Nothing a script throws or returns leaves the realm. Every call into a script sits in a try; what is caught is looked
//     at by own data properties only, and becomes a code, a bounded message and a location.
// A2  A refusal or an invalid emission sticks: a script that catches what ctx throws cannot undo it.
// A3  What ran out of stack or memory depends on the machine, so it fails the decision even when the script caught it.
// A4  ctx is one object per realm. It works only during `decide`; afterwards every use throws.

const REJECTED = freeze({ __proto__: null });
const { isError } = Error;
const describeOwn = Object.getOwnPropertyDescriptor;
const { locations } = globalThis.$troupe;
const stackGetter = describeOwn(new Error(''), 'stack').get;
const callOn = Function.prototype.call;
const textOf = callOn.bind(Function.prototype.toString);
const readStack = stackGetter === undefined ? (error) => ownData(error, 'stack') : callOn.bind(stackGetter);

/** Own data property of something a script made; never runs a getter. */
function ownData(value, key) {
  const property = describeOwn(value, key);
  return property === undefined ? undefined : property.value;
}
function clip(value, length) { return value.length > length ? value.slice(0, length) + '...' : value; }
function wellFormed(value) { return value.isWellFormed() ? value : value.toWellFormed(); }

/**
 * "<file>:<line>:<column>" of the topmost frame in the bundle. V8's own stack getter, and no other, has Error.prepareStackTrace (realm-source.ts)
 * note it, once.
 */
function locate(error) {
  try {
    if (!isError(error)) return '';
    const property = describeOwn(error, 'stack');
    if (property === undefined || property.get !== stackGetter) return '';
    readStack(error);
    const found = locations.get(error);
    if (found === undefined) return '';
    const { file, line, column } = found;
    return file + ':' + line + ':' + shiftColumn(file, line, column);
  } catch { return ''; }
}
/** Guards were put into the source (module-source.ts); columns behind them are moved back to where the author wrote. */
function shiftColumn(file, line, column) {
  const shifts = COLUMN_SHIFTS[file];
  if (shifts === undefined) return column;
  let moved = 0;
  for (const [onLine, from, by] of shifts) if (onLine === line && column - moved > from) moved += by;
  return column - moved;
}
function describe(thrown) {
  try {
    switch (typeof thrown) {
      case 'string': return 'threw ' + show(thrown);
      case 'object': case 'function': break;
      default: return 'threw ' + show(thrown);
    }
    if (thrown === null) return 'threw null';
    const message = ownData(thrown, 'message');
    if (!isError(thrown)) return typeof message === 'string' ? 'threw an object: ' + clip(message, 500) : 'threw ' + show(thrown);
    const kind = nameOf(thrown);
    return typeof message === 'string' && message !== '' ? kind + ': ' + clip(message, 500) : kind;
  } catch { return 'threw something that cannot be described'; }
}
function nameOf(error) {
  let at = error;
  for (let i = 0; i < 8 && at !== null; i++) {
    const property = describeOwn(at, 'name');
    if (property !== undefined) {
      // Error prototypes of a realm have an accessor for `name`, so that instances can be given one.
      const name = 'value' in property ? property.value : ERROR_NAMES.get(at);
      if (typeof name === 'string') return clip(name, 60);
    }
    at = prototypeOf(at);
  }
  return 'Error';
}
const ERROR_NAMES = new Map([Error, TypeError, RangeError, ReferenceError, SyntaxError, URIError, EvalError].map((c) => [c.prototype, c.name]));

/** A3; called by the guards in catch clauses and wherever the runtime itself catches. */
let exhausted = false;
function caught(thrown) {
  try {
    if (!isError(thrown)) return;
    const message = ownData(thrown, 'message');
    if (message === 'Maximum call stack size exceeded' || message === 'Array buffer allocation failed' || message === 'Out of memory') exhausted = true;
  } catch { exhausted = true; }
}

// --- the bundle's types ---

const typesByName = new Map();
/** Request message of a command name, for broadcasts; -1 when types of the bundle disagree. */
const broadcastMessages = new Map();
let installed = false;
const definitions = new WeakMap();

function defineActor(type, behaviour) {
  if (typeof type !== 'string') throw new TypeError('defineActor: the first argument is the actor type, for example "shop.v1.Order"');
  if (typeof behaviour !== 'object' || behaviour === null) throw new TypeError('defineActor: the second argument is the behaviour');
  const definition = freeze({ type, behaviour });
  definitions.set(definition, locate(new Error('')));
  return definition;
}

class Refused { constructor(location, reason) { this.location = location; this.reason = reason; } }

/** Takes the default exports of the modules that troupe.json lists; answers JSON, or why the bundle is refused. */
function install(modules) {
  try {
    for (const [file, definition] of modules) installType(file, definition);
    connectSubscriptions();
    for (const schema of SCHEMA_TYPES) {
      for (const { name, request } of schema.commands) {
        const known = broadcastMessages.get(name);
        broadcastMessages.set(name, known === undefined || known === request ? request : -1);
      }
    }
    installed = true;
    return '';
  } catch (error) {
    if (error instanceof Refused) return error.location + '\n' + clip(error.reason, 1000);
    return locate(error) + '\n' + describe(error);
  }
}

function installType(file, definition) {
  if (typeof definition !== 'object' || definition === null || !definitions.has(definition)) {
    throw new Refused(file + ':1:1', 'its default export is not made by defineActor');
  }
  const { type, behaviour } = definition;
  const location = definitions.get(definition) || file + ':1:1';
  const refuse = (reason) => { throw new Refused(location, reason); };
  const schema = SCHEMA_TYPES.find((item) => item.type === type);
  if (schema === undefined) refuse(MISSING_TYPES[type] ?? 'no schema for ' + clip(type, 100) + ': the service ' + clip(type, 100) + 'Commands is missing');
  if (typesByName.has(type)) refuse('the bundle defines ' + type + ' twice');
  for (const key of ownKeys(behaviour)) {
    if (key !== 'initialState' && key !== 'decide' && key !== 'evolve' && key !== 'migrate' && key !== 'subscribe') {
      refuse('a behaviour has initialState, decide, evolve, migrate and subscribe, not ' + clip(key, 60));
    }
  }
  const initialState = ownData(behaviour, 'initialState');
  if (typeof initialState !== 'function') refuse('initialState must be a function');
  const migrate = ownData(behaviour, 'migrate');
  if (migrate !== undefined && typeof migrate !== 'function') refuse('migrate must be a function');
  const decide = handlers(ownData(behaviour, 'decide'), 'decide', schema.commands.map((item) => item.name), 'command', refuse);
  const evolve = handlers(ownData(behaviour, 'evolve'), 'evolve', schema.events.map((item) => item.name), 'event', refuse);
  const T = {
    type, file, location, migrate, decide, evolve, foldHash: '',
    subscribe: ownData(behaviour, 'subscribe'), subscribers: null,
    commands: schema.commands.map((item) => commandOf(item)),
    events: schema.events.map((item) => eventOf(item)),
    commandIndex: new Map(schema.commands.map((item, i) => [item.name, i])),
    eventIndex: new Map(schema.events.map((item, i) => [item.name, i])),
    read: READ[schema.state], normalise: NORMALISE[schema.state], write: WRITE[schema.state], toJson: TO_JSON[schema.state],
    initial: null,
  };
  newBudget();
  try { T.initial = T.normalise(initialState()); } catch (error) {
    caught(error);
    if (error instanceof Fault) refuse('initialState does not match ' + MESSAGE_NAMES[schema.state] + ': ' + error.text);
    throw new Refused(locate(error) || location, 'initialState ' + describe(error));
  }
  typesByName.set(type, T);
}
function handlers(given, part, names, what, refuse) {
  if (typeof given !== 'object' || given === null) refuse(part + ' must be an object with a handler for each ' + what);
  for (const key of ownKeys(given)) if (!names.includes(key)) refuse(part + '.' + clip(key, 60) + ': the schema has no such ' + what);
  return names.map((name) => {
    const handler = ownData(given, name);
    if (typeof handler !== 'function') refuse(part + '.' + name + ' is missing: the schema has this ' + what);
    return handler;
  });
}
function commandOf({ name, request, reply }) {
  return {
    name, request, reply, read: READ[request], fromJson: FROM_JSON[request], normalise: NORMALISE[request], write: WRITE[request], toJson: TO_JSON[request],
    replyNormalise: NORMALISE[reply], replyWrite: WRITE[reply], replyToJson: TO_JSON[reply], replyRead: READ[reply], replyEmpty: FIELD_COUNTS[reply] === 0,
  };
}
function eventOf({ name, message }) {
  const bytes = utf8Bytes(name);
  const field = new U8(1 + sDelimited(bytes));
  const [outWas, opWas] = [out, op];
  out = field; op = 0;
  out[op++] = 10; wString(name);
  out = outWas; op = opWas;
  return { name, field, read: READ[message], normalise: NORMALISE[message], write: WRITE[message], toJson: TO_JSON[message] };
}

// --- one call of the hub ---

function begin() { buf = io.buf; out = io.out; op = io.op; newBudget(); }
function end() { io.op = op; }
function failed(code, message, location) {
  io.code = code; io.message = wellFormed(message); io.location = location;
  return false;
}
/** What a codec or a script threw, as the item's error. */
function failedBy(error, code, what) {
  caught(error);
  if (error instanceof Fault) return failed(code, what + error.text, '');
  return failed(code, what + describe(error), locate(error));
}

// --- ctx ---

let active = false;
let T = null;
let actorId = '';
let nowMs = 0;
let callerFrom = 0;
let callerTo = 0;
let firing = null;
let shownFiring;
let failure = null;
let refusal = null;
let produced = 0;
const eventTypes = [];
const eventBodies = [];
let sends = [];
let timers = [];
let links = [];
let broadcasts = [];

/** Kinds and locations in turn, while a decision is traced; null for all others. */
let trace = null;
function mark(kind) { if (trace !== null) trace.push(kind, locate(new Error(''))); }

function alive() { if (!active) throw new Error('ctx can be used only while decide runs'); }
function stop(code, message) {
  const error = new Error(message);
  if (failure === null) failure = { code, message: clip(message, 1000), location: locate(error) };
  throw error;
}
function invalidBody(code, what, error) {
  if (error instanceof Fault) stop(code, what + ': ' + error.text);
  caught(error);
  throw error;
}
function count(list, max, what) {
  if (list.length >= max) stop('OUTPUT_TOO_LARGE', 'a decision makes at most ' + max + ' ' + what);
}
function weigh(bytes) {
  produced += bytes;
  if (produced > DECISION_BYTES_MAX) stop('OUTPUT_TOO_LARGE', 'a decision makes at most ' + DECISION_BYTES_MAX + ' bytes');
}
function name(value, what) {
  if (typeof value !== 'string' || value.length === 0 || value.length > COMMAND_NAME_BYTES_MAX) stop('BAD_OUTPUT', what + ' must be a text of 1 to ' + COMMAND_NAME_BYTES_MAX + ' bytes');
  const bytes = utf8Bytes(value);
  if (bytes < 0 || bytes > COMMAND_NAME_BYTES_MAX) stop('BAD_OUTPUT', what + ' must be a text of 1 to ' + COMMAND_NAME_BYTES_MAX + ' bytes');
  return value;
}
const typePattern = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$/;
const forbiddenInId = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
/** The same rules as runtime/codec/address.ts; the host checks again. */
function address(value) {
  const wrong = (why) => stop('BAD_OUTPUT', show(value) + ' is not an actor\'s address: ' + why);
  if (typeof value !== 'string') wrong('it must be a text such as "shop.v1.Order:o-1"');
  const colon = value.indexOf(':');
  if (colon < 0 || colon > ACTOR_TYPE_BYTES_MAX || !typePattern.test(value.slice(0, colon))) wrong('it must begin with an actor type and a colon');
  const id = value.slice(colon + 1);
  if (id === '' || id.length > ACTOR_ID_BYTES_MAX) wrong('its id must have 1 to ' + ACTOR_ID_BYTES_MAX + ' bytes');
  const bytes = utf8Bytes(id);
  if (bytes < 0 || bytes > ACTOR_ID_BYTES_MAX) wrong('its id must have 1 to ' + ACTOR_ID_BYTES_MAX + ' bytes of well-formed text');
  if (forbiddenInId.test(id)) wrong('its id holds a control character, a line break or a direction mark');
  return value.slice(0, colon);
}
function bodyFor(command, body, what) {
  newBudget();
  try { return command.normalise(body === undefined ? {} : body); } catch (error) { return invalidBody('BAD_OUTPUT', what, error); }
}
function ownCommand(value, what) {
  const index = typeof value === 'string' ? T.commandIndex.get(value) : undefined;
  if (index === undefined) stop('BAD_OUTPUT', what + ': ' + T.type + ' has no command ' + show(value));
  return T.commands[index];
}

const ctx = freeze({
  get id() { alive(); return actorId; },
  get now() { alive(); return nowMs; },
  get caller() { alive(); return utf8Text(callerFrom, callerTo); },
  get firing() { alive(); return firing === null ? undefined : (shownFiring ??= showFiring()); },
  random() { alive(); return nextRandom(); },
  emit(event, body) {
    alive();
    const index = typeof event === 'string' ? T.eventIndex.get(event) : undefined;
    if (index === undefined) stop('BAD_EVENT', T.type + ' has no event ' + show(event));
    count(eventBodies, EVENTS_MAX, 'events');
    newBudget();
    let value;
    try { value = T.events[index].normalise(body === undefined ? {} : body); } catch (error) { invalidBody('BAD_EVENT', event, error); }
    weigh(bytesOf(value) + 32);
    eventTypes.push(index);
    eventBodies.push(value);
    mark(1);
  },
  reject(code, message) {
    alive();
    if (typeof code !== 'string' || code === '' || utf8Bytes(code) < 0 || code.length > 128) stop('BAD_OUTPUT', 'reject: the code must be a short text');
    const textual = message === undefined ? '' : message;
    if (typeof textual !== 'string' || utf8Bytes(textual) < 0) stop('BAD_OUTPUT', 'reject: the message must be a text');
    if (utf8Bytes(code) + utf8Bytes(textual) > REJECTION_BYTES_MAX) stop('OUTPUT_TOO_LARGE', 'a rejection has at most ' + REJECTION_BYTES_MAX + ' bytes');
    if (refusal === null) { refusal = { code, message: textual }; mark(6); }
    throw REJECTED;
  },
  send(to, command, body, options) {
    alive();
    sendCommand('send', to, command, body, options);
  },
  timer(timer, when, command, body, options) {
    alive();
    name(timer, 'timer: the name');
    const every = option(options, 'every', 'timer');
    const { due, cron, zone } = dueBy(when);
    if (every !== undefined) {
      if (cron !== '') stop('BAD_OUTPUT', 'timer: a timer with cron repeats already, there is no every beside it');
      if (!isSafeInteger(every) || every < TIMER_EVERY_MIN_MS || every > TIMER_EVERY_MAX_MS) {
        stop('BAD_OUTPUT', 'timer: every must be whole milliseconds, ' + TIMER_EVERY_MIN_MS + ' to ' + TIMER_EVERY_MAX_MS);
      }
    }
    count(timers, TIMERS_MAX, 'timer changes');
    const own = ownCommand(command, 'timer');
    const value = bodyFor(own, body, 'timer ' + command);
    weigh(bytesOf(value) + timer.length * 3 + cron.length + zone.length + 64);
    timers.push({ name: timer, due, every: every ?? 0, cron, zone, command: own.name, body: value, write: own.write });
    mark(3);
  },
  cancelTimer(timer) {
    alive();
    name(timer, 'cancelTimer: the name');
    count(timers, TIMERS_MAX, 'timer changes');
    weigh(timer.length * 3 + 16);
    timers.push({ name: timer, due: -1, every: 0, cron: '', zone: '', command: '', body: null, write: null });
    mark(3);
  },
  link(actor, command, body, options) {
    linkChange(actor, false);
    // Of one record links go in front of sends: whoever is told has the link already.
    if (command !== undefined || body !== undefined || options !== undefined) sendCommand('link', actor, command, body, options);
  },
  unlink(actor) { linkChange(actor, true); },
  broadcast(command, body) {
    alive();
    const message = typeof command === 'string' ? broadcastMessages.get(command) : undefined;
    if (message === undefined) stop('BAD_OUTPUT', 'broadcast: no type of the bundle has a command ' + show(command));
    if (message === -1) stop('BAD_OUTPUT', 'broadcast: types of the bundle have different messages for the command ' + command);
    count(broadcasts, SENDS_MAX, 'broadcasts');
    newBudget();
    let value;
    try { value = NORMALISE[message](body === undefined ? {} : body); } catch (error) { invalidBody('BAD_OUTPUT', 'broadcast ' + command, error); }
    weigh(bytesOf(value) + 64);
    broadcasts.push({ name: command, body: value, write: WRITE[message] });
    mark(5);
  },
});
for (const key of ownKeys(ctx)) {
  const property = describeOwn(ctx, key);
  freeze(property.value ?? property.get);
}
function sendCommand(what, to, command, body, options) {
  const type = address(to);
  const target = typesByName.get(type);
  if (target === undefined) stop('BAD_OUTPUT', what + ': the bundle has no actor type ' + type);
  const index = typeof command === 'string' ? target.commandIndex.get(command) : undefined;
  if (index === undefined) stop('BAD_OUTPUT', what + ': ' + type + ' has no command ' + show(command));
  count(sends, SENDS_MAX, 'sends');
  const onReply = option(options, 'onReply', what);
  if (onReply !== undefined) checkTaker(ownCommand(onReply, what + ': onReply'), target.commands[index], type, what);
  const value = bodyFor(target.commands[index], body, what + ' ' + command);
  weigh(bytesOf(value) + to.length + 64);
  sends.push({ to, name: command, body: value, write: target.commands[index].write, onReply: onReply ?? '' });
  mark(2);
}
/** An answer that its taker's message cannot hold would be found when it comes, as a dead letter, long after this decision. */
function checkTaker(taker, asked, type, what) {
  const { takes, shape } = REPLY_TAKERS[taker.request];
  if (takes.includes(asked.reply)) return;
  stop('BAD_OUTPUT', what + ': onReply: ' + T.type + '.' + taker.name + ' cannot take the answer of ' + type + '.' + asked.name + ': its message '
    + MESSAGE_NAMES[taker.request] + ' begins ' + clip(shape, 300) + ', where the answer is { string from = 1; ' + MESSAGE_NAMES[asked.reply]
    + ' reply = 2; Refusal refusal = 3; } with Refusal { string code = 1; string message = 2; }');
}
function linkChange(actor, unlink) {
  alive();
  address(actor);
  count(links, LINKS_MAX, 'link changes');
  weigh(actor.length * 3 + 16);
  links.push({ actor, unlink });
  mark(4);
}
/** One option of an options object, which has no other fields than those asked for. */
function option(options, key, what) {
  if (options === undefined) return undefined;
  checkOptions(options, [key], what);
  return options[key];
}
function checkOptions(options, known, what) {
  if (typeof options !== 'object' || options === null) stop('BAD_OUTPUT', what + ': the options must be an object');
  for (const other of ownKeys(options)) if (!known.includes(other)) stop('BAD_OUTPUT', what + ': there is no option ' + clip(other, 60));
}
/** When a timer is due: at a time, or by a calendar, of which the host finds the times. */
function dueBy(when) {
  let due = when;
  if (typeof when === 'object' && when !== null) {
    checkOptions(when, ['in', 'cron', 'zone'], 'timer');
    const { in: delay, cron, zone } = when;
    if (delay === undefined && cron !== undefined) return calendar(cron, zone);
    due = cron === undefined && zone === undefined && isSafeInteger(delay) && delay >= 0 ? nowMs + delay : -1;
  }
  if (!isSafeInteger(due) || due < 0 || due > TIMER_DUE_MAX_MS) {
    stop('BAD_OUTPUT', 'timer: when is milliseconds since 1970, { in: milliseconds }, or { cron, zone }');
  }
  return { due: due + 0, cron: '', zone: '' };
}
function calendar(cron, zone) {
  const { text, wrong } = readCron(cron);
  if (wrong !== '') stop('BAD_OUTPUT', 'timer: cron: ' + wrong);
  if (zone !== undefined && !isZone(zone)) stop('BAD_OUTPUT', 'timer: there is no time zone ' + show(zone) + '; one is written as in "Europe/Berlin"');
  return { due: 0, cron: text, zone: zone === 'UTC' ? '' : zone ?? '' };
}
function showFiring() {
  const { name, due, missed } = firing;
  return freeze({ name, due, missed, late: nowMs - due > TIMER_LATE_MS });
}

// --- random: xoshiro128**, seeded by splitmix32 from the two halves of the seed. Frozen: recorded decisions depend on it. ---

let seedHi = 0, seedLo = 0, seeded = false;
let lane0 = 0, lane1 = 0, lane2 = 0, lane3 = 0;
function mixed(x) {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}
function seed() {
  lane0 = mixed((seedLo + 0x9e3779b9) | 0);
  lane1 = mixed((seedHi + 0x3c6ef372) | 0);
  lane2 = mixed((seedLo ^ lane1) + 0xdaa66d2b | 0);
  lane3 = mixed((seedHi ^ lane0) + 0x78dde6e4 | 0);
  if ((lane0 | lane1 | lane2 | lane3) === 0) lane0 = 1;
  seeded = true;
}
function next32() {
  const five = Math.imul(lane1, 5);
  const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
  const t = lane1 << 9;
  lane2 ^= lane0; lane3 ^= lane1; lane1 ^= lane2; lane0 ^= lane3; lane2 ^= t;
  lane3 = (lane3 << 11) | (lane3 >>> 21);
  return result;
}
/** 53 bits in [0, 1). */
function nextRandom() {
  if (!seeded) seed();
  const top = next32() >>> 5;
  return (top * 67108864 + (next32() >>> 6)) / 9007199254740992;
}

// --- decide ---

function clearOutput() {
  failure = refusal = null;
  exhausted = seeded = false;
  produced = 0;
  if (eventBodies.length !== 0) { eventTypes.length = 0; eventBodies.length = 0; }
  if (sends.length !== 0) sends = [];
  if (timers.length !== 0) timers = [];
  if (links.length !== 0) links = [];
  if (broadcasts.length !== 0) broadcasts = [];
}
function readBody(command, json, from, to) {
  if (!json) { pos = from; return command.read(to); }
  return command.fromJson(from === to ? {} : parsed(utf8Text(from, to)));
}
function parsed(source) {
  try { return parseJson(source); } catch { throw new Fault('', 'the body is not JSON'); }
}

/**
 * Decides one command and writes the fields of its Result; `io.timers` holds the changes to timers, if there are any. False: it failed,
 * `io` says why, the actor is as before.
 */
function decide(actor, index, json, from, to, now, hi, lo, callerFrom_, callerTo_, withState, migrated, firing_, traced) {
  begin();
  trace = traced ? [] : null;
  io.timers = null;
  T = actor.T;
  const command = T.commands[index];
  if (command === undefined) return failed('UNKNOWN_COMMAND', T.type + ' has no such command', '');
  clearOutput();
  let body;
  try { body = readBody(command, json, from, to); } catch (error) { return failedBy(error, 'BAD_BODY', ''); }
  actorId = actor.id; nowMs = now; seedHi = hi; seedLo = lo; callerFrom = callerFrom_; callerTo = callerTo_;
  firing = firing_; shownFiring = undefined;
  const before = actor.state;
  const handler = T.decide[index];
  let reply;
  active = true;
  try { reply = handler(before, body, ctx); } catch (error) {
    active = false;
    caught(error);
    if (exhausted) return failed('BEHAVIOR_ERROR', 'it ran out of stack or memory', locate(error));
    if (failure !== null) return failed(failure.code, failure.message, failure.location);
    if (refusal === null) return failed('BEHAVIOR_ERROR', describe(error), locate(error));
  }
  active = false;
  if (exhausted) return failed('BEHAVIOR_ERROR', 'it ran out of stack or memory, and caught the error', '');
  if (failure !== null) return failed(failure.code, failure.message, failure.location);
  if (refusal !== null) return rejected(command, body, before, withState, migrated);
  newBudget();
  try { reply = command.replyNormalise(reply === undefined && command.replyEmpty ? {} : reply); } catch (error) {
    return failedBy(error, 'BAD_REPLY', command.name + ': ');
  }
  let state = before;
  for (let i = 0; i < eventBodies.length; i++) {
    state = evolve(T, state, eventTypes[i], eventBodies[i]);
    if (state === null) return false;
  }
  if (exhausted) return failed('BEHAVIOR_ERROR', 'evolve ran out of stack or memory, and caught the error', '');
  if (T.subscribers !== null && eventBodies.length > 0 && !deliverEvents()) return false;
  return accepted(actor, command, json, body, before, state, reply, withState, migrated);
}

/** The state after one event, or null with `io` saying why not. */
function evolve(T, state, index, event) {
  let next;
  const handler = T.evolve[index];
  try { next = handler(state, event); } catch (error) {
    failedBy(error, 'BEHAVIOR_ERROR', 'evolve.' + T.events[index].name + ' ');
    return null;
  }
  newBudget();
  try { next = T.normalise(next); } catch (error) {
    failedBy(error, 'BAD_STATE', 'evolve.' + T.events[index].name + ': ');
    return null;
  }
  if (bytesOf(next) > STATE_BYTES_MAX) {
    failed('OUTPUT_TOO_LARGE', 'the state has ' + bytesOf(next) + ' bytes, at most ' + STATE_BYTES_MAX + ' are allowed', '');
    return null;
  }
  return next;
}

function accepted(actor, command, json, body, before, state, reply, withState, migrated) {
  const replyBytes = bytesOf(reply);
  if (bytesOf(body) + replyBytes + produced > DECISION_BYTES_MAX) return failed('OUTPUT_TOO_LARGE', 'a decision makes at most ' + DECISION_BYTES_MAX + ' bytes', '');
  const replyText = json ? command.replyToJson(reply) : '';
  room(bytesOf(body) + produced * 3 + replyBytes * 2 + replyText.length * 3 + eventBodies.length * 160 + 256
    + (withState ? bytesOf(before) : 0) + (migrated ? bytesOf(before) : 0));
  const events = eventBodies.length;
  if (events > 0) { out[op++] = 16; wVar(events); }
  out[op++] = 26;
  const tail = openPadded();
  writePayload(command, body);
  for (let i = 0; i < events; i++) writeEvent(T.events[eventTypes[i]], eventBodies[i]);
  if (sends.length > 0) for (const item of sends) writeSend(item);
  if (timers.length > 0) for (const item of timers) writeTimer(item);
  if (links.length > 0) for (const item of links) writeLink(item);
  if (broadcasts.length > 0) for (const item of broadcasts) writeBroadcast(item);
  out[op++] = 0xb2; out[op++] = 2;
  wVar(sData(replyBytes));
  wData(10, reply, replyBytes, command.replyWrite);
  closePadded(tail);
  if (op - tail - 4 > DECISION_BYTES_MAX) return failed('OUTPUT_TOO_LARGE', 'a decision makes at most ' + DECISION_BYTES_MAX + ' bytes', '');
  out[op++] = 34;
  if (json) { const start = openPadded(); wText(replyText); closePadded(start); }
  else { wVar(replyBytes); command.replyWrite(reply); }
  if (sends.length > 0) for (const item of sends) { out[op++] = 42; wString(item.to); }
  writeStates(before, withState, migrated);
  if (trace !== null) writeTrace();
  actor.state = state;
  if (events > 0) actor.fresh = false;
  out[op++] = 80; wVar(bytesOf(state));
  if (timers.length > 0) io.timers = timers;
  if (timers.length + links.length + broadcasts.length > 0) {
    out[op++] = 88; out[op++] = (timers.length > 0 ? 1 : 0) + (links.length > 0 ? 2 : 0) + (broadcasts.length > 0 ? 4 : 0);
  }
  end();
  return true;
}
function rejected(command, body, before, withState, migrated) {
  const { code, message } = refusal;
  const codeBytes = utf8Bytes(code), messageBytes = utf8Bytes(message);
  const size = 1 + sDelimited(codeBytes) + (messageBytes === 0 ? 0 : 1 + sDelimited(messageBytes));
  room(bytesOf(body) + size * 2 + 128 + (withState ? bytesOf(before) : 0) + (migrated ? bytesOf(before) : 0));
  out[op++] = 8; out[op++] = 1;
  out[op++] = 26;
  const tail = openPadded();
  writePayload(command, body);
  out[op++] = 0xba; out[op++] = 2;
  wVar(size);
  writeRefusal(code, message);
  closePadded(tail);
  out[op++] = 66; wVar(size);
  writeRefusal(code, message);
  writeStates(before, withState, migrated);
  if (trace !== null) writeTrace();
  out[op++] = 80; wVar(bytesOf(before));
  end();
  return true;
}
function writeRefusal(code, message) {
  out[op++] = 10; wString(code);
  if (message !== '') { out[op++] = 18; wString(message); }
}
function writeStates(before, withState, migrated) {
  if (withState) { out[op++] = 50; wVar(bytesOf(before)); T.write(before); }
  if (migrated) { out[op++] = 58; wVar(bytesOf(before)); T.write(before); }
}
function writeTrace() {
  for (let i = 0; i < trace.length; i += 2) {
    const size = 2 + sText(trace[i + 1]);
    // And for what stands behind the trace.
    room(size + 64);
    out[op++] = 98; wVar(size);
    out[op++] = 8; out[op++] = trace[i];
    wField(18, trace[i + 1]);
  }
}
function sData(bytes) { return bytes === 0 ? 0 : 1 + sDelimited(bytes); }
function wData(tag, value, bytes, write) {
  if (bytes !== 0) { out[op++] = tag; wVar(bytes); write(value); }
}
function writePayload(command, body) {
  const bytes = bytesOf(body);
  out[op++] = 0x82; out[op++] = 2;
  wVar(sData(bytes));
  wData(10, body, bytes, command.write);
}
function writeEvent(event, body) {
  const bytes = bytesOf(body);
  const { field } = event;
  out[op++] = 0x8a; out[op++] = 2;
  wVar(field.length + sData(bytes));
  wRaw(field, 0, field.length);
  wData(18, body, bytes, event.write);
}
function sText(value) { return value === '' ? 0 : 1 + sDelimited(utf8Bytes(value)); }
function wField(tag, value) { if (value !== '') { out[op++] = tag; wString(value); } }
function writeSend({ to, name, body, write, onReply }) {
  const bytes = bytesOf(body);
  out[op++] = 0x92; out[op++] = 2;
  wVar(sText(to) + sText(name) + sData(bytes) + sText(onReply));
  wField(10, to); wField(18, name);
  wData(26, body, bytes, write);
  wField(42, onReply);
}
function sNumber(value) { return value === 0 ? 0 : 1 + sUint64Number(value); }
function wNumber(tag, value) { if (value !== 0) { out[op++] = tag; wUint64Number(value); } }
function writeTimer({ name, due, every, cron, zone, command, body, write }) {
  out[op++] = 0x9a; out[op++] = 2;
  if (due < 0) { wVar(sText(name)); wField(10, name); return; }
  const bytes = bytesOf(body);
  const armed = sNumber(due) + sText(command) + sData(bytes) + sNumber(every) + sText(cron) + sText(zone);
  wVar(sText(name) + 1 + sDelimited(armed));
  wField(10, name);
  out[op++] = 18; wVar(armed);
  wNumber(8, due); wField(18, command);
  wData(26, body, bytes, write);
  wNumber(40, every);
  wField(50, cron); wField(58, zone);
}
function writeLink({ actor, unlink }) {
  out[op++] = 0xa2; out[op++] = 2;
  wVar(sText(actor) + (unlink ? 2 : 0));
  wField(10, actor);
  if (unlink) { out[op++] = 16; out[op++] = 1; }
}
function writeBroadcast({ name, body, write }) {
  const bytes = bytesOf(body);
  out[op++] = 0xaa; out[op++] = 2;
  wVar(sText(name) + sData(bytes));
  wField(10, name);
  wData(18, body, bytes, write);
}

// --- activation, carrying over, reading ---

function typeNamed(typeName) {
  const type = typesByName.get(typeName);
  if (type === undefined) failed('UNKNOWN_ACTOR_TYPE', 'the bundle has no actor type ' + typeName, '');
  return type;
}
function fresh(typeName, id) {
  const T = typeNamed(typeName);
  return T === undefined ? null : { T, id, state: T.initial, fresh: true };
}
/** An actor with the state in [from, to) of `bytes`, or of the batch when `bytes` is null. */
function restore(typeName, id, bytes, from, to, code) {
  begin();
  if (bytes !== null) buf = bytes;
  const T = typeNamed(typeName);
  if (T === undefined) return null;
  pos = from;
  try { return { T, id, state: T.read(to), fresh: false }; } catch (error) {
    failedBy(error, code, 'the stored state does not match the schema: ');
    return null;
  }
}
function stateBytes(actor) {
  const size = bytesOf(actor.state);
  const [outWas, opWas] = [out, op];
  out = new U8(size); op = 0;
  actor.T.write(actor.state);
  const bytes = out;
  out = outWas; op = opWas;
  return bytes;
}
/** The state of an actor of another realm by this bundle's `migrate`. */
function migrate(typeName, id, old) {
  begin();
  const T = typeNamed(typeName);
  if (T === undefined) return null;
  exhausted = false;
  let state;
  const carry = T.migrate;
  try { state = carry(old); } catch (error) { failedBy(error, 'MIGRATION_FAILED', 'migrate '); return null; }
  if (exhausted) { failed('MIGRATION_FAILED', 'migrate ran out of stack or memory, and caught the error', ''); return null; }
  newBudget();
  try { state = T.normalise(state); } catch (error) { failedBy(error, 'MIGRATION_FAILED', 'migrate: '); return null; }
  if (bytesOf(state) > STATE_BYTES_MAX) { failed('MIGRATION_FAILED', 'migrate: the state has more than ' + STATE_BYTES_MAX + ' bytes', ''); return null; }
  return { T, id, state, fresh: false };
}
/** Folds one recorded event; false with `io` saying why not. */
function fold(actor, nameFrom, nameTo, from, to) {
  begin();
  const { T } = actor;
  const index = T.eventIndex.get(utf8Text(nameFrom, nameTo));
  if (index === undefined) return failed('BAD_STATE', 'the history has an event that ' + T.type + ' does not know', '');
  exhausted = false;
  let event;
  pos = from;
  try { event = T.events[index].read(to); } catch (error) { return failedBy(error, 'BAD_STATE', 'event ' + T.events[index].name + ': '); }
  const state = evolve(T, actor.state, index, event);
  if (state === null) { io.code = 'BAD_STATE'; return false; }
  if (exhausted) return failed('BAD_STATE', 'evolve ran out of stack or memory, and caught the error', '');
  actor.state = state;
  actor.fresh = false;
  return true;
}
function writeAnswer(json, value, write, toJson) {
  const textual = json ? toJson(value) : '';
  room((json ? textual.length * 3 : bytesOf(value)) + 16);
  out[op++] = 34;
  if (json) { const start = openPadded(); wText(textual); closePadded(start); }
  else { wVar(bytesOf(value)); write(value); }
}
function read(actor, json) {
  begin();
  const { T, state } = actor;
  writeAnswer(json, state, T.write, T.toJson);
  out[op++] = 80; wVar(bytesOf(state));
  end();
  return true;
}
function normaliseCommand(typeName, index, json, from, to) {
  begin();
  const T = typeNamed(typeName);
  if (T === undefined) return false;
  const command = T.commands[index];
  if (command === undefined) return failed('UNKNOWN_COMMAND', T.type + ' has no such command', '');
  try { writeAnswer(false, readBody(command, json, from, to), command.write, null); } catch (error) { return failedBy(error, 'BAD_BODY', ''); }
  end();
  return true;
}
/** payload: 1 state, 2 event, 3 reply, 4 command. */
function toJson(typeName, payload, item, from, to) {
  begin();
  const T = typeNamed(typeName);
  if (T === undefined) return false;
  const index = payload === 1 ? 0 : (payload === 2 ? T.eventIndex : T.commandIndex).get(item);
  if (index === undefined) return failed(payload === 2 ? 'BAD_EVENT' : 'UNKNOWN_COMMAND', T.type + ' has no such name', '');
  const owner = payload === 1 ? T : payload === 2 ? T.events[index] : T.commands[index];
  pos = from;
  try {
    const value = (payload === 3 ? owner.replyRead : owner.read)(to);
    writeAnswer(true, value, null, payload === 3 ? owner.replyToJson : owner.toJson);
  } catch (error) { return failedBy(error, 'BAD_BODY', ''); }
  end();
  return true;
}

const realm = {
  decide, fresh, restore, stateBytes, migrate, fold, read, normaliseCommand, toJson,
  foldHashOf: (actor) => actor.T.foldHash,
  sizeOf: (actor) => bytesOf(actor.state),
  foldHashOfType: (typeName) => typesByName.get(typeName)?.foldHash,
  migrates: (typeName) => typesByName.get(typeName)?.migrate !== undefined,
  moduleOf: (typeName) => typesByName.get(typeName).file,
  has: (typeName) => typesByName.has(typeName),
  subscriptionTexts, placeSubscriptions,
  setFoldHash: (typeName, hash) => { typesByName.get(typeName).foldHash = hash; },
};
