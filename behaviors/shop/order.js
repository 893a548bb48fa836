// @ts-check
import { defineActor } from 'troupe';
import { isId, quantities, refusalOf, totalOf } from './order-lines.js';

/**
 * @typedef {import('./types.js').shop.v1.OrderState} OrderState
 * @typedef {import('./types.js').Actors['shop.v1.Order']} Order
 * @typedef {import('troupe').Context<Order>} Context
 */

const PAYMENT_TIME_DEFAULT_SECONDS = 30 * 60;
const PAYMENT_TIME_MAX_SECONDS = 30 * 24 * 3600;

/** @param {string} id */
const productOf = (id) => /** @type {const} */ (`shop.v1.Product:${id}`);
/** @param {string} id */
const inventoryOf = (id) => /** @type {const} */ (`shop.v1.Inventory:${id}`);

/** @param {string} id */
const paymentOf = (id) => /** @type {const} */ (`shop.v1.Payment:${id}`);
/** @param {string} id */
const userOf = (id) => /** @type {const} */ (`shop.v1.User:${id}`);

/** @param {OrderState} state */
const isPlaced = (state) => state.status !== 'ORDER_STATUS_UNSPECIFIED';
/** @param {OrderState} state */
const isOpen = (state) => state.status === 'ORDER_STATUS_AWAITING_PAYMENT' || state.status === 'ORDER_STATUS_PAID';

/**
 * Whom it concerns: subscribers of events see nothing but the event.
 * @param {OrderState} state
 */
const concerned = ({ userId, notify }) => ({ userId, notify });

/**
 * From now on neither time nor a product concerns the order.
 * @param {OrderState} state
 * @param {Context} ctx
 */
function detach(state, ctx) {
  ctx.cancelTimer('expiry');
  for (const { productId } of state.lines) ctx.unlink(productOf(productId));
}

/**
 * Gives back what the order holds. Inventories that refused or have not answered yet are told too: a release follows its
 * reservation on the same channel, and one without a reservation does nothing.
 * @param {OrderState} state
 * @param {Context} ctx
 */
function release(state, ctx) {
  for (const inventoryId of quantities(state.lines).keys()) {
    ctx.send(inventoryOf(inventoryId), 'Release', { orderId: ctx.id });
  }
}

/**
 * @param {OrderState} state
 * @param {string} reason
 * @param {Context} ctx
 * @returns {OrderState['status']}
 */
function voidOrder(state, reason, ctx) {
  ctx.emit('OrderVoided', { reason, ...concerned(state) });
  release(state, ctx);
  ctx.unlink(userOf(state.userId));
  if (state.status === 'ORDER_STATUS_AWAITING_PAYMENT') detach(state, ctx);
  else if (state.paymentId !== '') ctx.send(paymentOf(state.paymentId), 'RefundPayment', { reason });
  return 'ORDER_STATUS_VOID';
}

/**
 * @param {OrderState} state
 * @param {Context} ctx
 * @returns {OrderState['status']}
 */
function confirm(state, ctx) {
  ctx.emit('OrderConfirmed', concerned(state));
  for (const inventoryId of quantities(state.lines).keys()) {
    ctx.send(inventoryOf(inventoryId), 'Confirm', { orderId: ctx.id });
  }
  return 'ORDER_STATUS_CONFIRMED';
}

/**
 * What a positive answer leads to: with the last one everything is reserved, and a paid order is confirmed.
 * @param {OrderState} state
 * @param {Context} ctx
 */
function afterAnswer(state, ctx) {
  if (state.openOffers.length + state.openReservations.length > 1) return state.status;
  ctx.emit('OrderReserved', concerned(state));
  return state.status === 'ORDER_STATUS_PAID' ? confirm(state, ctx) : state.status;
}

/**
 * Nobody answers for another.
 * @param {string} from
 * @param {Context} ctx
 */
