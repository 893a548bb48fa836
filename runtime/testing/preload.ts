/**
 * Libraries that stand in front of a server's C library in a test (LD_PRELOAD), each steered by a file. For Linux with glibc or musl.
 *
 * They are compiled here, since what they stand in front of differs between machines: that takes a tenth of a second and a C compiler.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const INSTALL = 'install one (Debian, Ubuntu: apt-get install gcc libc6-dev)';

/** Leaves the library of `<name>.c` in a folder that is there, and answers its path. @throws Error without a C compiler */
export async function compilePreload(name: string, directory: string): Promise<string> {
  const source = join(import.meta.dirname, `${name}.c`);
  const library = join(directory, `${name}.so`);
  const compiler = spawn('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = text(compiler.stderr);
  const [code] = await once(compiler, 'close').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new Error(`there is no C compiler (cc): ${INSTALL}`) : error;
  });
  if (code !== 0) throw new Error(`cc cannot compile ${source}: ${INSTALL}\n${await said}`);
  return library;
}

/** Whoever reads the file reads a whole number. */
export function writeNumber(file: string, value: number): void {
  writeFileSync(`${file}.new`, `${value}\n`);
  renameSync(`${file}.new`, file);
}
