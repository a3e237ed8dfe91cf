/**
 * When a group that has lost its quorum may go on without the others (`settings.survivor`). They live in the replicated
 * settings, so that all members judge by the same numbers as far as they heard of them.
 */
import { formatDuration } from "../base/duration.ts";

export const survivorPolicies = ["silence", "proof", "off"] as const;

export interface SurvivorSettings {
  /** Acts on silence, only on proof that the missing are gone, or never by itself. */
  readonly auto: (typeof survivorPolicies)[number];
  /** How long every missing member must have been silent. */
  readonly silenceMs: number;
  /** How long an agent waits that started into silence, and so has outlived nobody. */
  readonly coldMs: number;
  /** The operator's brake: nothing happens by itself. */
  readonly hold: boolean;
  /** Turns a missing member's host off. The command gets its name; only exit code 0 counts. */
  readonly fence: { readonly command: readonly string[]; readonly timeoutMs: number } | null;
}

export const defaultSurvivorSettings: SurvivorSettings = {
  auto: "silence",
  silenceMs: 30_000,
  coldMs: 120_000,
  hold: false,
  fence: null,
};

const minutes = 60_000;
const ranges = {
  silence: { from: 1000, to: 1440 * minutes },
  cold: { from: 1000, to: 30 * 1440 * minutes },
  timeout: { from: 1000, to: 10 * minutes },
} as const;
const maxArguments = 64;
const maxArgumentLength = 1024;

/** Null when they may be in force. */
export function survivorProblem({ silenceMs, coldMs, fence }: SurvivorSettings): string | null {
  const timing = rangeProblem("silence", silenceMs) ?? rangeProblem("cold", coldMs);
  if (timing !== null || fence === null) return timing;
  const { command, timeoutMs } = fence;
  if (command.length === 0 || command.length > maxArguments) {
    return `survivor.fence.command needs a program and at most ${maxArguments - 1} arguments`;
  }
  if (command[0] === "" || command.some(({ length }) => length > maxArgumentLength)) {
    return `survivor.fence.command: no program, or an argument of over ${maxArgumentLength} characters`;
  }
  return rangeProblem("timeout", timeoutMs);
}

function rangeProblem(name: keyof typeof ranges, value: number): string | null {
  const { from, to } = ranges[name];
  if (value >= from && value <= to) return null;
  const key = name === "timeout" ? "fence.timeout" : name;
  return `survivor.${key} must be between ${formatDuration(from)} and ${formatDuration(to)}`;
}
