/** The driver's side of what a harness and a driver process say to each other: one message is handled after the other has come, and what goes wrong is told. */

import { NoConnection } from './endpoint.ts';

export interface Failed {
  readonly is: 'failed';
  readonly message: string;
}

export interface Conversation<From> {
  tell(message: From): void;
  /** Of a defect that nobody waits for. */
  failed(error: unknown): void;
}

/** Ends the process when the harness is gone: there is nobody to report to. */
export function converse<To, From>(handle: (message: To) => Promise<void>): Conversation<From> {
  const failed = (error: unknown): void => {
    const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
    const told: Failed = { is: 'failed', message: error instanceof NoConnection ? message : stack };
    process.send!(told);
  };
  process.on('message', (message: To) => {
    handle(message).catch(failed);
  });
  process.on('disconnect', () => process.exit(1));
  return { tell: (message) => void process.send!(message), failed };
}
