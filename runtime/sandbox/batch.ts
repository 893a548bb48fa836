/**
 * Host side of proto/troupe/v1/sandbox.proto: writes Batch messages and walks BatchResult messages without an object per
 * item. Both are reused from batch to batch.
 */

import { WireReader, WireWriter } from '../codec/wire.ts';
import type { Firing, Format } from './sandbox.ts';

const BATCH_ITEMS = 4;

export class BatchWriter {
  readonly wire = new WireWriter();
  id = 0;
  items = 0;
  /** Of the largest state that its items work on: what they may take depends on it. */
  stateBytes = 0;

  /** Starts a batch. The first four bytes are left for the length prefix, which `finish` fills in. */
  begin(id: number, generation: number): void {
    this.id = id;
    this.items = 0;
    this.stateBytes = 0;
    const { wire } = this;
    wire.reset();
    wire.rawFixed32(0);
    wire.uint(1, id);
    wire.uint(2, generation);
  }

  get bytes(): number {
    return this.wire.length;
  }

  load(bundle: number, content: Uint8Array): void {
    const item = this.open(1);
    this.wire.uint(1, bundle);
    this.wire.bytes(2, content);
    this.close(item);
  }

  /** `records` alternates bundle number and record bytes; see `FoldRecord`. */
  activate(
    handle: number,
    type: string,
    id: string,
    bundle: number,
    state: Uint8Array | null,
    records: readonly { readonly bundle: number; readonly bytes: Uint8Array }[],
  ): void {
    const item = this.open(2);
    const { wire } = this;
    wire.uint(1, handle);
    wire.string(2, type);
    wire.string(3, id);
    wire.uint(4, bundle);
    if (state !== null) wire.bytes(5, state);
    for (const record of records) {
      const start = wire.begin(6);
      wire.uint(1, record.bundle);
      wire.bytes(2, record.bytes);
      wire.end(start);
    }
    this.close(item);
  }

  decide(
    handle: number,
    bundle: number,
    command: number,
    format: Format,
    body: Uint8Array,
    nowMs: number,
    seedHi: number,
    seedLo: number,
    caller: string,
    sample: boolean,
    bodyFrom = 0,
    bodyTo = body.length,
    firing: Firing | null = null,
    trace = false,
  ): void {
    const item = this.open(3);
    const { wire } = this;
    wire.uint(1, handle);
    wire.uint(2, bundle);
    wire.uint(3, command);
    wire.uint(4, format);
    if (bodyTo > bodyFrom) wire.bytes(5, body, bodyFrom, bodyTo);
    wire.uint(6, nowMs);
    wire.fixed64(7, seedHi, seedLo);
    wire.string(8, caller);
    if (sample) wire.uint(9, 1);
    if (firing !== null) this.firing(firing);
    if (trace) wire.uint(11, 1);
    this.close(item);
  }

  private firing({ name, dueMs, missed, timerChanges }: Firing): void {
    const { wire } = this;
    const start = wire.begin(10);
    wire.string(1, name);
    wire.uint(2, dueMs);
    wire.uint(3, missed);
    wire.uint(4, timerChanges);
    wire.end(start);
  }

  read(handle: number, bundle: number, format: Format): void {
    const item = this.open(4);
    this.wire.uint(1, handle);
    this.wire.uint(2, bundle);
    this.wire.uint(3, format);
    this.close(item);
  }

  drop(handle: number): void {
    const item = this.open(5);
    this.wire.uint(1, handle);
    this.close(item);
  }

  normalise(bundle: number, type: string, command: number, format: Format, body: Uint8Array): void {
    const item = this.open(6);
    const { wire } = this;
    wire.uint(1, bundle);
    wire.string(2, type);
    wire.uint(3, command);
    wire.uint(4, format);
    if (body.length > 0) wire.bytes(5, body);
    this.close(item);
  }

  toJson(bundle: number, type: string, payload: number, name: string, data: Uint8Array): void {
    const item = this.open(7);
    const { wire } = this;
    wire.uint(1, bundle);
    wire.string(2, type);
    wire.uint(3, payload);
    wire.string(4, name);
    if (data.length > 0) wire.bytes(5, data);
    this.close(item);
  }

  /** The batch with its length prefix and deadline; valid until the next `begin`. */
  finish(deadlineMs: number): Buffer {
    const { wire } = this;
    wire.uint(3, deadlineMs);
    wire.buffer.writeUInt32LE(wire.length - 4, 0);
    return wire.view();
  }

  private itemStart = 0;

  private open(field: number): number {
    this.items++;
    this.itemStart = this.wire.begin(BATCH_ITEMS);
    return this.wire.begin(field);
  }

  private close(item: number): void {
    this.wire.end(item);
    this.wire.end(this.itemStart);
  }
}

