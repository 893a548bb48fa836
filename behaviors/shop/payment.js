// @ts-check
import { defineActor } from 'troupe';
import { isId } from './order-lines.js';

/*
 * Captured and not refunded is what an order has taken. The order answers once, and what it sends comes in the order in which it decided:
 *
 *   authorised, taken                  captured
 *   authorised, refused                failed: no money has moved
 *   captured before the answer, taken  stays captured
 *   captured before the answer, refused (expired, void, paid already)  refunded
 *   captured, taken, refund            the order could not be fulfilled: refunded
 *   authorised, refund                 the answer was held up on the way: failed, and the answer then changes nothing
 */

/** @typedef {import('./types.js').Actors['shop.v1.Payment']} Payment */

/** @param {string} id */
const orderOf = (id) => /** @type {const} */ (`shop.v1.Order:${id}`);

/**
 * Once, whoever asks for it how often: what has ended stays so.
 * @param {import('./types.js').shop.v1.PaymentState} state
 * @param {string} reason
 * @param {import('troupe').Context<Payment>} ctx
 * @returns {import('./types.js').shop.v1.PaymentStatus}
 */
function giveBack(state, reason, ctx) {
  switch (state.status) {
    case 'PAYMENT_STATUS_AUTHORISED':
      ctx.emit('PaymentFailed', { reason });
      return 'PAYMENT_STATUS_FAILED';
    case 'PAYMENT_STATUS_CAPTURED':
      ctx.emit('PaymentRefunded', { amount: state.amount, reason });
      return 'PAYMENT_STATUS_REFUNDED';
    default:
      return state.status;
  }
}

/** @type {import('troupe').Behavior<Payment>} */
const payment = {
  initialState: () => ({}),

  decide: {
    AuthorisePayment(state, { orderId, amount, method, capture }, ctx) {
      if (state.status !== 'PAYMENT_STATUS_UNSPECIFIED') ctx.reject('ALREADY_AUTHORISED', `Payment ${ctx.id} exists already.`);
      if (!isId(orderId)) ctx.reject('BAD_ORDER', 'Give the id of the order.');
      if (amount <= 0) ctx.reject('BAD_AMOUNT', 'An amount is at least 1 minor unit.');
      ctx.emit('PaymentAuthorised', { orderId, amount, method });
      if (capture) ctx.emit('PaymentCaptured', { amount });
      ctx.send(orderOf(orderId), 'PayOrder', { amount, paymentId: ctx.id }, { onReply: 'TakeOrderAnswer' });
      return { paymentId: ctx.id };
    },

    CapturePayment(state, _command, ctx) {
      switch (state.status) {
        case 'PAYMENT_STATUS_UNSPECIFIED':
          return ctx.reject('NOT_FOUND', `There is no payment ${ctx.id}.`);
        case 'PAYMENT_STATUS_CAPTURED':
          return { status: state.status };
        case 'PAYMENT_STATUS_AUTHORISED':
          ctx.emit('PaymentCaptured', { amount: state.amount });
          return { status: 'PAYMENT_STATUS_CAPTURED' };
        default:
          return ctx.reject('NOT_AUTHORISED', `Payment ${ctx.id} is refunded or failed.`);
      }
    },

    RefundPayment(state, { reason }, ctx) {
      if (state.status === 'PAYMENT_STATUS_UNSPECIFIED') ctx.reject('NOT_FOUND', `There is no payment ${ctx.id}.`);
      // Anybody else could take back the money for what is sold.
      if (ctx.caller !== orderOf(state.orderId)) ctx.reject('NOT_THE_ORDER', `Only order ${state.orderId} gives its payment back.`);
      return { status: giveBack(state, reason, ctx) };
    },

    TakeOrderAnswer(state, { from, refusal }, ctx) {
      if (state.status === 'PAYMENT_STATUS_UNSPECIFIED') ctx.reject('NOT_FOUND', `There is no payment ${ctx.id}.`);
      if (ctx.caller !== from || from !== orderOf(state.orderId)) ctx.reject('NOT_ASKED', `Payment ${ctx.id} has not asked ${from}.`);
      if (refusal) return { status: giveBack(state, refusal.code, ctx) };
      if (state.status !== 'PAYMENT_STATUS_AUTHORISED') return { status: state.status };
      ctx.emit('PaymentCaptured', { amount: state.amount });
      return { status: 'PAYMENT_STATUS_CAPTURED' };
    },
  },

  evolve: {
    PaymentAuthorised: (state, { orderId, amount, method }) => ({
      ...state, status: 'PAYMENT_STATUS_AUTHORISED', orderId, amount, method,
    }),
    PaymentCaptured: (state) => ({ ...state, status: 'PAYMENT_STATUS_CAPTURED' }),
    PaymentRefunded: (state, { reason }) => ({ ...state, status: 'PAYMENT_STATUS_REFUNDED', reason }),
    PaymentFailed: (state, { reason }) => ({ ...state, status: 'PAYMENT_STATUS_FAILED', reason }),
  },
};

export default defineActor('shop.v1.Payment', payment);
