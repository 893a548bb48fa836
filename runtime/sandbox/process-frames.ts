/** In place of a frame's length: what follows is the length and text of why the process ends. */
export const FAREWELL = 0xffff_ffff;

/** Numbers of bundles that are only checked, before they are deployed; installed ones are counted from 1. */
export const CHECKED_BUNDLE_FIRST = 0x4000_0000;
