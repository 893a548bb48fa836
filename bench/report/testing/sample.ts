/** Reports for tests, made from a seed: of the form and the size of real ones, and the same every time. */

import { REPORT_FORMAT, type CaseReport, type Figure, type Mark, type ProcessCost, type Report, type RunReport, type Timeline } from '../report.ts';

export interface SampleCase {
  readonly subject: string;
  readonly load: string;
  readonly workload?: string;
  readonly isBaseline?: boolean;
  readonly durability?: string;
  readonly parameters?: CaseReport['parameters'];
  /** Commands a second, before the noise of the round. */
  readonly speed: number;
  readonly p50Ms?: number;
  readonly roles?: readonly string[];
  /** Rounds whose check failed. */
  readonly failed?: readonly number[];
  readonly marks?: readonly Mark[];
  readonly slices?: number;
  readonly figures?: readonly Figure[];
  readonly remarks?: readonly string[];
  /** The driver was late by this, at the median: an open loop. */
  readonly lateMs?: number;
}

export interface SampleOptions {
  readonly seed?: number;
  readonly rounds?: number;
  readonly cases?: readonly SampleCase[];
  /** How far rounds lie apart: 0.05 is five percent up or down. */
  readonly noise?: number;
}

export type Random = () => number;

/** mulberry32: small, and the same on every machine. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function sampleReport({ seed = 1, rounds = 3, cases = sampleCases, noise = 0.03 }: SampleOptions = {}): Report {
  const random = seeded(seed);
  return {
    format: REPORT_FORMAT,
    at: '2026-11-20T12:00:00.000Z',
    seconds: 360,
    workload: 'counter',
    args: ['counter', '--rounds', String(rounds)],
    machine: { cpu: 'AMD EPYC 7B13', cores: 2, memoryMib: 7_950, kernel: 'Linux 6.1.0', node: 'v26.10.0', v8: '14.6.1', loadBefore: 0.12, fileSystem: '/dev/vda1 ext4' },
    versions: { troupe: '0.1.0', node: 'v26.10.0', redis: '7.0.15' },
    cases: cases.map((one) => sampleCase(one, rounds, noise, random)),
    loops: [
      { name: 'blockingPreallocated', text: 'append 300 bytes and fdatasync, blocking call, preallocated file', runs: Array.from({ length: rounds }, () => ({ name: 'median', value: 0.12 + random() / 100, unit: 'ms', isLessBetter: true })) },
      { name: 'redisPipeline', text: 'calls of Redis, 100 at a time', runs: Array.from({ length: rounds }, () => ({ name: 'calls', value: 400_000 + random() * 1_000, unit: '/s', isLessBetter: false })) },
    ],
    goals: [
      { text: '64x16: embedded / echo, commands/s, at least 0.3', value: 0.41, isReached: true },
      { text: '64x1: embedded / floor, commands/s, at least 0.6', value: 0.52, isReached: false },
      { text: '1x1: embedded median latency / append and fdatasync, below 2', value: null, isReached: null },
    ],
  };
}

export function sampleCase(one: SampleCase, rounds: number, noise: number, random: Random): CaseReport {
  const { workload = 'counter', subject, load, isBaseline = false, durability = isBaseline ? 'memory' : 'disk', parameters = {} } = one;
  const id = [workload, load, subject, ...Object.entries(parameters).filter(([name]) => name !== 'rate').map(([name, value]) => `${name}=${value}`)].join('/');
  return { id, workload, subject, load, isBaseline, durability, parameters, runs: Array.from({ length: rounds }, (_, i) => sampleRun(one, i + 1, 1 + (random() * 2 - 1) * noise, random)) };
}

function sampleRun(one: SampleCase, round: number, factor: number, random: Random): RunReport {
  const passed = !(one.failed ?? []).includes(round);
  const speed = one.speed * factor;
  const p50 = (one.p50Ms ?? 1) / factor;
  const slices = one.slices ?? 40;
  const windowMs = Math.max(slices, 1) * 250;
  const spread = (ms: number) => ({ p50: ms, p90: ms * 1.6, p99: ms * 3, p999: ms * 8, max: ms * 20, mean: ms * 1.2 });
  return {
    round,
    check: { passed, detail: passed ? '10,000 counters read back: sums and numbers agree' : 'Counter:c-17 is 41, and 42 was acknowledged' },
    commandsPerSecond: passed ? speed : null,
    commands: Math.round((speed * windowMs) / 1_000),
    windowMs,
    warmUpMs: 3_000,
    latencyMs: passed ? spread(p50) : null,
    latencyCurve: passed ? sampleCurve(p50, random) : [],
    lateMs: one.lateMs === undefined ? null : spread(one.lateMs),
    due: one.lateMs === undefined ? null : Math.round((speed * windowMs) / 1_000),
    timeline: sampleTimeline(speed, p50, slices, one.marks ?? [], random),
    marks: one.marks ?? [],
    processes: (one.roles ?? (one.isBaseline === true ? ['node', 'driver'] : ['node', 'sandbox', 'driver'])).map((role) => sampleProcess(role, factor, random)),
    deviceBytesPerCommand: one.isBaseline === true ? null : 310 + random() * 5,
    retries: passed ? 0 : 3,
    errors: passed ? {} : { UNKNOWN_OUTCOME: 2 },
    figures: passed ? (one.figures ?? []).map((figure) => ({ ...figure, value: figure.value / factor })) : [],
    remarks: passed ? (one.remarks ?? []) : [],
  };
}

function sampleProcess(role: string, factor: number, random: Random): ProcessCost {
  const cost = role.startsWith('node') ? 2.1 : role === 'sandbox' ? 1.4 : role === 'redis' ? 0.9 : 1.1;
  return { role, cpuUsPerCommand: (cost + random() * 0.05) / factor, cores: 0.6 + random() * 0.3, rssMib: 120 + random() * 3, rssPeakMib: 150 + random() * 5, storageBytesPerCommand: role === 'redis' ? null : 320 };
}

function sampleCurve(p50: number, random: Random): [number, number][] {
  const shares = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1];
  let ms = p50 / 3;
  return shares.map((share, i) => [share, (ms = Math.max(ms, p50 * (0.4 + 0.35 * i) * (1 + random() / 5) * (i > 8 ? 1.6 : 1)))]);
}

/** While a mark lasts, hardly anything is answered. */
function sampleTimeline(speed: number, p50: number, slices: number, marks: readonly Mark[], random: Random): Timeline {
  const sliceMs = slices === 0 ? 0 : 250;
  const at = Array.from({ length: slices }, (_, i) => {
    const isDown = marks.some((mark) => mark.untilMs > mark.atMs && i * sliceMs >= mark.atMs && i * sliceMs < mark.untilMs);
    const share = isDown ? (random() < 0.5 ? 0 : 0.1) : 0.95 + random() / 10;
    return { commands: Math.round((speed * share * sliceMs) / 1_000), ms: share === 0 ? 0 : p50 / Math.min(share, 1.02) };
  });
  const tail = (factor: number): number[] => at.map(({ ms }) => ms * factor * (1 + random() / 3));
  return { sliceMs, commands: at.map(({ commands }) => commands), p50Ms: at.map(({ ms }) => ms), p99Ms: tail(3), maxMs: tail(9) };
}

