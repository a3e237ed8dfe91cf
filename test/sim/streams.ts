/**
 * Chance in a simulation: an own stream per concern, so that one more message does not change when the next crash
 * comes.
 */
import { type Random, seededRandom } from "../../src/base/random.ts";

export const concerns = {
  profile: 0,
  machines: 1,
  network: 2,
  faults: 3,
  clients: 4,
  operator: 5,
  scenario: 9,
  switch: 10,
} as const;

export function stream(seed: number, concern: number): Random {
  return seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(concern + 1, 0x85ebca6b));
}
