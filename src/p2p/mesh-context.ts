/** What everything that opens or serves streams needs. */
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Slowness } from "../base/slowness.ts";
import { type MeshHost } from "./host.ts";

export interface MeshContext {
  readonly host: MeshHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly slowness: Slowness;
  /** The cluster this agent belongs to (32 hexadecimal digits), or null before it joined one. */
  readonly clusterId: () => string | null;
}
