/**
 * Commands on their way, in a lane per actor.
 *
 * K1  A lane holds its commands in the order they were given, until each is answered or given up.
 * K2  A command is sent only when every command before it in its lane has been sent on the same connection, and none before it is
 *     waiting to be retried. After the loss of their connection all are sent again, from the front, with the keys they had.
 * K3  At most `inFlightPerActorMax` of a lane, and `inFlightMax` of a connection, are on the wire.
 * K4  A lane goes over to another connection only when nothing of it is on the wire: on two connections, the second command could
 *     overtake the first. [The owner changes: the first command is passed on by the former owner, the second goes straight to the new one.]
 */

export interface Command {
  /** Whatever has the same lane keeps its order. */
  readonly lane: string;
  /** Decides, with the map, where it goes. */
  readonly hash: number;
  /** Sent on the present connection of its lane and not answered. */
  isSent: boolean;
  attempts: number;
}

interface Lane<C extends Command, W> {
  readonly commands: C[];
  /** Where those go that are on the wire; where the last ones went when there are none. */
  wire: W | null;
  inFlight: number;
  /** A command of this lane waits before its next attempt. */
  isResting: boolean;
  isStarved: boolean;
}

/** What one connection carries. */
interface Load<C extends Command, W> {
  inFlight: number;
  /** Lanes that have something to send on it, and wait for room. */
  readonly starved: Lane<C, W>[];
}

export interface LanesSettings<C extends Command, W> {
  readonly inFlightPerActorMax: number;
  readonly inFlightMax: number;
  /** The connection for a command with this hash, one that is up; null when there is none. */
  readonly route: (hash: number) => W | null;
  readonly transmit: (command: C, wire: W) => void;
}

export class Lanes<C extends Command, W extends object> {
  private readonly lanes = new Map<string, Lane<C, W>>();
  private readonly loads = new WeakMap<W, Load<C, W>>();
  private readonly settings: LanesSettings<C, W>;

  constructor(settings: LanesSettings<C, W>) {
    this.settings = settings;
  }

  add(command: C): void {
    let lane = this.lanes.get(command.lane);
    if (lane === undefined) {
      lane = { commands: [], wire: null, inFlight: 0, isResting: false, isStarved: false };
      this.lanes.set(command.lane, lane);
    }
    lane.commands.push(command);
    this.pump(lane);
  }

  /** Takes a command out, answered or given up. */
  remove(command: C): void {
    const lane = this.lanes.get(command.lane);
    const at = lane?.commands.indexOf(command) ?? -1;
    if (lane === undefined || at < 0) return;
    lane.commands.splice(at, 1);
    const load = this.unsend(lane, command);
    if (lane.commands.length === 0) this.lanes.delete(command.lane);
    else this.pump(lane);
    this.feed(load);
  }

  /** Keeps a refused command in its place; nothing of its lane is sent until `wake`. */
  rest(command: C): void {
    const lane = this.lanes.get(command.lane);
    if (lane === undefined) return;
    const load = this.unsend(lane, command);
    lane.isResting = true;
    this.feed(load);
  }

  wake(name: string): void {
    const lane = this.lanes.get(name);
    if (lane === undefined) return;
    lane.isResting = false;
    this.pump(lane);
  }

  /** The connection has gone: nothing is on it any more. Answers what was; `flow` sends it again. */
  down(wire: W): C[] {
    for (const lane of this.loads.get(wire)?.starved ?? []) lane.isStarved = false;
    this.loads.delete(wire);
    const lost: C[] = [];
    for (const lane of this.lanes.values()) {
      if (lane.wire !== wire) continue;
      lane.wire = null;
      lane.inFlight = 0;
      for (const command of lane.commands) {
        if (!command.isSent) continue;
        command.isSent = false;
        lost.push(command);
      }
    }
    return lost;
  }

  /** There is a new connection, or a new map: sends whatever can go by now. */
  flow(): void {
    for (const lane of this.lanes.values()) this.pump(lane);
  }

  isBusy(wire: W): boolean {
    return (this.loads.get(wire)?.inFlight ?? 0) > 0;
  }

  private unsend(lane: Lane<C, W>, command: C): Load<C, W> | undefined {
    const load = lane.wire === null ? undefined : this.loads.get(lane.wire);
    if (!command.isSent || load === undefined) return load;
    command.isSent = false;
    lane.inFlight--;
    load.inFlight--;
    return load;
  }

  private pump(lane: Lane<C, W>): void {
    if (lane.isResting) return;
    for (const command of lane.commands) {
      if (lane.inFlight >= this.settings.inFlightPerActorMax) return;
      if (command.isSent) continue;
      const wire = this.settings.route(command.hash);
      // K4
      if (wire === null || (lane.inFlight > 0 && wire !== lane.wire)) return;
      const load = this.loadOf(wire);
      if (load.inFlight >= this.settings.inFlightMax) {
        if (!lane.isStarved) load.starved.push(lane);
        lane.isStarved = true;
        return;
      }
      command.isSent = true;
      command.attempts++;
      lane.wire = wire;
      lane.inFlight++;
      load.inFlight++;
      this.settings.transmit(command, wire);
    }
  }

  private feed(load: Load<C, W> | undefined): void {
    if (load === undefined) return;
    while (load.starved.length > 0 && load.inFlight < this.settings.inFlightMax) {
      const lane = load.starved.shift()!;
      lane.isStarved = false;
      this.pump(lane);
    }
  }

  private loadOf(wire: W): Load<C, W> {
    let load = this.loads.get(wire);
    if (load === undefined) this.loads.set(wire, (load = { inFlight: 0, starved: [] }));
    return load;
  }
}
