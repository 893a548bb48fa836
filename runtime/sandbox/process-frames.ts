/** In place of a frame's length: what follows is the length and text of why the process ends. */
export const FAREWELL = 0xffff_ffff;
