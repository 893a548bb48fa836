/**
 * Counts what a client sends more than once, which it keeps to itself: a WebSocket between the client and its connections looks at the
 * ids of what goes out. A command keeps its id through all of its client's retries, and ids are numbers that grow.
 */

const FIRST_ROOM = 65_536;
/** A command's frame begins so (runtime/client/client.ts); reads, watches and questions for the map do not. */
const COMMAND_ID = /\{"id":"([0-9a-z]+)","deadlineMs"/g;

export class Sends {
  /** Commands that were sent more than once. */
  retried = 0;
  /** Sends beyond the first. */
  again = 0;
  readonly WebSocket: typeof WebSocket;
  private times = new Uint8Array(FIRST_ROOM);

  constructor() {
    const count = (text: string): void => this.count(text);
    this.WebSocket = class extends globalThis.WebSocket {
      override send(data: Parameters<WebSocket['send']>[0]): void {
        if (typeof data === 'string') count(data);
        super.send(data);
      }
    };
  }

  private count(text: string): void {
    for (const [, id] of text.matchAll(COMMAND_ID)) {
      const number = parseInt(id!, 36);
      while (number >= this.times.length) this.times = grown(this.times);
      const before = this.times[number]!;
      if (before > 0) this.again++;
      if (before === 1) this.retried++;
      this.times[number] = Math.min(before + 1, 2);
    }
  }
}

function grown(times: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(times.length * 2);
  larger.set(times);
  return larger;
}
