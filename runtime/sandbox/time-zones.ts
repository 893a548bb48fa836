/**
 * The time zones that a behaviour can name. They are those of the Unicode data that comes with the program, never of the machine it runs
 * on, and are hashed into the engine hash (fold-hash.ts): what a script is told of a name is part of how its decision comes out.
 */
export const timeZones: readonly string[] = [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])].sort();
