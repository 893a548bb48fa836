/** Names that clients send. */

import { Names } from '../codec/names.ts';

export const names = new Names();
