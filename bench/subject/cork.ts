/** Corks sockets until the end of the tick: one write per socket and tick, however many frames were sent. */

import type { Socket } from 'node:net';

export class Corks {
  private readonly corked: Socket[] = [];
  private scheduled = false;

  cork(socket: Socket): void {
    if (socket.writableCorked > 0) return;
    socket.cork();
    this.corked.push(socket);
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      for (const one of this.corked.splice(0)) one.uncork();
    });
  }
}
