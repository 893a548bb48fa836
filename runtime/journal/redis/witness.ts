/**
 * What this node knows of a store that can go back in time: a small file beside the node, with the journal's identity and how far each
 * bucket's log was acknowledged to this node. A store that was emptied, or restored from an older copy, looks like a sound one to a
 * process that has just started; the file remembers for it.
 *
 * W1  The file is written whole or not at all: beside, synchronised, renamed. One that cannot be read is an error, not "nothing known".
 * W2  It never says more than was acknowledged to this node, or read by it. It says less: what came after the last write, of the last
 *     second as a rule, is missing after the node's sudden end. A store that lost nothing but that is not found out.
 * W3  A node knows of the buckets that it has opened, up to where they stood when it had them. What another node wrote behind that is
 *     in the other node's file. A node without a file, a fresh one too, believes the store.
 */

import { open, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';

import type { BucketId } from '../../codec/address.ts';
import { TroupeError } from '../../codec/errors.ts';
import { hashToHex } from '../../codec/hash64.ts';
import type { Hash64 } from '../../codec/hash64.ts';
import type { BucketTable, KnownStanding } from './hot-bucket.ts';

export interface Witnessed {
  /** Of the journal, as the store has it. */
  readonly id: string;
  readonly bits: number;
  readonly standings: readonly { readonly bucket: BucketId; readonly known: KnownStanding }[];
}

const VERSION = 1;
const WRITE_EVERY_MS = 1_000;

export class Witness {
  private readonly file: string;
  private readonly folder: string;
  private readonly warn: (message: string) => void;
  private timer: NodeJS.Timeout | undefined;
  private text: (() => string) | null = null;
  private written = '';
  private writing: Promise<void> = Promise.resolve();

  constructor(folder: string, namespace: string, warn: (message: string) => void) {
    this.folder = folder;
    this.file = join(folder, `witness-${encodeURIComponent(namespace)}.json`);
    this.warn = warn;
  }

  /** null when there is no file. @throws TroupeError JOURNAL_DAMAGED, JOURNAL_VERSION (W1) */
  async read(): Promise<Witnessed | null> {
    let text: string;
    try {
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    return decode(text, this.file);
  }

  /** Writes at once, and from then on every second if something has changed. @throws Error when it cannot be written the first time */
  async follow(id: string, bits: number, table: BucketTable): Promise<void> {
    this.text = () => encode({ id, bits, standings: table.standings() });
    await mkdir(this.folder, { recursive: true });
    await this.write();
    this.timer = setInterval(() => void this.writeSoon(), WRITE_EVERY_MS);
    this.timer.unref();
  }

  /** Resolves when the last word is written. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.writeSoon();
  }

  private writeSoon(): Promise<void> {
    if (this.text === null) return Promise.resolve();
    this.writing = this.writing.then(() => this.write()).catch((error: unknown) => {
      this.warn(`${this.file} cannot be written: should the store go back in time, this node does not find out after a restart (${String(error)})`);
    });
    return this.writing;
  }

  /** W1 */
  private async write(): Promise<void> {
    const text = this.text!();
    if (text === this.written) return;
    const beside = `${this.file}.tmp`;
    const handle = await open(beside, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, this.file);
    const folder = await open(this.folder, 'r');
    await folder.sync().finally(() => folder.close());
    this.written = text;
  }
}

/** One line a bucket: bits, index, incarnation, epoch, position, head. */
function encode({ id, bits, standings }: Witnessed): string {
  const lines = standings.map(({ bucket, known }) => [bucket.bits, bucket.index, hashToHex(known.incarnation), known.epoch, known.position, hashToHex(known.head)]);
  return `{"version":${VERSION},"id":${JSON.stringify(id)},"bits":${bits},"buckets":[\n${lines.map((line) => JSON.stringify(line)).join(',\n')}\n]}\n`;
}

type Line = [number, number, string, number, number, string];

function decode(text: string, file: string): Witnessed {
  let version: unknown;
  try {
    const content = JSON.parse(text) as { version: number; id: string; bits: number; buckets: Line[] };
    version = content.version;
    if (version === VERSION) {
      const standings = content.buckets.map(([bits, index, incarnation, epoch, position, head]) => ({
        bucket: { bits: counted(bits), index: counted(index) },
        known: { incarnation: hashOfHex(incarnation), epoch: counted(epoch), position: counted(position), head: hashOfHex(head) },
      }));
      if (!/^[0-9a-f]+$/.test(content.id)) throw new Error('it names no journal');
      return { id: content.id, bits: counted(content.bits), standings };
    }
  } catch (error) {
    throw new TroupeError('JOURNAL_DAMAGED', `${file} cannot be read: ${String(error)}`, {
      location: file,
      hint: 'It tells a store that went back in time from a sound one. Delete it only when the store is known to be whole.',
    });
  }
  throw new TroupeError('JOURNAL_VERSION', `${file} is of version ${String(version)}; this is ${VERSION}`);
}

function counted(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${String(value)} is no count`);
  return value;
}

function hashOfHex(text: string): Hash64 {
  if (!/^[0-9a-f]{16}$/.test(text)) throw new Error(`${JSON.stringify(text)} is no hash`);
  return { hi: Number.parseInt(text.slice(0, 8), 16), lo: Number.parseInt(text.slice(8), 16) };
}