const kill: readonly Mark[] = [{ atMs: 3_000, untilMs: 4_250, text: 'kill -9 of node 2' }, { atMs: 7_000, untilMs: 7_000, text: 'deployment of bench v2' }];

/** Every kind of case: baselines, a fault, and sweeps over nodes, distribution and rate. */
export const sampleCases: readonly SampleCase[] = [
  { subject: 'echo', load: '64x16', isBaseline: true, speed: 600_000, p50Ms: 1.5 },
  { subject: 'floor', load: '64x16', isBaseline: true, durability: 'disk', speed: 410_000, p50Ms: 2.2 },
  { subject: 'embedded', load: '64x16', speed: 245_000, p50Ms: 3.9, figures: [{ name: 'longest gap', value: 41, unit: 'ms', isLessBetter: true }] },
  { subject: 'echo', load: '64x1', isBaseline: true, speed: 120_000, p50Ms: 0.5 },
  { subject: 'embedded', load: '64x1', speed: 52_000, p50Ms: 1.2 },
  ...[1, 2, 3].map((nodes): SampleCase => ({
    subject: 'cluster', load: '96x16', durability: 'redis-everysec', parameters: { nodes }, speed: 90_000 * nodes ** 0.8, p50Ms: 6,
    roles: [...Array.from({ length: nodes }, (_, i) => (i === 0 ? 'node' : `node ${i + 1}`)), 'sandbox', 'redis', 'driver'], marks: nodes === 3 ? kill : [],
    figures: [{ name: 'longest gap', value: 300, unit: 'ms', isLessBetter: true }, { name: 'buckets moved', value: 85, unit: '', isLessBetter: null }],
  })),
  ...['uniform', 'zipf 0.99', 'hot 50 %'].map((distribution, i): SampleCase => ({ subject: 'embedded', load: '64x4', parameters: { distribution }, speed: 180_000 / (1 + i), p50Ms: 1.3 * (1 + i) })),
  ...[10_000, 20_000, 40_000, 80_000].map((rate): SampleCase => ({ subject: 'embedded', load: `${rate}/s`, parameters: { rate, actors: 10_000 }, speed: rate, p50Ms: 0.4 + (rate / 60_000) ** 4, lateMs: 0.05, remarks: rate > 50_000 ? ['latency had not settled after 15 s of warm-up'] : [] })),
];

/** Every text of a report, keys too, through a function; the format is left, or nothing would read it. */
export function mapTexts(report: Report, map: (text: string) => string): Report {
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') return map(value);
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === 'format' ? inner : isNamed(key) ? Object.fromEntries(Object.entries(inner as object).map(([name, one]) => [map(name), walk(one)])) : walk(inner)]));
  };
  return walk(report) as Report;
}

/** The fields whose keys are data too. */
function isNamed(key: string): boolean {
  return key === 'versions' || key === 'parameters' || key === 'errors';
}
