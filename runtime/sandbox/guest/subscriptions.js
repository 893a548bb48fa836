// Guest runtime, part 4: subscriptions between the types of one bundle. A type says which events of another become its
// commands; what it says runs in the decision that emits them, and what it wants delivered is sent by that decision's record.
//
// U1  After `decide` and `evolve`, which have no part in it: subscribers in order of their type's name, for each of them the events
//     in the order in which they were emitted, behind what the decision sends itself.
// U2  It sees the event and who emitted it, and nothing else: no state, no ctx. So what a decision sends depends on nothing that its
//     record does not hold, and a sample that is run again covers it.
// U3  What a subscriber does wrong fails the decision, under the subscriber's file: an event that half of its subscribers have
//     seen does not exist.

/** Ties every subscription to the type that emits; called when all types of the bundle are known. */
function connectSubscriptions() {
  const types = [...typesByName.values()].sort((a, b) => (a.type < b.type ? -1 : 1));
  for (const subscriber of types) {
    if (subscriber.subscribe === undefined) continue;
    const refuse = (reason) => { throw new Refused(subscriber.location, reason); };
    const given = record(subscriber.subscribe, 'subscribe must be an object with the events of each actor type', refuse);
    for (const type of ownKeys(given)) connectType(subscriber, type, ownData(given, type), refuse);
  }
}
function connectType(subscriber, type, given, refuse) {
  const what = 'subscribe[' + show(type) + ']';
  const emitter = typesByName.get(type);
  if (emitter === undefined) refuse(what + ': the bundle has no such actor type');
  if (emitter === subscriber) refuse(what + ': a type need not subscribe to its own events, it can send');
  record(given, what + ' must be an object with a function for each event', refuse);
  const handlers = emitter.events.map(() => undefined);
  for (const name of ownKeys(given)) {
    const index = emitter.eventIndex.get(name);
    if (index === undefined) refuse(what + '.' + clip(name, 60) + ': the schema has no such event');
    const handler = ownData(given, name);
    if (typeof handler !== 'function') refuse(what + '.' + name + ' must be a function');
    tryCommand(subscriber, emitter.events[index], handler, what + '.' + name, refuse);
    handlers[index] = handler;
  }
  emitter.subscribers ??= [];
  // Until the host has found the functions in the sources (placeSubscriptions), all of them are where the behaviour is.
  emitter.subscribers.push({ subscriber, handlers, places: handlers.map(() => subscriber.location) });
}
/** For each function of a subscription, who subscribes to what, and its text as V8 has it: the host finds its place by it. JSON. */
function subscriptionTexts() {
  const texts = [];
  for (const emitter of typesByName.values()) {
    for (const { subscriber, handlers } of emitter.subscribers ?? []) {
      handlers.forEach((handler, i) => {
        if (handler !== undefined) texts.push({ file: subscriber.file, type: emitter.type, event: emitter.events[i].name, text: textOf(handler) });
      });
    }
  }
  return quote(texts);
}
/** In the order of `subscriptionTexts`; '' for one that was not found. */
function placeSubscriptions(list) {
  const places = parseJson(list);
  let next = 0;
  for (const emitter of typesByName.values()) {
    for (const subscription of emitter.subscribers ?? []) {
      subscription.handlers.forEach((handler, i) => {
        if (handler !== undefined) subscription.places[i] = places[next++] || subscription.places[i];
      });
    }
  }
}

function record(value, reason, refuse) {
  if (typeof value !== 'object' || value === null || isArray(value)) refuse(reason);
  return value;
}
/**
 * A command that does not exist is found before the first event comes, if the empty event leads to it. What else may go wrong with an
 * empty event says nothing.
 */
function tryCommand(subscriber, event, handler, what, refuse) {
  let named = [];
  try {
    newBudget();
    const result = handler(event.normalise({}), freeze({ id: '1', address: subscriber.type + ':1', now: 0 }));
    if (result !== null && typeof result === 'object') named = (isArray(result) ? result.slice(0, SENDS_MAX) : [result]).map((item) => ownData(item, 'command'));
  } catch { return; }
  for (const name of named) if (typeof name === 'string' && !subscriber.commandIndex.has(name)) refuse(what + ': ' + subscriber.type + ' has no command ' + show(name));
}

/** Has the subscribers of T answer to what was emitted; false with `io` saying why not. */
function deliverEvents() {
  const source = freeze({ id: actorId, address: T.type + ':' + actorId, now: nowMs });
  for (const { subscriber, handlers, places } of T.subscribers) {
    for (let i = 0; i < eventBodies.length; i++) {
      const handler = handlers[eventTypes[i]];
      if (handler !== undefined && !deliverEvent(subscriber, handler, places[eventTypes[i]], i, source)) return false;
    }
  }
  return true;
}
function deliverEvent(subscriber, handler, place, i, source) {
  let why = '', where = '';
  try {
    const result = handler(eventBodies[i], source);
    if (isArray(result)) for (let n = 0; n < result.length; n++) deliverTo(subscriber, result[n], place);
    else if (result !== null && result !== undefined) deliverTo(subscriber, result, place);
  } catch (error) {
    caught(error);
    why = describe(error);
    where = locate(error);
  }
  if (exhausted) why = 'ran out of stack or memory';
  else if (failure !== null) why = failure.message;
  if (why === '') return true;
  const code = failure !== null && failure.code === 'OUTPUT_TOO_LARGE' ? failure.code : 'BEHAVIOR_ERROR';
  const what = 'subscribe of ' + subscriber.type + ' (' + subscriber.file + ') to ' + T.type + '.' + T.events[eventTypes[i]].name + ': ';
  return failed(code, what + why, where || place);
}
/** What `failure` says is told by deliverEvent: nothing of a script is on the stack here that could catch it. */
function deliverTo(subscriber, delivery, place) {
  if (typeof delivery !== 'object' || delivery === null) stop('BAD_OUTPUT', 'a delivery is { to, command, body }, not ' + show(delivery));
  for (const key of ownKeys(delivery)) if (key !== 'to' && key !== 'command' && key !== 'body') stop('BAD_OUTPUT', 'a delivery has to, command and body, not ' + clip(key, 60));
  const { to, command, body } = delivery;
  const index = typeof command === 'string' ? subscriber.commandIndex.get(command) : undefined;
  if (index === undefined) stop('BAD_OUTPUT', subscriber.type + ' has no command ' + show(command));
  const actor = subscriberAddress(subscriber.type, to);
  count(sends, SENDS_MAX, 'sends');
  const value = bodyFor(subscriber.commands[index], body, command);
  weigh(bytesOf(value) + actor.length + 64);
  sends.push({ to: actor, name: command, body: value, write: subscriber.commands[index].write, onReply: '' });
  if (trace !== null) trace.push(2, place);
}
/** `to` is an id of the type, or the whole address; the address of another type is a mistake, not an id that looks like one. */
function subscriberAddress(type, to) {
  if (typeof to !== 'string') stop('BAD_OUTPUT', 'to must be an id of ' + type + ', not ' + show(to));
  const colon = to.indexOf(':');
  const named = colon < 0 ? '' : to.slice(0, colon);
  if (named !== type && typesByName.has(named)) stop('BAD_OUTPUT', 'to must be an actor of ' + type + ', not ' + show(to));
  const actor = named === type ? to : type + ':' + to;
  address(actor);
  return actor;
}
