/** A node of a subject: at its ports and on its folder, whichever process runs there. It can be killed, stopped and started again. */

import { readFileSync } from 'node:fs';

import { AdminClient } from '../../runtime/cli/admin-client.ts';
import { NodeProcess } from '../../runtime/faults/node-process.ts';
import { freePort } from '../../runtime/testing/ports.ts';
import { local } from '../driver/endpoint.ts';
import type { Endpoint } from '../driver/endpoint.ts';

export interface SubjectNodeOptions {
  readonly name: string;
  readonly data: string;
  readonly log: string;
  /** For the Node binary. */
  readonly nodeArgs: readonly string[];
  /** For `troupe start`. */
  readonly startArgs: readonly string[];
}

type Settings = ConstructorParameters<typeof NodeProcess>[0];

export class SubjectNode {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly admin: AdminClient;
  private readonly settings: Settings & { readonly log: string };
  private running: NodeProcess;

  /** Starts it; `process.ready` tells when it serves. */
  static async start({ name, ...options }: SubjectNodeOptions): Promise<SubjectNode> {
    return new SubjectNode(name, { ...options, port: await freePort(), adminPort: await freePort() });
  }

  private constructor(name: string, settings: SubjectNode['settings']) {
    this.name = name;
    this.settings = settings;
    this.endpoint = local(settings.port);
    this.running = new NodeProcess(settings);
    this.admin = new AdminClient({ admin: this.running.admin, token: undefined });
  }

  /** The one that runs, or ran last. */
  get process(): NodeProcess {
    return this.running;
  }

  get isRunning(): boolean {
    return !this.running.ended;
  }

  /** SIGKILL, sent when this returns; resolves when it has ended. @throws Error when a sandbox outlives it */
  async kill(): Promise<void> {
    const orphans = await this.running.kill();
    if (orphans.length > 0) throw new Error(`sandboxes outlived ${this.name}: ${orphans.join(', ')}`);
  }

  /** Once more, on what the last process left behind; with other arguments where they are given. */
  startAgain(args: Partial<Pick<SubjectNodeOptions, 'nodeArgs' | 'startArgs'>> = {}): void {
    if (!this.isRunning) this.running = new NodeProcess({ ...this.settings, ...args });
  }

  async stop(): Promise<void> {
    await this.running.stop();
  }

  /** Everything that its processes have printed. */
  logText(): string {
    return readFileSync(this.settings.log, 'utf8');
  }
}
