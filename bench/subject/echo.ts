/**
 * Baseline: the most that a `ws` server answers. Every frame goes back as it came; each socket is written once a tick. No
 * parsing, no logic, no disk.
 */

import { serve } from './serve.ts';

serve((_socket, data, answer) => answer(data));
