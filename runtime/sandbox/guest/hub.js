// Guest runtime, part 3: the hub. It lives in a context of its own, in which no script ever runs, reads a batch, and calls the realm
// of each item's bundle. Follows wire.js in the same function body. Messages: proto/troupe/v1/sandbox.proto.
//
// H1  Result i answers item i: every item adds exactly one result, whatever happens in it.
// H2  An item that fails leaves its actor, and the output before it, as they were.

// H3  A timer that was changed by a decision which the host has not seen yet does not fire: the count of such decisions, and the names they
//     changed, belong to the actor here, whatever realm it is in.

const io = { buf: NO_BYTES, out: NO_BYTES, op: 0, code: '', message: '', location: '', timers: null };
const realms = new Map();
/** By handle: { realm, actor, type, id, timers }; `timers` of those that have changed one (H3): { changes, changed, forgotten }. */
const residents = new Map();

let fieldNumber = 0;
let from = 0;
let to = 0;
let value = 0;
/** Moves to the next field of the message that ends at `end`; sets `value`, or `from` and `to`. */
function field(end) {
  if (pos >= end) return false;
  const tag = rTag(end);
  fieldNumber = tag >>> 3;
  switch (tag & 7) {
    case 0: { const low = varint(end); value = high === 0 ? low : high * 4294967296 + low; break; }
    case 1: from = pos; pos += 8; break;
    case 2: { const size = rSize(end); from = pos; to = pos += size; break; }
    case 5: pos += 4; break;
    default: throw new Fault('', 'wire type');
  }
  return true;
}
function word(i) { return (buf[i] | (buf[i + 1] << 8) | (buf[i + 2] << 16) | (buf[i + 3] << 24)) >>> 0; }
function fail(code, message) { io.code = code; io.message = message; io.location = ''; return false; }
function realmOf(bundle) {
  const realm = realms.get(bundle);
  if (realm === undefined) fail('INTERNAL', 'bundle ' + bundle + ' is not loaded');
  return realm;
}

/** Memory that the process shares with this closure alone: batches come in and results go out without being copied. */
let sharedIn = NO_BYTES;
let sharedOut = NO_BYTES;
/** Items and steps begun so far, for who watches from outside (process.ts): a step is an item, or an event of a history that one folds. */
let progress = new Uint32Array(2);
function share(input, output, seen) { sharedIn = new U8(input); sharedOut = new U8(output); progress = new Uint32Array(seen); }

/**
 * Runs the items of the batch at [start, end) of `bytes`, or of the shared memory when `bytes` is null. The value is the length of the
 * result in the shared memory, or the result itself when it is larger; four bytes for its length stand before it.
 */
function run(bytes, start, end) {
  buf = io.buf = bytes === null ? sharedIn : bytes;
  out = io.out = sharedOut;
  op = 0;
  pos = start;
  let id = 0, generation = 0, header = false;
  while (field(end)) {
    if (fieldNumber === 1) id = value;
    else if (fieldNumber === 2) generation = value;
    else if (fieldNumber === 4) {
      if (!header) { writeHeader(id, generation); header = true; }
      const next = pos;
      progress[1]++;
      progress[0]++;
      runItem(from, to);
      pos = next;
    }
  }
  if (!header) writeHeader(id, generation);
  buf = io.buf = NO_BYTES;
  return io.out === sharedOut ? io.op : io.out.slice(0, io.op).buffer;
}
function writeHeader(id, generation) {
  op = 4;
  // CPU time, which is filled in behind the last item (process.ts).
  out[op++] = 37; wFixed32(0);
  if (id !== 0) { out[op++] = 8; wUint64Number(id); }
  if (generation !== 0) { out[op++] = 16; wUint64Number(generation); }
  io.op = op;
}
function runItem(start, end) {
  out = io.out; op = io.op;
  room(64);
  out[op++] = 26;
  const length = openPadded();
  io.op = op;
  pos = start;
  if (!field(end)) fieldNumber = 0;
  let done = false;
  try { done = length > RESULT_BYTES_MAX ? fail('OVERLOADED', 'the commands of one batch produced too much') : dispatch(fieldNumber, from, to); } catch (error) { done = fail('INTERNAL', error instanceof Fault ? error.text : 'the hub failed'); }
  out = io.out;
  if (done) op = io.op;
  else { op = length + 4; writeError(); }
  closePadded(length);
  io.op = op;
}
function writeError() {
  const { code, message, location } = io;
  const size = 1 + sDelimited(utf8Bytes(code)) + (message === '' ? 0 : 1 + sDelimited(utf8Bytes(message))) + (location === '' ? 0 : 1 + sDelimited(utf8Bytes(location)));
  room(size + 32);
  out[op++] = 8; out[op++] = 2;
  out[op++] = 66; wVar(size);
  out[op++] = 10; wString(code);
  if (message !== '') { out[op++] = 18; wString(message); }
  if (location !== '') { out[op++] = 26; wString(location); }
}
function dispatch(kind, start, end) {
  pos = start;
  switch (kind) {
    case 3: return decideItem(end);
    case 2: return activateItem(end);
    case 4: return readItem(end);
    case 5: return dropItem(end);
    case 6: return normaliseItem(end);
    case 7: return toJsonItem(end);
    default: return fail('INTERNAL', 'an item of unknown kind');
  }
}

