/**
 * S2: false positives while C nodes suffer periodic anomalies (Lifeguard §V-C "interval" experiment): blocked
 * for D, free for I, again and again. FP counts failures declared of healthy members; FP− those of them
 * that healthy members declare.
 */
import { type GossipOptions } from "../../../../src/gossip/options.ts";
import { type Experiment } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface AnomalyOptions {
  readonly seed: number;
  readonly concurrent: number;
  readonly blockedMs: number;
  readonly freeMs: number;
  readonly durationMs: number;
  readonly protocol: Partial<GossipOptions>;
  readonly nodes?: number;
  readonly mode?: "blocked" | "frozen";
}

export interface AnomalyOutcome {
  falsePositives: number;
  atHealthy: number;
  frames: number;
  bytes: number;
}

export function anomalies(options: AnomalyOptions): AnomalyOutcome {
  const { nodes = 128, seed, concurrent, blockedMs, freeMs, durationMs, protocol } = options;
  const sim = new Simulation({ nodes, seed, protocol: { selector: "uniform", ...protocol } });
  sim.runUntil(15_000);
  const outcome: AnomalyOutcome = { falsePositives: 0, atHealthy: 0, frames: 0, bytes: 0 };
  sim.onEvent = ({ kind, node, member }) => {
    if (kind !== "failed" || member < concurrent) return;
    outcome.falsePositives += 1;
    if (node >= concurrent) outcome.atHealthy += 1;
  };
  const end = sim.now + durationMs;
  const cycle = (ix: number): void => {
    if (sim.now >= end) return;
    sim.node(ix).stall(options.mode ?? "blocked", blockedMs);
    sim.after(blockedMs + freeMs, () => cycle(ix));
  };
  for (let ix = 0; ix < concurrent; ix += 1) cycle(ix);
  sim.runUntil(end);
  outcome.frames = sim.framesSent.reduce((sum, count) => sum + count, 0);
  outcome.bytes = sim.bytesSent.reduce((sum, count) => sum + count, 0);
  return outcome;
}

const off = { probe: false, suspicion: false, buddy: false };
export const lifeguardVariants = {
  SWIM: off,
  "LHA-Probe": { ...off, probe: true },
  "LHA-Suspicion": { ...off, suspicion: true },
  Buddy: { ...off, buddy: true },
  Lifeguard: { probe: true, suspicion: true, buddy: true },
} as const;

/** From most to fewest false positives. */
const papersOrder = ["SWIM", "Buddy", "LHA-Probe", "LHA-Suspicion", "Lifeguard"];

/**
 * The paper varies C over 1, 4, 8, 12 … 32, D over 128 ms, 256 ms … 32.8 s, and I over 1 ms, 4 ms … 16.4 s; half of
 * its C and I are here, and each D. Short anomalies cost no message, middling ones fewer with Lifeguard, and long ones
 * more: who takes long ones only finds another share of SWIM's messages than the paper.
 */
const papersGrid = {
  concurrent: [1, 8, 16, 24, 32],
  blocked: [128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768],
  free: [1, 64, 1024, 16_384],
};

type Outcomes = Readonly<Record<string, AnomalyOutcome>>;

/** The same anomalies under each of the five configurations. */
function allVariants(options: Omit<AnomalyOptions, "protocol">): Outcomes {
  const outcomes: Record<string, AnomalyOutcome> = {};
  for (const [name, lifeguard] of Object.entries(lifeguardVariants)) {
    const protocol = { lifeguard, suspicionMult: 5, confirmations: 3 };
    outcomes[name] = anomalies({ ...options, protocol });
  }
  return outcomes;
}

function totalsOf(runs: readonly Outcomes[]): ReadonlyMap<string, AnomalyOutcome> {
  const totals = new Map<string, AnomalyOutcome>();
  for (const name of Object.keys(lifeguardVariants)) {
    const total = { falsePositives: 0, atHealthy: 0, frames: 0, bytes: 0 };
    totals.set(name, total);
    for (const run of runs) {
      total.falsePositives += run[name]?.falsePositives ?? 0;
      total.atHealthy += run[name]?.atHealthy ?? 0;
      total.frames += run[name]?.frames ?? 0;
      total.bytes += run[name]?.bytes ?? 0;
    }
  }
  return totals;
}

export const s2: Experiment = ({ runs, full }) => {
  const grid = full ? papersGrid : { concurrent: [8, 32], blocked: [16_384], free: [64, 1024] };
  const durationMs = full ? 120_000 : 60_000;
  const found = grid.concurrent.flatMap((concurrent) =>
    grid.blocked.flatMap((blockedMs) =>
      grid.free.flatMap((freeMs) =>
        runs(`C=${concurrent} D=${blockedMs} I=${freeMs}`, (seed) =>
          allVariants({ seed, concurrent, blockedMs, freeMs, durationMs }),
        ),
      ),
    ),
  );
  const totals = totalsOf(found);
  const swim = totals.get("SWIM") ?? { falsePositives: 1, atHealthy: 1, frames: 1, bytes: 1 };
  const share = (value: number, whole: number): number => (100 * value) / Math.max(1, whole);
  const rows = [...totals].map(([name, total]) => [
    ...[name, total.falsePositives, total.atHealthy],
    share(total.falsePositives, swim.falsePositives),
    share(total.atHealthy, swim.atHealthy),
    share(total.frames, swim.frames),
    share(total.bytes, swim.bytes),
  ]);
  const lifeguard = totals.get("Lifeguard") ?? swim;
  const falsePositives = (name = ""): number => totals.get(name)?.falsePositives ?? 0;
  return {
    id: "S2",
    title: `false positives under anomalies, N=128, α=5 β=6 K=3, uniform, ${found.length} runs`,
    columns: ["config", "FP", "FP-", "FP %", "FP- %", "msgs %", "bytes %"],
    rows,
    verdicts: [
      {
        claim: "Lifeguard FP ≤ 1.53 % of SWIM",
        holds: share(lifeguard.falsePositives, swim.falsePositives) <= 1.53,
      },
      {
        claim: "Lifeguard FP- ≤ 1.89 % of SWIM",
        holds: share(lifeguard.atHealthy, swim.atHealthy) <= 1.89,
      },
      {
        claim: "messages ≤ 111 %, bytes ≤ 103 % of SWIM",
        holds:
          share(lifeguard.frames, swim.frames) <= 111 && share(lifeguard.bytes, swim.bytes) <= 103,
      },
      {
        claim: "FP fall in the paper's order",
        holds: papersOrder.every(
          (name, at) => at === 0 || falsePositives(name) <= falsePositives(papersOrder[at - 1]),
        ),
      },
    ],
  };
};
