/**
 * An HTTP/1.1 client over a bare TCP socket: one request at a time on a connection that stays, no object per request, no headers but those that the
 * server needs. `fetch` and the agent of node:http cost a multiple of it, on the cores that the server is measured on.
 *
 * It does not pipeline, follow, decompress, reconnect or send again; an answer without a Content-Length is an error.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface HttpOwner {
  answered(status: number, body: string): void;
  lost(reason: string): void;
}

const HEAD_END = '\r\n\r\n';

export class HttpConnection {
  owner: HttpOwner | null = null;
  isOpen = true;
  private readonly socket: Socket;
  private pending = '';

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new HttpConnection(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    // What is measured answers in ASCII.
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.onData(text));
    socket.on('error', (error) => this.giveUp(error.message));
    socket.on('close', () => this.giveUp('closed'));
  }

  send(request: string): void {
    this.socket.write(request, 'latin1');
  }

  close(): void {
    this.owner = null;
    this.giveUp('closed here');
  }

  /** Ends it for a reason that the owner is told. */
  giveUp(reason: string): void {
    const { owner } = this;
    this.owner = null;
    this.isOpen = false;
    this.socket.destroy();
    owner?.lost(reason);
  }

  private onData(text: string): void {
    const data = this.pending + text;
    const headEnd = data.indexOf(HEAD_END);
    const length = headEnd < 0 ? -1 : contentLength(data, headEnd);
    if (length === null) return this.giveUp(`an answer without a Content-Length: ${data.slice(0, headEnd)}`);
    const bodyAt = headEnd + HEAD_END.length;
    if (length < 0 || data.length < bodyAt + length) {
      this.pending = data;
      return;
    }
    this.pending = '';
    if (data.length > bodyAt + length) return this.giveUp(`more than the answer: ${data.slice(bodyAt + length)}`);
    this.owner?.answered(Number(data.slice(9, 12)), data.slice(bodyAt));
  }
}

function contentLength(data: string, headEnd: number): number | null {
  const found = /\r\ncontent-length: *(\d+)/i.exec(data.slice(0, headEnd));
  return found === null ? null : Number(found[1]);
}

/** A request of which the body is ASCII. */
export function request(method: 'GET' | 'POST', path: string, body: string): string {
  const sent = method === 'POST' ? `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}` : '\r\n';
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${sent}`;
}
