// @ts-check
import { defineActor } from 'troupe';

const NOTICES_MAX = 20;

/**
 * @typedef {import('./types.js').Actors} Actors
 * @typedef {import('./types.js').shop.v1.OrderStatus} OrderStatus
 */

/**
 * A notice for whoever asked to be told; most orders are placed without.
 * @param {{ readonly notify: string }} event
 * @param {import('troupe').Source} source
 * @param {OrderStatus} status
 */
function notice({ notify }, source, status, reason = '') {
  if (notify === '') return null;
  return { to: notify, command: /** @type {const} */ ('Notify'), body: { orderId: source.id, status, reason } };
}

/** @type {import('troupe').Behavior<Actors['shop.v1.Notification'], Actors>} */
const notification = {
  initialState: () => ({}),

  decide: {
    Notify(_state, { orderId, status, reason }, ctx) {
      if (ctx.caller !== `shop.v1.Order:${orderId}`) ctx.reject('NOT_THE_ORDER', `This does not come from order ${orderId}.`);
      ctx.emit('Notified', { orderId, status, reason, atMs: ctx.now });
      return {};
    },
  },

  evolve: {
    Notified: (state, event) => ({ notices: [...state.notices, event].slice(-NOTICES_MAX) }),
  },

  subscribe: {
    'shop.v1.Order': {
      OrderReserved: (event, source) => notice(event, source, 'ORDER_STATUS_AWAITING_PAYMENT'),
      OrderConfirmed: (event, source) => notice(event, source, 'ORDER_STATUS_CONFIRMED'),
      OrderExpired: (event, source) => notice(event, source, 'ORDER_STATUS_EXPIRED'),
      OrderVoided: (event, source) => notice(event, source, 'ORDER_STATUS_VOID', event.reason),
    },
  },
};

export default defineActor('shop.v1.Notification', notification);
