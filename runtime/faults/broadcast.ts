/**
 * `faults broadcast`: very many actors that are linked to one, and one broadcast to all of them: time to the last, memory, and what commands
 * from clients meanwhile have to wait. Nobody may be left out or told twice; the last broadcast is interrupted by a kill -9 of the node.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Findings } from './book.ts';
import { askEach, BROADCAST_BEHAVIORS, heardOf, HUB, joinBody, leaf, NO_BYTES } from './broadcast-actors.ts';
import { memoryText, MemoryWatch, nodeMemory } from './memory.ts';
import { NodeProcess } from './node-process.ts';
import { freePort } from '../testing/ports.ts';
import { diskMib } from './scale.ts';
import { Waiter, waitsText } from './waiter.ts';

export interface BroadcastOptions {
  readonly directory: string;
  readonly linked: number;
  /** Commands a second from clients, to actors that are not linked. */
  readonly rate: number;
  readonly startArgs: readonly string[];
  readonly say: (text: string) => void;
}

const OTHERS = 1_000;
const QUIET_MS = 5_000;
const KILL_AFTER_SHARE = 0.3;
// Whoever asks has the node count its actors.
const LOOK_MS = 500;
const TIME_MAX_MS = 1_800_000;

export async function runBroadcast(options: BroadcastOptions): Promise<readonly string[]> {
  const run = new Run(options);
  try {
    await run.all();
  } finally {
    await run.node.kill();
  }
  return run.findings.list;
}

interface NodeLoad {
  readonly records: number;
  readonly backlog: number;
}

class Run {
  readonly findings = new Findings();
  node!: NodeProcess;
  private readonly options: BroadcastOptions;
  private readonly data: string;
  private readonly ports = { port: 0, adminPort: 0 };

  constructor(options: BroadcastOptions) {
    this.options = options;
    this.data = join(options.directory, 'data');
    mkdirSync(this.data, { recursive: true });
  }

  async all(): Promise<void> {
    const { linked, say } = this.options;
    this.ports.port = await freePort();
    this.ports.adminPort = await freePort();
    this.node = this.start();
    await this.node.ready();
    await this.node.deploy(BROADCAST_BEHAVIORS);
    const began = performance.now();
    await this.commands(linked, (n) => ({ to: leaf(n), name: 'Join', body: joinBody }));
    await this.settled(0, 0);
    const seconds = (performance.now() - began) / 1_000;
    say(`${linked} actors are linked to one, after ${seconds.toFixed(1)} s; ${memoryText(nodeMemory(this.node.pid))}; ${diskMib(this.data)} MiB on disk`);
    await this.restart();

    const waiter = await Waiter.open({
      port: this.ports.port, rate: this.options.rate, command: (n) => ({ to: `links.v1.Leaf:other-${n % OTHERS}`, name: 'Hear', body: NO_BYTES }),
    });
    await sleep(QUIET_MS);
    say(`  commands of clients before: ${waitsText(waiter.take())}`);
    const memory = new MemoryWatch(this.node.pid);
    const before = await this.load();
    const told = performance.now();
    await this.tell();
    await this.settled(before.records + linked, waiter.sent);
    const ms = performance.now() - told;
    memory.stop();
    say(`  broadcast: the last was told after ${(ms / 1_000).toFixed(1)} s, ${Math.round((linked * 1_000) / ms)}/s; at most node ${memory.nodeMaxMib} MiB, sandbox ${memory.sandboxMaxMib} MiB`);
    say(`  commands of clients meanwhile: ${waitsText(waiter.take())}`);
    waiter.close();
    await this.check(1);

    const from = (await this.load()).records;
    await this.tell();
    while ((await this.load()).records < from + linked * KILL_AFTER_SHARE) await sleep(LOOK_MS);
    await this.restart();
    await this.settled(from + linked, 0);
    await this.check(2);
    say(`  interrupted by kill -9, a broadcast has reached everybody once all the same`);
  }

  private async restart(): Promise<void> {
    await this.node.kill();
    this.node = this.start();
    const readyMs = await this.node.ready();
    this.options.say(`  restart after SIGKILL: process start to ready ${Math.round(readyMs)} ms; ${memoryText(nodeMemory(this.node.pid))}`);
  }

  private async tell(): Promise<void> {
    await this.commands(1, () => ({ to: HUB, name: 'Tell', body: NO_BYTES }));
  }

  /** Waits until the log has at least so many records, and nothing is on its way. `sent`: commands that are no part of it, but wrote records, too. */
  private async settled(records: number, sent: number): Promise<void> {
    const end = performance.now() + TIME_MAX_MS;
    for (let quiet = 0; quiet < 3; await sleep(LOOK_MS)) {
      const load = await this.load();
      quiet = load.backlog === 0 && load.records >= records + sent ? quiet + 1 : 0;
      if (performance.now() > end) throw new Error(`it does not settle: ${JSON.stringify(load)}`);
    }
  }

  private async load(): Promise<NodeLoad> {
    const response = await fetch(`${this.node.admin}/v1/nodes`);
    const { nodes } = (await response.json()) as { nodes: { load: NodeLoad }[] };
    return nodes[0]!.load;
  }

  /** Every linked actor must have heard of so many broadcasts. */
  private async check(times: number): Promise<void> {
    const { linked } = this.options;
    let wrong = 0;
    await askEach(this.ports.port, linked, (link, n) => link.get(String(n), leaf(n)), (n, body) => {
      const heard = heardOf(body);
      if (heard !== times && wrong++ < 10) this.findings.add(`${leaf(n)} was told ${heard} times, not ${times}`);
    });
    this.options.say(`  ${linked - wrong} of ${linked} were told ${times === 1 ? 'once' : `${times} times`}`);
  }

  private async commands(count: number, command: (n: number) => { to: string; name: string; body: Uint8Array }): Promise<void> {
    await askEach(this.ports.port, count, (link, n) => link.command({ id: String(n), key: '', ...command(n) }), () => {});
  }

  private start(): NodeProcess {
    return new NodeProcess({ ...this.ports, data: this.data, log: join(this.options.directory, 'node.log'), startArgs: this.options.startArgs });
  }
}
