/**
 * Flushes every connection that was touched in a turn once, when the turn is over. A write per answer is what a
 * WebSocket server spends most of its time on.
 */

export interface Flushable {
  flush(): void;
}

export class Flusher {
  private touched: Flushable[] = [];
  private flushing: Flushable[] = [];
  private isRunning = false;
  private readonly run = (): void => {
    const batch = this.touched;
    this.touched = this.flushing;
    this.flushing = batch;
    this.isRunning = true;
    for (let i = 0; i < batch.length; i++) batch[i]!.flush();
    this.isRunning = false;
    batch.length = 0;
  };

  add(connection: Flushable): void {
    if (this.touched.length === 0) {
      // A flush that lets a watch go on touches again. Another nextTick for that would keep the event loop from its I/O for
      // as long as the history lasts.
      if (this.isRunning) setImmediate(this.run);
      // nextTick runs after the microtasks of this turn: whatever a promise answers in it goes into the same write.
      else process.nextTick(this.run);
    }
    this.touched.push(connection);
  }
}
