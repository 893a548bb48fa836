/**
 * Commands on their way, in a lane per actor.
 *
 * K1  A lane holds its commands in the order they were given, until each is answered or given up.
 * K2  A command is sent only when every command before it in its lane has been sent on this connection, and none before it is
 *     waiting to be retried. After a reconnect all are sent again, from the front, with the keys they had.
 * K3  At most `inFlightPerActorMax` of a lane, and `inFlightMax` in all, are on the wire.
 */

export interface Command {
  readonly to: string;
  /** Sent on the present connection and not answered. */
  isSent: boolean;
  attempts: number;
}

interface Lane<C extends Command> {
  readonly commands: C[];
  inFlight: number;
  /** A command of this lane waits before its next attempt. */
  isResting: boolean;
  isStarved: boolean;
}

export interface LanesSettings {
  readonly inFlightPerActorMax: number;
  readonly inFlightMax: number;
}

export class Lanes<C extends Command> {
  private readonly lanes = new Map<string, Lane<C>>();
  private readonly starved: Lane<C>[] = [];
  private inFlight = 0;
  private readonly settings: LanesSettings;
  private readonly transmit: (command: C) => void;

  constructor(settings: LanesSettings, transmit: (command: C) => void) {
    this.settings = settings;
    this.transmit = transmit;
  }

  add(command: C, isUp: boolean): void {
    let lane = this.lanes.get(command.to);
    if (lane === undefined) {
      lane = { commands: [], inFlight: 0, isResting: false, isStarved: false };
      this.lanes.set(command.to, lane);
    }
    lane.commands.push(command);
    if (isUp) this.pump(lane);
  }

  /** Takes a command out, answered or given up. */
  remove(command: C, isUp: boolean): void {
    const lane = this.lanes.get(command.to);
    const at = lane?.commands.indexOf(command) ?? -1;
    if (lane === undefined || at < 0) return;
    lane.commands.splice(at, 1);
    this.unsend(lane, command);
    if (lane.commands.length === 0) this.lanes.delete(command.to);
    else if (isUp) this.pump(lane);
    if (isUp) this.feedStarved();
  }

  /** Keeps a refused command in its place; nothing of its lane is sent until `wake`. */
  rest(command: C, isUp: boolean): void {
    const lane = this.lanes.get(command.to);
    if (lane === undefined) return;
    this.unsend(lane, command);
    lane.isResting = true;
    if (isUp) this.feedStarved();
  }

  wake(to: string, isUp: boolean): void {
    const lane = this.lanes.get(to);
    if (lane === undefined) return;
    lane.isResting = false;
    if (isUp) this.pump(lane);
  }

  /** The connection has gone: nothing is on the wire. */
  down(): void {
    this.inFlight = 0;
    this.starved.length = 0;
    for (const lane of this.lanes.values()) {
      lane.inFlight = 0;
      lane.isStarved = false;
      for (const command of lane.commands) command.isSent = false;
    }
  }

  up(): void {
    for (const lane of this.lanes.values()) this.pump(lane);
  }

  private unsend(lane: Lane<C>, command: C): void {
    if (!command.isSent) return;
    command.isSent = false;
    lane.inFlight--;
    this.inFlight--;
  }

  private pump(lane: Lane<C>): void {
    if (lane.isResting) return;
    for (const command of lane.commands) {
      if (lane.inFlight >= this.settings.inFlightPerActorMax) return;
      if (command.isSent) continue;
      if (this.inFlight >= this.settings.inFlightMax) {
        if (!lane.isStarved) this.starved.push(lane);
        lane.isStarved = true;
        return;
      }
      command.isSent = true;
      command.attempts++;
      lane.inFlight++;
      this.inFlight++;
      this.transmit(command);
    }
  }

  private feedStarved(): void {
    while (this.starved.length > 0 && this.inFlight < this.settings.inFlightMax) {
      const lane = this.starved.shift()!;
      lane.isStarved = false;
      this.pump(lane);
    }
  }
}
