/**
 * The check of a run: every actor's state, read back with `get`, must hold exactly the acknowledged increments, and its newest
 * event's number must be the count of acknowledged commands. One actor that differs makes the run worthless.
 */

import type { Connection } from './connection.ts';
import type { FrameFormat } from './format.ts';

export interface Mismatch {
  readonly actor: number;
  readonly expectedSum: number;
  readonly foundSum: number;
  readonly expectedSeq: number;
  readonly foundSeq: number;
}

export interface Verdict {
  readonly actorsChecked: number;
  readonly mismatches: Mismatch[];
  readonly failures: string[];
}

const GETS_IN_FLIGHT = 256;
const SHOWN_MAX = 10;

export function verify(connection: Connection, format: FrameFormat, counts: Float64Array, sums: Float64Array): Promise<Verdict> {
  const actors = [...counts.keys()].filter((actor) => counts[actor]! > 0);
  const mismatches: Mismatch[] = [];
  const failures: string[] = [];
  const slots = Math.min(GETS_IN_FLIGHT, actors.length);
  const slotActor = new Int32Array(GETS_IN_FLIGHT);
  const free = Array.from({ length: slots }, (_, i) => i);
  let next = 0;
  let open = 0;

  return new Promise((resolve) => {
    const finish = (): void => resolve({ actorsChecked: next, mismatches, failures });
    const send = (): void => {
      while (free.length > 0 && next < actors.length) {
        const slot = free.pop()!;
        const actor = actors[next++]!;
        slotActor[slot] = actor;
        open++;
        const mark = connection.beginFrame();
        format.first(connection.out);
        format.get(connection.out, 0, slot, actor);
        format.last(connection.out);
        connection.endFrame(mark);
      }
      connection.flush();
      if (open === 0 && next === actors.length) finish();
    };
    const close = (slot: number): void => {
      free.push(slot);
      open--;
    };
    const sink = {
      done(slot: number, seq: number, value: number): void {
        const actor = slotActor[slot]!;
        if ((seq !== counts[actor] || value !== sums[actor]) && mismatches.length < SHOWN_MAX) {
          mismatches.push({ actor, expectedSum: sums[actor]!, foundSum: value, expectedSeq: counts[actor]!, foundSeq: seq });
        }
        close(slot);
      },
      failed(slot: number, code: string): void {
        if (failures.length < SHOWN_MAX) failures.push(`get of actor ${slotActor[slot]}: ${code}`);
        close(slot);
      },
      echoed(slot: number): void {
        sink.failed(slot, 'an echo instead of an answer');
      },
    };
    connection.owner = {
      frame: (buffer, from, to) => format.answers(buffer, from, to, sink, true),
      readEnd: send,
      lost: (reason) => {
        failures.push(`connection lost: ${reason}`);
        finish();
      },
    };
    send();
  });
}
