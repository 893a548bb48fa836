/** A plain connection through ioredis for tests: no queue, nothing is sent twice, every call ends in time. */

import { Redis } from 'ioredis';

import { controlDefaults } from '../timing.ts';
import type { RedisCalls } from '../redis-store.ts';

export class IoredisCalls implements RedisCalls {
  readonly redis: Redis;

  constructor(port: number, callTimeMaxMs = controlDefaults.callTimeMaxMs) {
    this.redis = new Redis({
      host: '127.0.0.1', port,
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      commandTimeout: callTimeMaxMs,
      retryStrategy: () => 50,
    });
    // Told by the calls that fail.
    this.redis.on('error', () => undefined);
  }

  async open(): Promise<this> {
    await this.redis.connect();
    return this;
  }

  call(functionName: string, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.redis.callBuffer('FCALL', [functionName, String(keys.length), ...keys, ...args]);
  }

  load(library: string): Promise<unknown> {
    return this.redis.call('FUNCTION', ['LOAD', 'REPLACE', library]);
  }

  close(): void {
    this.redis.disconnect();
  }
}