/** Where in the scripts something of a decision was asked for. */
export interface TraceStep {
  readonly kind: number;
  readonly location: string;
}

export interface ItemError {
  readonly code: string;
  readonly message: string;
  readonly location: string;
}

/** Walks one BatchResult. Ranges are offsets into `buffer`; a range that is absent has `from === -1`. */
export class ResultReader {
  buffer: Buffer = Buffer.alloc(0);
  id = 0;
  generation = 0;
  /** CPU time that the batch took. */
  cpuUs = 0;

  status = 0;
  events = 0;
  tailFrom = -1;
  tailTo = -1;
  bodyFrom = -1;
  bodyTo = -1;
  stateBeforeFrom = -1;
  stateBeforeTo = -1;
  migratedFrom = -1;
  migratedTo = -1;
  loadedFrom = -1;
  loadedTo = -1;
  stateBytes = 0;
  /** Sum of ASK_ values. */
  asks = 0;
  error: ItemError | null = null;
  /** Addresses of what is sent, as ranges: from, to, from, to, ... */
  sends: number[] | null = null;
  /** Decide with trace. */
  trace: TraceStep[] | null = null;

  private readonly outer = new WireReader();
  private readonly inner = new WireReader();

  /** Takes the bytes of one BatchResult, without length prefix; id and generation come first in it. */
  over(buffer: Buffer, from = 0, to = buffer.length): void {
    this.buffer = buffer;
    this.id = 0;
    this.generation = 0;
    this.cpuUs = 0;
    const { outer } = this;
    outer.over(buffer, from, to);
    while (outer.at < outer.end && buffer[outer.at] !== ((3 << 3) | 2)) {
      outer.next();
      if (outer.field === 1 && outer.wireType === 0) this.id = outer.varint();
      else if (outer.field === 2 && outer.wireType === 0) this.generation = outer.varint();
      else if (outer.field === 4 && outer.wireType === 5) {
        this.cpuUs = buffer.readUInt32LE(outer.at);
        outer.skip();
      }
      else outer.skip();
    }
  }

  /** Moves to the next result; false behind the last one. */
  next(): boolean {
    const { outer, inner } = this;
    if (!outer.next()) return false;
    outer.span();
    this.status = 0;
    this.events = 0;
    this.tailFrom = this.tailTo = -1;
    this.bodyFrom = this.bodyTo = -1;
    this.stateBeforeFrom = this.stateBeforeTo = -1;
    this.migratedFrom = this.migratedTo = -1;
    this.loadedFrom = this.loadedTo = -1;
    this.stateBytes = this.asks = 0;
    this.error = null;
    this.sends = null;
    this.trace = null;
    inner.over(this.buffer, outer.from, outer.to);
    while (inner.next()) this.readField(inner);
    return true;
  }

  private readField(inner: WireReader): void {
    switch (inner.field) {
      case 1:
        this.status = inner.varint();
        return;
      case 2:
        this.events = inner.varint();
        return;
      case 3:
        inner.span();
        this.tailFrom = inner.from;
        this.tailTo = inner.to;
        return;
      case 4:
        inner.span();
        this.bodyFrom = inner.from;
        this.bodyTo = inner.to;
        return;
      case 5:
        inner.span();
        (this.sends ??= []).push(inner.from, inner.to);
        return;
      case 6:
        inner.span();
        this.stateBeforeFrom = inner.from;
        this.stateBeforeTo = inner.to;
        return;
      case 7:
        inner.span();
        this.migratedFrom = inner.from;
        this.migratedTo = inner.to;
        return;
      case 8:
        inner.span();
        this.error = readError(this.buffer, inner.from, inner.to);
        return;
      case 9:
        inner.span();
        this.loadedFrom = inner.from;
        this.loadedTo = inner.to;
        return;
      case 10:
        this.stateBytes = inner.varint();
        return;
      case 11:
        this.asks = inner.varint();
        return;
      case 12:
        inner.span();
        (this.trace ??= []).push(readStep(this.buffer, inner.from, inner.to));
        return;
      default:
        inner.skip();
    }
  }
}

function readStep(buffer: Buffer, from: number, to: number): TraceStep {
  const reader = new WireReader().over(buffer, from, to);
  const step = { kind: 0, location: '' };
  while (reader.next()) {
    if (reader.field === 1) step.kind = reader.varint();
    else if (reader.field === 2) step.location = reader.string();
    else reader.skip();
  }
  return step;
}

function readError(buffer: Buffer, from: number, to: number): ItemError {
  const reader = new WireReader().over(buffer, from, to);
  const error = { code: '', message: '', location: '' };
  while (reader.next()) {
    if (reader.field === 1) error.code = reader.string();
    else if (reader.field === 2) error.message = reader.string();
    else if (reader.field === 3) error.location = reader.string();
    else reader.skip();
  }
  return error;
}
