/** The `ws` server that both baselines share. Tells its port to the process that started it. */

import type { AddressInfo, Socket } from 'node:net';

import { WebSocketServer } from 'ws';

import { Corks } from './cork.ts';

export type Answer = (data: Buffer) => void;

export function serve(onFrame: (socket: Socket, data: Buffer, answer: Answer) => void): void {
  const corks = new Corks();
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: false,
    maxPayload: 1 << 20,
    clientTracking: false,
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  server.on('connection', (client, request) => {
    const socket = request.socket;
    socket.setNoDelay(true);
    client.on('error', () => socket.destroy());
    client.on('message', (data: Buffer, isBinary: boolean) => {
      onFrame(socket, data, (answer) => {
        corks.cork(socket);
        client.send(answer, { binary: isBinary });
      });
    });
  });
  server.on('listening', () => process.send!({ port: (server.address() as AddressInfo).port }));
  process.on('disconnect', () => process.exit(0));
}
