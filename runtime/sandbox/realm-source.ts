/** Joins the guest runtime, the generated codec and a bundle's tables into the scripts that a realm runs before any module. */

import { readFileSync } from 'node:fs';

import { limits } from '../limits.ts';
import { codecSource } from './codec-source.ts';
import type { ColumnShift } from './module-source.ts';
import { realmAdvice, realmGlobals, realmMembers } from './realm-globals.ts';
import { replyTakers } from './reply-takers.ts';
import type { Schema, TypeSchema } from './schema.ts';
import { timeZones } from './time-zones.ts';

function guest(name: string): string {
  return readFileSync(new URL(`./guest/${name}`, import.meta.url), 'utf8');
}

const intrinsics = guest('intrinsics.js');
const lockdown = guest('lockdown.js');
const wire = guest('wire.js');
const calendar = guest('calendar.js');
const actors = guest('actors.js');
const hub = guest('hub.js');
const subscriptions = guest('subscriptions.js');
const modules = guest('modules.js');
const codecFile = readFileSync(new URL(import.meta.url.replace('realm-source', 'codec-source')), 'utf8');
const takersFile = readFileSync(new URL(import.meta.url.replace('realm-source', 'reply-takers')), 'utf8');

const constants = Object.entries({
  ELEMENTS_MAX: limits.messageElementsMax,
  DEPTH_MAX: limits.messageDepthMax,
  DECISION_BYTES_MAX: limits.decisionBytesMax,
  STATE_BYTES_MAX: limits.stateBytesMax,
  RESULT_BYTES_MAX: limits.batchResultBytesMax,
  EVENTS_MAX: limits.eventsPerDecisionMax,
  SENDS_MAX: limits.sendsPerDecisionMax,
  TIMERS_MAX: limits.timersPerDecisionMax,
  LINKS_MAX: limits.linksPerDecisionMax,
  REJECTION_BYTES_MAX: limits.rejectionBytesMax,
  COMMAND_NAME_BYTES_MAX: limits.commandNameBytesMax,
  ACTOR_TYPE_BYTES_MAX: limits.actorTypeBytesMax,
  ACTOR_ID_BYTES_MAX: limits.actorIdBytesMax,
  TIMER_EVERY_MIN_MS: limits.timerEveryMinMs,
  TIMER_EVERY_MAX_MS: limits.timerEveryMaxMs,
  TIMER_DUE_MAX_MS: limits.timerDueMaxMs,
  TIMER_LATE_MS: limits.timerLateMs,
  CRON_BYTES_MAX: limits.cronBytesMax,
  CHANGED_TIMERS_MAX: limits.changedTimersMax,
  TIME_ZONES: JSON.stringify(timeZones.join(' ')),
})
  .map(([name, value]) => `const ${name} = ${value};`)
  .join('\n');

/** What decides how a decision comes out, besides V8 and the bundle: hashed into `engineHash`. */
export const guestSources: readonly string[] = [intrinsics, lockdown, wire, calendar, actors, subscriptions, modules, constants, codecFile, takersFile];

/** Makes the realm fit for scripts. */
export const lockdownSource = `(function () {
${intrinsics}
${lockdown}

lockdown(${JSON.stringify(realmGlobals)}, ${JSON.stringify(realmMembers)}, ${JSON.stringify(realmAdvice)});
})()`;

/** Its value is { io, run, realms } of the hub. */
export const hubSource = `(function () {
'use strict';
${constants}
${wire}
${hub}
return { run, io, share, addRealm(bundle, realm) { realms.set(bundle, realm); }, removeRealm(bundle) { realms.delete(bundle); } };
})()`;

/**
 * What a realm keeps apart from the scripts: `marks` knows the collections that were frozen, `locations` where errors came from. Runs
 * before the lockdown and leaves one global, `$troupe`, which is taken away before the first script runs.
 *
 * Scripts see no frames in `stack`: which ones V8 shows, of the runtime's own above all, differs from process to process.
 */
export const prologueSource = `(function () {
'use strict';
class Itself { constructor(value) { return value; } }
class Mark extends Itself {
  #marked = true;
  static has(value) { return (typeof value === 'object' && value !== null || typeof value === 'function') && #marked in value; }
}
const locations = new WeakMap();
let loading = true;
const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
const data = (error, key) => {
  for (let at = error, i = 0; at !== null && i < 8; at = getPrototypeOf(at), i++) {
    const property = getOwnPropertyDescriptor(at, key);
    if (property !== undefined) return typeof property.value === 'string' ? property.value : '';
  }
  return '';
};
const prepareStackTrace = (error, sites) => {
  let where = '';
  try {
    for (const site of sites) {
      const file = site.getFileName();
      if (typeof file !== 'string' || !file.startsWith('bundle:')) continue;
      const line = site.getLineNumber(), column = site.getColumnNumber();
      locations.set(error, { file: file.slice(7), line, column });
      // What is thrown while modules load leaves the realm as isolated-vm's error, whose text is all that is left of it.
      if (loading) where = '\\n    at ' + file + ':' + line + ':' + column;
      break;
    }
    return (data(error, 'name') || 'Error') + ': ' + data(error, 'message') + where;
  } catch { return 'Error'; }
};
Object.defineProperty(Error, 'prepareStackTrace', { value: prepareStackTrace, writable: false, enumerable: false, configurable: false });
globalThis.$troupe = { locations, loaded() { loading = false; }, marks: { has: Mark.has, add(value) { if (!Mark.has(value)) new Mark(value); } } };
})()`;

/** Takes away what only the runtime may see; its value is a list of the globals that scripts will find. */
export const closingSource = `(function () {
delete globalThis.$troupe;
Object.preventExtensions(globalThis);
return JSON.stringify(Reflect.ownKeys(globalThis).map((key) => typeof key === 'symbol' ? '@@' + key.description : key));
})()`;

/** A function of the hub's `io`; it returns the realm's functions and leaves its part in `$troupe`. */
export function realmSource(schema: Schema, shifts: Readonly<Record<string, readonly ColumnShift[]>>): string {
  const complete: TypeSchema[] = [];
  const missing: Record<string, string> = {};
  for (const [type, item] of schema.types) {
    if (typeof item === 'string') missing[type] = item;
    else complete.push(item);
  }
  return `(function (io) {
'use strict';
${constants}
const SCHEMA_TYPES = ${JSON.stringify(complete)};
const MISSING_TYPES = ${JSON.stringify(missing)};
const REPLY_TAKERS = ${JSON.stringify(replyTakers(schema))};
const COLUMN_SHIFTS = ${JSON.stringify(shifts)};
${wire}
${codecSource(schema)}
${calendar}
${actors}
${subscriptions}
${modules}
globalThis.$troupe = freeze({ defineActor: freeze(defineActor), caught: freeze(caught), installModules: freeze(installModules) });
return freeze(realm);
})`;
}
