/** A TCP proxy for tests that can lose every connection at once, with whatever is under way on them. */

import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export class LossyProxy {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private readonly server = createServer((client) => this.onClient(client));
  private targetPort: number;
  connections = 0;
  /** While set, what the node says is thrown away: commands take effect, and nobody hears of it. */
  isDeaf = false;

  constructor(targetPort: number) {
    this.targetPort = targetPort;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    this.pairs.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => { this.server.close(() => resolve()); });
  }

  private onClient(client: Socket): void {
    this.connections++;
    const node = connect({ host: '127.0.0.1', port: this.targetPort });
    const pair = [client, node] as const;
    this.pairs.add(pair);
    client.on('data', (chunk) => { node.write(chunk); });
    node.on('data', (chunk) => { if (!this.isDeaf) client.write(chunk); });
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        client.destroy();
        node.destroy();
      });
    }
  }
}
