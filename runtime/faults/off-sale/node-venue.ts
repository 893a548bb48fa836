/** One node by itself, its journal on disk. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { NodeLogs } from '../messages/node-logs.ts';
import type { MessagesCheck } from '../messages/messages-check.ts';
import { NodeProcess } from '../node-process.ts';
import { freePort } from '../../testing/ports.ts';
import type { Venue } from './off-sale.ts';

export class NodeVenue implements Venue {
  readonly ports: readonly number[];
  private readonly node: NodeProcess;
  private readonly logs: NodeLogs;

  /** Resolves when the node is ready. `directory` exists. */
  static async start(directory: string, startArgs: readonly string[]): Promise<NodeVenue> {
    const [port, adminPort] = [await freePort(), await freePort()];
    const data = join(directory, 'data');
    mkdirSync(data);
    const venue = new NodeVenue(new NodeProcess({ data, port, adminPort, log: join(directory, 'node.log'), startArgs }), port, new NodeLogs(data, directory));
    try {
      await venue.node.ready();
      return venue;
    } catch (error) {
      await venue.close();
      throw error;
    }
  }

  private constructor(node: NodeProcess, port: number, logs: NodeLogs) {
    this.node = node;
    this.ports = [port];
    this.logs = logs;
  }

  get pids(): readonly number[] {
    return [this.node.pid];
  }

  deploy(directory: string): Promise<void> {
    return this.node.deploy(directory);
  }

  positions(): Promise<string> {
    return this.node.logPositions();
  }

  read(check: MessagesCheck): Promise<void> {
    return this.logs.readSuspended(this.node.pid, check);
  }

  async close(): Promise<void> {
    if (!this.node.ended) await this.node.kill();
  }
}
