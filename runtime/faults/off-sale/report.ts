/** The figures of an off-sale run, for people. */

import type { ClientFigures, OffSaleResult } from './off-sale.ts';

export function offSaleText(result: OffSaleResult): string[] {
  const { voidLagMs, refundLagMs, payments, totals } = result;
  return [
    `${result.orders} orders: ${result.paidBefore} paid before the off-sale and ${result.paidBehind} behind it, ${result.expiredBefore} expired before and ${result.expiredBehind} behind, ${result.void} void, ${result.refused} refused because they came too late`,
    `  the time to pay of ${result.dueMeanwhile} ended between the off-sale and the last void`,
    `payments: ${payments.captured} captured, ${payments.refunded} refunded once, ${payments.failed} failed; ${result.paymentsInFlight} were in flight at the off-sale, and ${result.openCommands} commands of clients; from a payment to its refund: median ${refundLagMs.p50} ms, p99 ${refundLagMs.p99} ms, the longest ${refundLagMs.last} ms`,
    `from the acknowledged off-sale to a void: median ${voidLagMs.p50} ms, p99 ${voidLagMs.p99} ms, the last ${voidLagMs.last} ms; the last piece was given back after ${result.lastReleaseMs} ms`,
    `other clients: before ${clientsText(result.clientsBefore)}; from the off-sale to the last void ${clientsText(result.clientsMeanwhile)}; payments ${clientsText(result.paymentWaits)}`,
    `CPU time ${result.cpuUsPerOrder} us an order from the beginning of the race to its end; at most node ${result.nodeMib.join(' + ')} MiB, sandbox ${result.sandboxMib.join(' + ')} MiB`,
    `stock: ${totals.stock.stocked} = ${totals.stock.available} available + ${totals.stock.reserved} reserved + ${totals.stock.sold} sold; money: ${totals.money.captured} captured - ${totals.money.refunded} refunded, ${totals.money.paid} paid`,
  ];
}

function clientsText({ perSecond, p50Ms, p99Ms }: ClientFigures): string {
  return `${perSecond}/s, median ${p50Ms} ms, p99 ${p99Ms} ms`;
}
