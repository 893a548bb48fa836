/**
 * A server's wall clock in a test's hand: the server is started with a library in front of its C library (shifted-clock.c), and its clock jumps
 * when the test says so. Other clocks of the machine, and the server's own monotonic one, stay as they are.
 */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { compilePreload, writeNumber } from './preload.ts';

/** A server as it is asked for the time; `RedisServer` is one. */
export interface ClockServer {
  command(name: 'TIME'): Promise<unknown>;
}

const POLL_MS = 2;
const JUMP_MAX_MS = 15_000;
/** Apart from its shift, the server's clock is this machine's. */
const EXACT_TO_S = 30;

/** Leaves a library and the shift of its clock, 0 at first, in a folder that is there. @throws Error without a C compiler */
export async function makeShiftedClock(directory: string): Promise<ShiftedClock> {
  return new ShiftedClock(directory, await compilePreload('shifted-clock', directory));
}

export class ShiftedClock {
  /** For the server, when it is started. Several servers may have one clock. */
  readonly env: Readonly<Record<string, string>>;
  private readonly file: string;

  /** Compiles nothing; use `makeShiftedClock`. */
  constructor(directory: string, library: string) {
    this.file = join(directory, 'clock-shift');
    this.env = { LD_PRELOAD: library, TROUPE_CLOCK_SHIFT: this.file };
    this.set(0);
  }

  /** The clock is ahead by so many seconds within milliseconds, whether its server runs, is suspended, or is yet to be started. */
  set(shiftS: number): void {
    writeNumber(this.file, shiftS);
  }

  /** As `set`. Resolves when the server tells that time. @throws Error when it does not */
  async jump(shiftS: number, server: ClockServer): Promise<void> {
    this.set(shiftS);
    const untilMs = performance.now() + JUMP_MAX_MS;
    for (;;) {
      const found = await shiftOf(server);
      if (Math.abs(found - shiftS) < EXACT_TO_S) return;
      if (performance.now() > untilMs) throw new Error(`the clock of the server was to be ${shiftS} s ahead, and is ${found.toFixed(0)} s ahead`);
      await sleep(POLL_MS);
    }
  }
}

/** Seconds by which the server's clock is ahead of this process's. */
export async function shiftOf(server: ClockServer): Promise<number> {
  const [seconds, microseconds] = (await server.command('TIME')) as [string, string];
  return Number(seconds) + Number(microseconds) / 1e6 - Date.now() / 1_000;
}
