/** What this node does for other nodes: their clients' requests, answered by its engine, as far as it owns the actors. */

import type { Address, Engine, Links, Watch } from '../runtime/actor/engine.ts';
import type { Clock } from '../runtime/actor/seams.ts';
import { TroupeError } from '../runtime/codec/errors.ts';
import { ServedCommand, ServedGet } from './forward.ts';
import { Refusals } from './refusals.ts';
import type { LocalEngine, Router } from './router.ts';
import { COMMAND, GET, LINKED_TO, LINKS_OF, RECORDS, WATCH, WATCH_EVENT, WATCH_OPENED } from './methods.ts';
import type { CommandValue, LinkedToValue, LinksOfValue, RecordsValue, WatchEventValue, WatchValue } from './methods.ts';
import type { IncomingRequest, IncomingStream, PeerError, Stream, Transport } from './transport/transport.ts';
import type { WayTimes } from './way-times.ts';

export interface ServingParts {
  readonly transport: Transport;
  readonly engine: LocalEngine & Pick<Engine, 'watch' | 'records'> & { readonly links: Links };
  readonly router: Router;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly ways: WayTimes;
}

export function serveRequests({ transport, engine, router, clock, ways }: ServingParts): void {
  const refusals = new Refusals((to) => router.indexOf(to as Address));
  transport.handle(COMMAND, (incoming) => {
    const command = new ServedCommand(incoming, refusals);
    const sentMs = (incoming.value as CommandValue)[8];
    if (sentMs !== undefined) command.waitedMs = ways.heard(incoming.from, sentMs, clock.monotonic());
    if (refusals.covers(command)) router.refuse(command);
    else engine.submit(command);
  });
  transport.handle(GET, (incoming) => {
    const get = new ServedGet(incoming, refusals);
    if (refusals.covers(get)) router.refuse(get);
    else engine.get(get);
  });
  transport.handle(RECORDS, (incoming) => {
    const [actor, fromSeq, recordsMax, areChangesWanted] = incoming.value as RecordsValue;
    answerLater(incoming, engine.records(actor, fromSeq, recordsMax, areChangesWanted));
  });
  transport.handle(LINKED_TO, (incoming) => {
    const [actor, from, max] = incoming.value as LinkedToValue;
    answerLater(incoming, engine.links.linkedTo(actor, from, max));
  });
  transport.handle(LINKS_OF, (incoming) => answerLater(incoming, engine.links.linksOf(incoming.value as LinksOfValue)));
  transport.handleStream(WATCH, (stream) => serveWatch(stream, engine));
}

/** Answers a request with what a promise comes to. */
export function answerLater(incoming: IncomingRequest, result: Promise<unknown>): void {
  result.then(
    (value) => incoming.answer(value),
    (error: unknown) => incoming.fail(peerErrorOf(error)),
  );
}

function serveWatch(stream: IncomingStream, engine: Pick<Engine, 'watch'>): Stream {
  const [to, format, from] = stream.value as WatchValue;
  let watch: Watch | null = null;
  const say = (value: WatchEventValue, buffer?: Buffer, start?: number, end?: number): boolean => stream.event(value, buffer, start, end);
  watch = engine.watch({
    to, format, from,
    opened: (seq) => {
      say([WATCH_OPENED, seq]);
    },
    event: (seq, name, buffer, start, end) => say([WATCH_EVENT, seq, name], buffer, start, end),
    failed: (error) => stream.end(error),
  });
  return { resume: () => watch.resume(), close: () => watch.close() };
}

function peerErrorOf(error: unknown): PeerError {
  if (error instanceof TroupeError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