function decideItem(end) {
  let handle = 0, bundle = 0, command = 0, format = 0, bodyFrom = 0, bodyTo = 0, now = 0, hi = 0, lo = 0, callerFrom = 0, callerTo = 0, sample = 0, firingFrom = -1, firingTo = -1, trace = 0;
  while (field(end)) {
    switch (fieldNumber) {
      case 1: handle = value; break;
      case 2: bundle = value; break;
      case 3: command = value; break;
      case 4: format = value; break;
      case 5: bodyFrom = from; bodyTo = to; break;
      case 6: now = value; break;
      case 7: lo = word(from); hi = word(from + 4); break;
      case 8: callerFrom = from; callerTo = to; break;
      case 9: sample = value; break;
      case 10: firingFrom = from; firingTo = to; break;
      case 11: trace = value; break;
    }
  }
  const realm = realmOf(bundle);
  if (realm === undefined) return false;
  const resident = residents.get(handle);
  if (resident === undefined) return fail('INTERNAL', 'no actor stands under handle ' + handle);
  const firing = firingFrom < 0 ? null : readFiring(firingFrom, firingTo);
  if (firing !== null && resident.timers !== null && isOutdated(resident.timers, firing)) return skipped();
  if (resident.realm === realm) {
    const done = realm.decide(resident.actor, command, format === 2, bodyFrom, bodyTo, now, hi, lo, callerFrom, callerTo, sample === 1, false, firing, trace === 1);
    if (done && io.timers !== null) noteChanges(resident, io.timers);
    return done;
  }
  const differs = foldDiffers(resident, realm);
  const actor = carry(resident, realm, differs);
  if (actor === null) return false;
  const done = realm.decide(actor, command, format === 2, bodyFrom, bodyTo, now, hi, lo, callerFrom, callerTo, sample === 1, differs, firing, trace === 1);
  if (!done) return false;
  resident.realm = realm; resident.actor = actor;
  if (io.timers !== null) noteChanges(resident, io.timers);
  return true;
}
function readFiring(start, end) {
  const firing = { name: '', due: 0, missed: 0, changes: 0 };
  pos = start;
  while (field(end)) {
    switch (fieldNumber) {
      case 1: firing.name = utf8Text(from, to); break;
      case 2: firing.due = value; break;
      case 3: firing.missed = value; break;
      case 4: firing.changes = value; break;
    }
  }
  return firing;
}
/** H3: of more names than fit, it is not known which have changed. */
function isOutdated({ changed, forgotten }, { name, changes }) {
  return forgotten > changes || (changed.get(name) ?? 0) > changes;
}
function noteChanges(resident, timers) {
  const seen = (resident.timers ??= { changes: 0, changed: new Map(), forgotten: 0 });
  const count = ++seen.changes;
  for (const { name } of timers) seen.changed.set(name, count);
  if (seen.changed.size <= CHANGED_TIMERS_MAX) return;
  seen.changed.clear();
  seen.forgotten = count;
}
function skipped() {
  out = io.out; op = io.op;
  out[op++] = 8; out[op++] = 3;
  io.op = op;
  return true;
}
/** An actor in its initial state has nothing that could differ: it takes the initial state of the other bundle. */
function foldDiffers(resident, realm) {
  return !resident.actor.fresh && resident.realm.foldHashOf(resident.actor) !== realm.foldHashOfType(resident.type);
}
/** The actor as it stands under another bundle; null with `io` saying why not. */
function carry(resident, realm, differs) {
  const { actor, type, id } = resident;
  if (actor.fresh || !realm.has(type)) return realm.fresh(type, id);
  if (differs && realm.migrates(type)) return realm.migrate(type, id, actor.state);
  const bytes = resident.realm.stateBytes(actor);
  return realm.restore(type, id, bytes, 0, bytes.length, 'MIGRATION_FAILED');
}
function readItem(end) {
  let handle = 0, bundle = 0, format = 0;
  while (field(end)) {
    if (fieldNumber === 1) handle = value;
    else if (fieldNumber === 2) bundle = value;
    else if (fieldNumber === 3) format = value;
  }
  const realm = realmOf(bundle);
  if (realm === undefined) return false;
  const resident = residents.get(handle);
  if (resident === undefined) return fail('INTERNAL', 'no actor stands under handle ' + handle);
  // A read must not leave the state carried over: only a decision's result tells the host, which records the migration.
  const actor = resident.realm === realm ? resident.actor : carry(resident, realm, foldDiffers(resident, realm));
  return actor !== null && realm.read(actor, format === 2);
}
/** Names of types, one text each: a million actors share it. */
const typeNames = new Map();
function shared(type) {
  const known = typeNames.get(type);
  if (known !== undefined) return known;
  typeNames.set(type, type);
  return type;
}
function dropItem(end) {
  let handle = 0;
  while (field(end)) if (fieldNumber === 1) handle = value;
  residents.delete(handle);
  return true;
}
function activateItem(end) {
  let handle = 0, type = '', id = '', bundle = 0, stateFrom = -1, stateTo = -1;
  const records = [];
  while (field(end)) {
    switch (fieldNumber) {
      case 1: handle = value; break;
      case 2: type = utf8Text(from, to); break;
      case 3: id = utf8Text(from, to); break;
      case 4: bundle = value; break;
      case 5: stateFrom = from; stateTo = to; break;
      case 6: records.push(from, to); break;
    }
  }
  residents.delete(handle);
  const realm = realmOf(bundle);
  if (realm === undefined) return false;
  const actor = stateFrom < 0 ? realm.fresh(type, id) : realm.restore(type, id, null, stateFrom, stateTo, 'BAD_STATE');
  if (actor === null) return false;
  const resident = { realm, actor, type: shared(type), id, timers: null };
  for (let i = 0; i < records.length; i += 2) if (!foldRecord(resident, records[i], records[i + 1])) return false;
  residents.set(handle, resident);
  out = io.out; op = io.op;
  out[op++] = 80; wVar(resident.realm.sizeOf(resident.actor));
  io.op = op;
  return true;
}
function foldRecord(resident, start, end) {
  let bundle = 0, recordFrom = 0, recordTo = 0;
  pos = start;
  while (field(end)) {
    if (fieldNumber === 1) bundle = value;
    else if (fieldNumber === 2) { recordFrom = from; recordTo = to; }
  }
  const realm = realmOf(bundle);
  if (realm === undefined) return false;
  pos = recordFrom;
  while (field(recordTo)) {
    const next = pos;
    if (fieldNumber === 33 && !foldEvent(resident, realm, from, to)) return false;
    if (fieldNumber === 53 && !takeMigrated(resident, realm, from, to)) return false;
    pos = next;
  }
  return true;
}
function foldEvent(resident, realm, start, end) {
  progress[1]++;
  let nameFrom = 0, nameTo = 0, dataFrom = 0, dataTo = 0;
  pos = start;
  while (field(end)) {
    if (fieldNumber === 1) { nameFrom = from; nameTo = to; }
    else if (fieldNumber === 2) { dataFrom = from; dataTo = to; }
  }
  if (resident.realm !== realm) {
    if (foldDiffers(resident, realm)) return fail('BAD_STATE', 'the history changes the fold without a migration');
    const actor = carry(resident, realm, false);
    if (actor === null) return false;
    resident.realm = realm; resident.actor = actor;
  }
  return realm.fold(resident.actor, nameFrom, nameTo, dataFrom, dataTo);
}
function takeMigrated(resident, realm, start, end) {
  let stateFrom = start, stateTo = start;
  pos = start;
  while (field(end)) if (fieldNumber === 1) { stateFrom = from; stateTo = to; }
  const actor = realm.restore(resident.type, resident.id, null, stateFrom, stateTo, 'BAD_STATE');
  if (actor === null) return false;
  resident.realm = realm; resident.actor = actor;
  return true;
}
function normaliseItem(end) {
  let bundle = 0, type = '', command = 0, format = 0, bodyFrom = 0, bodyTo = 0;
  while (field(end)) {
    switch (fieldNumber) {
      case 1: bundle = value; break;
      case 2: type = utf8Text(from, to); break;
      case 3: command = value; break;
      case 4: format = value; break;
      case 5: bodyFrom = from; bodyTo = to; break;
    }
  }
  const realm = realmOf(bundle);
  return realm !== undefined && realm.normaliseCommand(type, command, format === 2, bodyFrom, bodyTo);
}
function toJsonItem(end) {
  let bundle = 0, type = '', payload = 0, name = '', dataFrom = 0, dataTo = 0;
  while (field(end)) {
    switch (fieldNumber) {
      case 1: bundle = value; break;
      case 2: type = utf8Text(from, to); break;
      case 3: payload = value; break;
      case 4: name = utf8Text(from, to); break;
      case 5: dataFrom = from; dataTo = to; break;
    }
  }
  const realm = realmOf(bundle);
  return realm !== undefined && realm.toJson(type, payload, name, dataFrom, dataTo);
}
