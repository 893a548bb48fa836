/**
 * The Lua library of the control plane: one text put together from the files in `lua/`, one a function, and the names under which this
 * version of it is registered. Both carry a hash of the text, so that nodes of two versions can use one server side by side.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const functions = ['found', 'beat', 'leave', 'campaign', 'publish', 'accept', 'release', 'forget', 'drain', 'pin'] as const;
export type ControlFunction = (typeof functions)[number];

export interface ControlLibrary {
  /** For FUNCTION LOAD. */
  readonly text: string;
  functionName(called: ControlFunction): string;
}

/** Names of one function's helpers must not meet those of another's. */
function scoped(source: string): string {
  return `do\n${source}end\n`;
}

function build(): ControlLibrary {
  const read = (name: string): string => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');
  const source = [read('common'), ...functions.map((name) => scoped(read(name)))].join('\n');
  const version = createHash('sha256').update(source).digest('hex').slice(0, 12);
  return { text: source.replaceAll('@version@', version), functionName: (called) => `control_${called}_${version}` };
}

export const controlLibrary = build();
