/** Starters of the baselines that need a Redis: a server of their own, on a free port, removed at the end. */

import { fork } from 'node:child_process';
import { join } from 'node:path';

import { judge } from '../../runtime/journal/redis/durability.ts';
import { startRedis } from '../../runtime/testing/redis-server.ts';
import type { RedisServer } from '../../runtime/testing/redis-server.ts';
import { local } from '../driver/endpoint.ts';
import type { RedisFsync } from './cluster.ts';
import type { RedisForm } from './stream-encoder.ts';
import { messageOf, stopChild } from './subject.ts';
import type { Subject } from './subject.ts';

export type RedisFloorName = 'floor-redis' | 'floor-redis-events';

export interface RedisFloor extends Omit<Subject, 'name'> {
  readonly name: RedisFloorName;
  /** For who wants to look into it. */
  readonly redis: RedisServer;
}

export interface RedisFloorOptions {
  readonly fsync: RedisFsync;
}

const FORMS: Readonly<Record<RedisFloorName, RedisForm>> = { 'floor-redis': 'blob', 'floor-redis-events': 'events' };

export async function startFloorRedis(name: RedisFloorName, options: RedisFloorOptions): Promise<RedisFloor> {
  const redis = await startRedis({ appendonly: true, appendfsync: options.fsync });
  try {
    const child = fork(join(import.meta.dirname, 'floor-redis.ts'), [String(redis.port), FORMS[name]], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const { port } = await messageOf<{ port: number }>(child, name);
    return {
      name,
      endpoints: [local(port)],
      durability: await redisClass(redis),
      keepsState: false,
      redis,
      processes: () => [
        { role: 'server', pid: child.pid! },
        { role: 'redis', pid: redis.pid },
      ],
      stop: async () => {
        await stopChild(child);
        await redis.remove();
      },
    };
  } catch (error) {
    await redis.remove();
    throw error;
  }
}

/** The durability class, as the product names it, of the settings that the server itself reports. */
export async function redisClass(redis: RedisServer): Promise<string> {
  const settings = new Map<string, string>();
  for (const name of ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite', 'maxmemory-policy']) {
    const [, value] = (await redis.command('CONFIG', 'GET', name)) as [string, string];
    settings.set(name, value);
  }
  return judge([{ name: `127.0.0.1:${redis.port}`, settings }], true).durability;
}