function mustBeFrom(from, ctx) {
  if (ctx.caller !== from) ctx.reject('NOT_ASKED', `This is no answer of ${from}.`);
}

/** @type {import('troupe').Behavior<Order>} */
const order = {
  initialState: () => ({}),

  decide: {
    PlaceOrder(state, { userId, lines, paymentTimeSeconds, notify }, ctx) {
      if (isPlaced(state)) ctx.reject('ALREADY_PLACED', `Order ${ctx.id} is placed already.`);
      if (!isId(userId)) ctx.reject('BAD_USER', 'Give the id of the user.');
      if (notify !== '' && !isId(notify)) ctx.reject('BAD_NOTIFY', 'That is no id of a notification.');
      const refusal = refusalOf(lines);
      if (refusal) return ctx.reject(refusal.code, refusal.message);
      if (paymentTimeSeconds > PAYMENT_TIME_MAX_SECONDS) {
        ctx.reject('BAD_PAYMENT_TIME', `The time to pay is at most ${PAYMENT_TIME_MAX_SECONDS} seconds.`);
      }

      const total = totalOf(lines);
      const payBeforeMs = ctx.now + (paymentTimeSeconds || PAYMENT_TIME_DEFAULT_SECONDS) * 1000;
      const completeLines = lines.map((line) => ({ ...line, inventoryId: line.inventoryId || line.productId }));
      ctx.emit('OrderPlaced', { userId, lines: completeLines, total, payBeforeMs, notify });
      ctx.timer('expiry', payBeforeMs, 'ExpireOrder', {});
      // Stays until the order has come to nothing: who is linked to a user is what the user has bought or may still pay.
      ctx.link(userOf(userId));
      for (const { productId, unitPrice, inventoryId } of completeLines) {
        // Linked first: a product that goes off sale from here on voids the order, one that already is refuses the offer.
        ctx.link(productOf(productId));
        ctx.send(productOf(productId), 'CheckOffer', { unitPrice, inventoryId }, { onReply: 'TakeOffer' });
      }
      for (const [inventoryId, quantity] of quantities(completeLines)) {
        ctx.send(inventoryOf(inventoryId), 'Reserve', { orderId: ctx.id, quantity }, { onReply: 'TakeReservation' });
      }
      return { orderId: ctx.id, total, payBeforeMs };
    },

    PayOrder(state, { amount, paymentId }, ctx) {
      // Else an order could count as paid by a payment that never took any money.
      if (paymentId !== '' && ctx.caller !== paymentOf(paymentId)) ctx.reject('NOT_THE_PAYMENT', `Only payment ${paymentId} itself may say so.`);
      switch (state.status) {
        case 'ORDER_STATUS_UNSPECIFIED':
          return ctx.reject('NOT_FOUND', `There is no order ${ctx.id}.`);
        case 'ORDER_STATUS_EXPIRED':
          return ctx.reject('ORDER_EXPIRED', `Order ${ctx.id} was not paid in time.`);
        case 'ORDER_STATUS_VOID':
          return ctx.reject('ORDER_VOID', `Order ${ctx.id} is void: ${state.voidReason}.`);
        case 'ORDER_STATUS_PAID':
        case 'ORDER_STATUS_CONFIRMED':
          // The same payment may say so twice.
          if (paymentId !== '' && paymentId === state.paymentId) return { status: state.status };
          return ctx.reject('ALREADY_PAID', `Order ${ctx.id} is paid already.`);
        default:
      }
      if (amount !== state.total) ctx.reject('WRONG_AMOUNT', `Order ${ctx.id} costs ${state.total}, not ${amount}.`);
      // The timer may be late, its due time is not.
      if (ctx.now >= state.payBeforeMs) ctx.reject('ORDER_EXPIRED', `Order ${ctx.id} was not paid in time.`);
      ctx.emit('OrderPaid', { amount, paymentId, userId: state.userId });
      detach(state, ctx);
      if (state.openOffers.length + state.openReservations.length > 0) return { status: 'ORDER_STATUS_PAID' };
      return { status: confirm(state, ctx) };
    },

    ExpireOrder(state, _command, ctx) {
      if (!isPlaced(state)) ctx.reject('NOT_FOUND', `There is no order ${ctx.id}.`);
      if (state.status !== 'ORDER_STATUS_AWAITING_PAYMENT') return { status: state.status };
      if (ctx.now < state.payBeforeMs) ctx.reject('NOT_DUE', `Order ${ctx.id} may still be paid.`);
      ctx.emit('OrderExpired', concerned(state));
      release(state, ctx);
      ctx.unlink(userOf(state.userId));
      detach(state, ctx);
      return { status: 'ORDER_STATUS_EXPIRED' };
    },

    VoidOrder(state, { reason }, ctx) {
      if (!isPlaced(state)) ctx.reject('NOT_FOUND', `There is no order ${ctx.id}.`);
      if (state.status !== 'ORDER_STATUS_AWAITING_PAYMENT') return { status: state.status };
      return { status: voidOrder(state, reason, ctx) };
    },

    TakeOffer(state, { from, refusal }, ctx) {
      if (!isPlaced(state)) ctx.reject('NOT_FOUND', `There is no order ${ctx.id}.`);
      mustBeFrom(from, ctx);
      const line = state.lines.find(({ productId }) => productOf(productId) === from);
      if (!line) return ctx.reject('NOT_ASKED', `Order ${ctx.id} has not asked ${from}.`);
      if (!isOpen(state) || !state.openOffers.includes(line.productId)) return { status: state.status };
      if (refusal) return { status: voidOrder(state, refusal.code, ctx) };
      ctx.emit('OfferConfirmed', { productId: line.productId });
      return { status: afterAnswer(state, ctx) };
    },

    TakeReservation(state, { from, refusal }, ctx) {
      if (!isPlaced(state)) ctx.reject('NOT_FOUND', `There is no order ${ctx.id}.`);
      mustBeFrom(from, ctx);
      const line = state.lines.find(({ inventoryId }) => inventoryOf(inventoryId) === from);
      if (!line) return ctx.reject('NOT_ASKED', `Order ${ctx.id} has not asked ${from}.`);
      if (!isOpen(state) || !state.openReservations.includes(line.inventoryId)) return { status: state.status };
      if (refusal) return { status: voidOrder(state, refusal.code, ctx) };
      ctx.emit('LinesReserved', { inventoryId: line.inventoryId });
      return { status: afterAnswer(state, ctx) };
    },
  },

  evolve: {
    OrderPlaced: (state, { userId, lines, total, payBeforeMs, notify }) => ({
      ...state,
      status: 'ORDER_STATUS_AWAITING_PAYMENT',
      userId,
      lines,
      total,
      payBeforeMs,
      notify,
      openOffers: lines.map((line) => line.productId),
      openReservations: [...quantities(lines).keys()],
    }),
    OfferConfirmed: (state, { productId }) => ({
      ...state,
      openOffers: state.openOffers.filter((open) => open !== productId),
    }),
    LinesReserved: (state, { inventoryId }) => ({
      ...state,
      openReservations: state.openReservations.filter((open) => open !== inventoryId),
    }),
    OrderReserved: (state) => state,
    OrderPaid: (state, { paymentId }) => ({ ...state, status: 'ORDER_STATUS_PAID', paymentId }),
    OrderConfirmed: (state) => ({ ...state, status: 'ORDER_STATUS_CONFIRMED' }),
    OrderExpired: (state) => ({ ...state, status: 'ORDER_STATUS_EXPIRED' }),
    OrderVoided: (state, { reason }) => ({ ...state, status: 'ORDER_STATUS_VOID', voidReason: reason }),
  },
};

export default defineActor('shop.v1.Order', order);
